"""What a word that somebody typed may be: an asset, a strategy, an id as it is shown anywhere, whole or by its end.

Every look is by an index, or at a small table, whatever the others hold.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import CharField, Model, Q, Value
from django.db.models.functions import Cast

from ai.models import ModelCall
from risk.models import RiskCheck
from trading.domain.symbols import meant_by
from trading.models import (
    AIDecision,
    Approval,
    Asset,
    Cycle,
    Event,
    Fill,
    Order,
    RoundTrip,
    Saga,
    Strategy,
    Trade,
    TradeProposal,
)
from trading.models.shared.id_ends import SHOWN, end_of_id

MOST_OF_A_KIND = 10
SHORTEST = 2  # of what is looked for inside a name
WITH_ENDS: list[type[Model]] = [Order, AIDecision, Cycle, Trade, RoundTrip, Fill, Saga, Approval]
ONLY_WHOLE: list[type[Model]] = [RiskCheck, ModelCall, TradeProposal, Event]
AN_END = re.compile(rf"[0-9a-f]{{{SHOWN}}}")


@dataclass(frozen=True, slots=True)
class Row:
    """A row that an id belongs to: its table and key."""

    table: str
    pk: str


@dataclass(frozen=True, slots=True)
class Found:
    """What was found, each kind at most ``MOST_OF_A_KIND`` times; ``rows`` by an id of theirs or of an order."""

    assets: tuple[Asset, ...]
    strategies: tuple[Strategy, ...]
    rows: tuple[Row, ...]


_OWN = frozenset((*WITH_ENDS, *ONLY_WHOLE))


def also_find(*, by_end: Sequence[type[Model]] = (), whole: Sequence[type[Model]] = ()) -> None:
    """Have the search look at tables of a room above trading, whose pages it has registered.

    Args:
        by_end: whose ids are found by their ends, too: small ones, or with ``index_of_ends``.
        whole: whose ids are found by all of their characters alone.
    """
    WITH_ENDS.extend(kind for kind in by_end if kind not in WITH_ENDS)
    ONLY_WHOLE.extend(kind for kind in whole if kind not in ONLY_WHOLE)


def tables() -> Mapping[str, type[Model]]:
    """Return all whose rows an id may be found of, by their labels."""
    return {kind._meta.label_lower: kind for kind in (*WITH_ENDS, *ONLY_WHOLE)}


def tables_from_above() -> list[type[Model]]:
    """Return those that rooms above trading have added."""
    return [kind for kind in (*WITH_ENDS, *ONLY_WHOLE) if kind not in _OWN]


def typed(text: str) -> str:
    """Return a word without what pages write around an id."""
    return text.replace("\x00", "").strip().strip("….").strip()[:128]


def find(text: str, seen: Collection[str]) -> Found:
    """Look a word up.

    Args:
        seen: labels of the tables that the asker may look at.
    """
    word = typed(text)
    if not word:
        return Found((), (), ())
    if _is_id(word):
        return Found((), (), tuple(row for row in _by_id(word.lower()) if row.table in seen))
    assets = _assets(word) if Asset._meta.label_lower in seen else ()
    strategies = _strategies(word) if Strategy._meta.label_lower in seen else ()
    rows = _of_orders(word) if len(word) >= SHOWN else []
    return Found(assets, strategies, tuple(row for row in rows if row.table in seen))


def ids_ending(text: str) -> list[UUID]:
    """Return the ids that end in the eight characters which pages show; none for anything else."""
    word = typed(text).lower()
    if not AN_END.fullmatch(word):
        return []
    return [
        UUID(row.pk) for row in _union(WITH_ENDS, lambda rows: rows.alias(end=end_of_id()).filter(end=word))
    ]


def _assets(word: str) -> tuple[Asset, ...]:
    symbols = [word.upper(), *meant_by(word)]
    named = Q(name__icontains=word) if len(word) >= SHORTEST else Q()
    rows = list(Asset.objects.filter(Q(pk__in=symbols) | named).order_by("pk")[: MOST_OF_A_KIND * 5])
    exact = Asset.objects.filter(pk__in=symbols) if len(rows) == MOST_OF_A_KIND * 5 else ()
    ordered = {row.pk: row for row in sorted([*exact, *rows], key=lambda row: _place(row, symbols))}
    return tuple(ordered.values())[:MOST_OF_A_KIND]


def _place(asset: Asset, symbols: list[str]) -> int:
    return symbols.index(asset.pk) if asset.pk in symbols else len(symbols)


def _strategies(word: str) -> tuple[Strategy, ...]:
    if len(word) < SHORTEST:
        return ()
    return tuple(
        Strategy.objects.filter(name__icontains=word).order_by("-is_active", "name")[:MOST_OF_A_KIND]
    )


def _is_id(word: str) -> bool:
    try:
        UUID(word)
    except ValueError:
        return bool(AN_END.fullmatch(word.lower()))
    return True


def _by_id(word: str) -> list[Row]:
    if AN_END.fullmatch(word):
        return _union(WITH_ENDS, lambda rows: rows.alias(end=end_of_id()).filter(end=word)) + _of_orders(word)
    wanted = UUID(word)
    return _union((*WITH_ENDS, *ONLY_WHOLE), lambda rows: rows.filter(pk=wanted)) + _of_orders(str(wanted))


def _of_orders(word: str) -> list[Row]:
    """Return the orders and fills that the broker, or we before the broker, call so."""
    named = Q(client_order_id__startswith=word) | Q(broker_order_id=word)
    return _union(
        (Order, Fill), lambda rows: rows.filter(named if rows.model is Order else Q(execution_id=word))
    )


def _union(kinds: Sequence[type[Model]], narrowed: Any) -> list[Row]:
    """Return the rows of all tables in one query."""
    parts = [
        narrowed(kind._default_manager.order_by())
        .annotate(found_in=Value(kind._meta.label_lower, CharField()), found_key=Cast("pk", CharField()))
        .values_list("found_in", "found_key")[:MOST_OF_A_KIND]
        for kind in kinds
    ]
    return [Row(table, key) for table, key in parts[0].union(*parts[1:], all=True)]
