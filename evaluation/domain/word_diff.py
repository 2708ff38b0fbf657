"""Two texts, word by word: what stayed, what went and what came."""

import enum
from collections.abc import Iterator
from difflib import SequenceMatcher
from typing import NamedTuple

MOST_WORDS = 400  # of each text; comparing takes the product of both


class Part(enum.StrEnum):
    """What became of some words."""

    SAME = "same"
    GONE = "gone"
    NEW = "new"


class Words(NamedTuple):
    """Some words in a row, of one fate."""

    part: Part
    text: str


def word_diff(before: str, after: str) -> list[Words]:
    """Return both texts as one, in order; texts of more than ``MOST_WORDS`` words are whole, one after the other."""
    old, new = before.split(), after.split()
    if max(len(old), len(new)) > MOST_WORDS:
        return [Words(Part.SAME, before)] if before == after else [*_of(Part.GONE, old), *_of(Part.NEW, new)]
    found: list[Words] = []
    for kind, i, j, k, m in SequenceMatcher(a=old, b=new, autojunk=False).get_opcodes():
        if kind == "equal":
            found += _of(Part.SAME, old[i:j])
        else:
            found += [*_of(Part.GONE, old[i:j]), *_of(Part.NEW, new[k:m])]
    return found


def _of(part: Part, words: list[str]) -> Iterator[Words]:
    if words:
        yield Words(part, " ".join(words))
