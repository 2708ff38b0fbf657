"""Finds the one object with decisions in what a model wrote around it: thoughts, prose, fences, a list.

An answer is read only where its meaning is not in doubt. A person who reads along drops what the model thought
aloud and takes the one object that remains; where two remain and differ, nobody can say which was meant.
"""

import json
import re
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from ai.domain.text import clean_line

_MAX_DIGITS = 18
_TAG = r"(?:think|thinking|thought|reasoning)"
_THOUGHT = re.compile(rf"<{_TAG}>.*?</{_TAG}>|\[THINK\].*?\[/THINK\]", re.DOTALL | re.IGNORECASE)
_THOUGHT_ENDS = re.compile(rf"</{_TAG}>|\[/THINK\]", re.IGNORECASE)
_THOUGHT_BEGINS = re.compile(rf"<{_TAG}>|\[THINK\]", re.IGNORECASE)
_JSON_BEGINS = re.compile(r"\{[ \t\n\r]*[\"}]")
_OBJECT_BEGINS = re.compile(r"\{\s*(?:[\"']|\w+\s*:)")


class _GivenTwice:
    """Stands for a key that an object has twice: which value was meant cannot be known."""

    def __repr__(self) -> str:
        return "<given twice>"


@dataclass(frozen=True, slots=True)
class Reading:
    """The decisions of an answer, unjudged; ``complaint`` is None where they were found without doubt."""

    decisions: list[Any]
    complaint: str | None = None


def read_decisions(text: str, asked: Collection[str]) -> Reading:
    """Return the list under ``decisions`` of the one object in ``text`` that has it.

    Args:
        asked: a broken object that has decisions and names one of these is a second meaning, too.
    """
    objects, broken = _objects(_said(text))
    claims = [found for found in objects if "decisions" in found]
    if not claims:
        if objects:
            return Reading([], 'the answer is JSON but has no list of "decisions"')
        return Reading([], "the answer is not JSON: " + (clean_line(text, limit=80) or "it is empty"))
    if any(claim != claims[0] for claim in claims[1:]):
        return Reading([], f"in doubt: the answer has {len(claims)} objects with decisions, and they differ")
    if any('"decisions"' in part and any(f'"{symbol}"' in part for symbol in asked) for part in broken):
        return Reading([], "in doubt: the answer has decisions twice, and one of the objects is broken")
    decisions = claims[0]["decisions"]
    if not isinstance(decisions, list):
        return Reading([], 'the answer is JSON but has no list of "decisions"')
    return Reading(decisions)


def _said(text: str) -> str:
    """Return ``text`` without what was thought aloud; as it is where it is JSON as a whole.

    A closing tag without its opening one ends a thought that began with the answer: several chat templates put
    the opening tag into the prompt. A thought that never ends leaves nothing behind it.
    """
    if _is_json(text):
        return text
    rest = _THOUGHT.sub("\n", text)
    *_, rest = _THOUGHT_ENDS.split(rest)
    return _THOUGHT_BEGINS.split(rest)[0]


def _is_json(text: str) -> bool:
    try:
        json.loads(text, parse_int=_integer)
    except (ValueError, RecursionError):
        return False
    return True


def _objects(text: str) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the outermost JSON objects of ``text``, and what stands between braces but is none.

    Nothing is read from within something broken: a draft, an example or a wrapper is no answer.
    """
    closings = _closings(text)
    found: list[dict[str, Any]] = []
    broken: list[str] = []
    position = text.find("{")
    while position >= 0:
        if (read := _object_at(text, position)) is not None:
            value, end = read
            found.append(value)
        else:
            end = _end_of_broken(text, position, closings)
            broken.append(text[position:end])
        position = text.find("{", end)
    return found, broken


def _object_at(text: str, position: int) -> tuple[dict[str, Any], int] | None:
    """Return the JSON object that begins with this brace, and where it ends; None where none does.

    What cannot begin one is not tried: the library's error counts the lines in front of it, seconds of a core for an
    answer all of braces.
    """
    if _JSON_BEGINS.match(text, position):
        with suppress(ValueError, RecursionError):
            return _DECODER.raw_decode(text, position)
    return None


def _end_of_broken(text: str, position: int, closings: dict[int, int]) -> int:
    """Return where reading goes on behind a brace that begins no JSON.

    One that is never closed is a slip where no key follows it, and else the beginning of something cut off.
    """
    if position in closings:
        return closings[position] + 1
    return len(text) if _OBJECT_BEGINS.match(text, position) else position + 1


def _closings(text: str) -> dict[int, int]:
    """Return for each opening brace where it is closed, if it is: strings are not told apart."""
    closings: dict[int, int] = {}
    open_braces: list[int] = []
    for place, brace in _braces(text):
        if brace == "{":
            open_braces.append(place)
        elif open_braces:
            closings[open_braces.pop()] = place
    return closings


def _braces(text: str) -> Iterator[tuple[int, str]]:
    return ((match.start(), match.group()) for match in re.finditer(r"[{}]", text))


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key, value in pairs:
        values[key] = _GivenTwice() if key in values else value
    return values


def _integer(digits: str) -> int | float:
    """Return the number; as a float when so long that ``int`` would refuse, and the whole text with it."""
    return int(digits) if len(digits) <= _MAX_DIGITS else float(digits)


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_int=_integer)
