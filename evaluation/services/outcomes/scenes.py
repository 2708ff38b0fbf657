"""The prices of the whole universe at a decision, with the closes known then: what an outcome is measured from.

Trading forgets prices after a week and most cycles after a month. One record serves all decisions of a cycle, 3 KB
compressed for 140 symbols.
"""

import json
import zlib
from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import structlog

from evaluation.models import EvaluationRecord
from risk.domain.numbers import plain_decimal
from trading.analysis.sealed_facts import sealed, unsealed
from trading.errors import RecordError
from trading.models import AIDecision, DecisionRecord

log = structlog.get_logger(__name__)
# Enough that the histories of then and now have a day in common, whatever a source leaves out.
CLOSES_KEPT = 5
Closes = Sequence[tuple[str, str]]
Scene = Mapping[str, tuple[Decimal, Mapping[date, Decimal]]]


class SceneMaker:
    """Makes records of universes; daily histories, the same all day, are read once."""

    def __init__(self) -> None:
        self._closes: dict[str, Closes] = {}

    def store(self, cycles: Collection[UUID]) -> dict[UUID, str]:
        """Store the universe of each cycle; return the records' names by cycle."""
        seen: dict[UUID, dict[str, tuple[Decimal, str | None]]] = {}
        rows = AIDecision.objects.filter(cycle__in=cycles, price__isnull=False).order_by("pk")
        for cycle, symbol, price, record in rows.values_list("cycle_id", "symbol", "price", "record_id"):
            if price is None:
                continue
            before = seen.setdefault(cycle, {}).get(symbol)
            if before is None or before[1] is None:
                seen[cycle][symbol] = (price, record)
        histories = self._histories(
            {record for each in seen.values() for _, record in each.values() if record}
        )
        made = {cycle: self._sealed(each, histories) for cycle, each in seen.items()}
        EvaluationRecord.objects.bulk_create(
            (EvaluationRecord(sha256=row.sha256, body=row.body) for row in made.values()),
            ignore_conflicts=True,
        )
        return {cycle: row.sha256 for cycle, row in made.items()}

    def _sealed(
        self,
        symbols: Mapping[str, tuple[Decimal, str | None]],
        histories: Mapping[str, Mapping[str, str]],
    ) -> DecisionRecord:
        content = {
            symbol: {
                "price": plain_decimal(price),
                "closes": self._closes.get(histories.get(record or "", {}).get(symbol, ""), ()),
            }
            for symbol, (price, record) in symbols.items()
        }
        return sealed({"kind": "universe", "format": 1, "symbols": content})

    def _histories(self, records: Collection[str]) -> dict[str, dict[str, str]]:
        """Return, by record and symbol, the names of the daily histories that a decision saw, which are then read."""
        found: dict[str, dict[str, str]] = {}
        for record in DecisionRecord.objects.filter(pk__in=records).iterator(chunk_size=50):
            prices = _facts(record).get("prices", {})
            found[record.pk] = {symbol: p["bars"] for symbol, p in prices.items() if p.get("bars")}
        wanted = {name for each in found.values() for name in each.values()} - self._closes.keys()
        for row in DecisionRecord.objects.filter(pk__in=wanted).iterator(chunk_size=200):
            self._closes[row.pk] = _last_closes(_facts(row).get("bars", ()))
        return found


def read_scenes(names: Collection[str]) -> dict[str, Scene]:
    """Return price and closes by symbol, of records that ``SceneMaker`` stored."""
    found: dict[str, Scene] = {}
    for row in EvaluationRecord.objects.filter(pk__in=names).iterator(chunk_size=100):
        symbols = json.loads(zlib.decompress(bytes(row.body)))["symbols"]
        found[row.pk] = {
            symbol: (
                Decimal(each["price"]),
                {date.fromisoformat(day): Decimal(close) for day, close in each["closes"]},
            )
            for symbol, each in symbols.items()
        }
    return found


def _last_closes(bars: Sequence[Sequence[str]]) -> Closes:
    last = bars[-CLOSES_KEPT:]
    return [(datetime.fromisoformat(bar[0]).date().isoformat(), bar[4]) for bar in last]


def _facts(record: DecisionRecord) -> dict[str, Any]:
    """Return what a record says; one that cannot be read says nothing, and its decisions cannot be resolved."""
    try:
        return unsealed(record)
    except RecordError as error:
        log.warning("record_not_read", record=record.pk, error=str(error))
        return {}
