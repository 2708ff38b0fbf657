"""Merge headlines of one story: the same story in several papers is one headline."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

_NOT_WORDS = re.compile(r"[\W_]+")
_BYLINE = re.compile(r"\s+[-|\u2013\u2014]\s+[^-|\u2013\u2014]{1,40}$")


@dataclass(frozen=True, slots=True)
class Story:
    """A headline, with every symbol and keyword it came for and every paper that ran it."""

    title: str
    sources: tuple[str, ...]
    symbols: tuple[str, ...]
    keywords: tuple[str, ...]
    published_at: datetime


def title_key(title: str) -> str:
    """Return what two syndicated copies of a title share: letters and digits, without a closing byline."""
    bare = _BYLINE.sub("", title.strip())
    return _NOT_WORDS.sub(" ", bare or title).strip().casefold()


def merged(stories: Iterable[Story]) -> list[Story]:
    """Return one story per title, newest first; the earliest copy gives title and time."""
    by_key: dict[str, Story] = {}
    for story in sorted(stories, key=lambda one: one.published_at):
        key = title_key(story.title)
        known = by_key.get(key)
        if known is None:
            by_key[key] = story
            continue
        by_key[key] = replace(
            known,
            sources=_union(known.sources, story.sources),
            symbols=_union(known.symbols, story.symbols),
            keywords=_union(known.keywords, story.keywords),
        )
    return sorted(by_key.values(), key=lambda one: one.published_at, reverse=True)


def _union(first: Sequence[str], second: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*first, *second)))


def in_turn(symbols: Sequence[str], held: Iterable[str], count: int, turn: int) -> list[str]:
    """Return ``count`` of ``symbols``: the held ones first, then the others in turn.

    Every symbol's turn comes within ``len(symbols)`` turns, as long as not everything held fills the count.
    """
    positions = set(held)
    first = [symbol for symbol in symbols if symbol in positions][:count]
    rest = [symbol for symbol in symbols if symbol not in positions]
    room = count - len(first)
    if not rest or room <= 0:
        return first
    start = turn * room % len(rest)
    return first + (rest[start:] + rest[:start])[:room]
