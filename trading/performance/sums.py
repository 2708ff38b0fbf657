"""Sums over round trips, lots, trades and model calls, made by the database: no row is read as an object.

A *trade* of the statistics is what one entry order opened and one exit order closed, however many executions both had.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from django.db import connection

from risk.domain.numbers import ZERO

BY: Mapping[str, str] = MappingProxyType(
    {
        "strategy": "strategy_id::text",
        "model": "model",
        "prompt": "prompt_version",
        "symbol": "symbol",
        "exit": "exit_reason",
        "decision": "entry_decision_id::text",
        "day": "width_bucket(closed_at, %(bounds)s::timestamptz[])::text",
        "holding": (
            "CASE WHEN closed_at - opened_at < interval '1 hour' THEN '1 below an hour'"
            " WHEN closed_at - opened_at < interval '1 day' THEN '2 below a day'"
            " WHEN closed_at - opened_at < interval '5 days' THEN '3 below five days'"
            " WHEN closed_at - opened_at < interval '20 days' THEN '4 below twenty days'"
            " ELSE '5 twenty days and more' END"
        ),
        "confidence": (
            "(SELECT TRUNC(decided.confidence, 1)::text FROM ai_decisions AS decided"
            " WHERE decided.id = entry_decision_id)"
        ),
    }
)
CLOSED_ALONE = frozenset({"exit", "day", "holding"})  # what is still held has none of these
ALL = "''"
_TRADE = "entry_order_id, exit_order_id, symbol, CASE WHEN entry_order_id IS NULL THEN lot_number END"
_TIME = (
    "(%(start)s::timestamptz IS NULL OR {column} > %(start)s)"
    " AND (%(end)s::timestamptz IS NULL OR {column} <= %(end)s)"
)
_CLOSED = f"exit_order_id IS NOT NULL AND {_TIME.format(column='closed_at')}"


@dataclass(frozen=True, slots=True)
class Limits:
    """The time summed over: after ``start``, up to ``end``; None: open. ``bounds`` are the ends of its days."""

    start: datetime | None
    end: datetime | None
    bounds: Sequence[datetime]

    @property
    def values(self) -> dict[str, Any]:
        """What the statements are given."""
        return {"start": self.start, "end": self.end, "bounds": list(self.bounds)}


@dataclass(frozen=True, slots=True)
class TradeSums:
    """What the trades of a group came to; money in USD, ``seconds_held`` the mean."""

    trades: int = 0
    realised: Decimal = ZERO
    fees: Decimal = ZERO
    wins: int = 0
    won: Decimal = ZERO
    losses: int = 0
    lost: Decimal = ZERO
    seconds_held: float | None = None


@dataclass(frozen=True, slots=True)
class OpenLots:
    """What a group still holds of a symbol: base units, and their cost in USD; negative: short."""

    key: str
    symbol: str
    lots: int
    quantity: Decimal
    cost: Decimal


@dataclass(frozen=True, slots=True)
class ModelCost:
    """What models were paid, USD; ``unpriced``: calls of which nobody knows the price."""

    usd: Decimal = ZERO
    calls: int = 0
    unpriced: int = 0


def _rows(statement: str, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return list(cursor.fetchall())


def closed_in() -> str:
    """Return condition and grouping by which rows of ``round_trips`` are the trades closed in the time."""
    return f"{_CLOSED} GROUP BY {_TRADE}"


def trade_sums(by: str | None, limits: Limits) -> dict[str, TradeSums]:
    """Return the sums of trades closed in the time, by group; the whole under "" where ``by`` is None."""
    key = BY[by] if by else ALL
    rows = _rows(
        f"WITH closed AS (SELECT COALESCE({key}, '') AS key, SUM(realised_pnl) AS pnl, SUM(fees) AS fees,"  # noqa: S608 - our own words
        " SUM(quantity * EXTRACT(EPOCH FROM closed_at - opened_at)) / SUM(quantity) AS held"
        f" FROM round_trips WHERE {_CLOSED}"
        f" GROUP BY 1, {_TRADE})"
        " SELECT key, COUNT(*), SUM(pnl), SUM(fees), COUNT(*) FILTER (WHERE pnl > 0),"
        " COALESCE(SUM(pnl) FILTER (WHERE pnl > 0), 0), COUNT(*) FILTER (WHERE pnl < 0),"
        " COALESCE(SUM(pnl) FILTER (WHERE pnl < 0), 0), AVG(held)::float8 FROM closed GROUP BY key ORDER BY key",
        limits.values,
    )
    return {row[0]: TradeSums(*row[1:]) for row in rows}


def open_lots(by: str | None) -> list[OpenLots]:
    """Return what is held now, by group and symbol; by how it will be closed there is no group yet: ""."""
    key = _of_lots(by) if by and by not in CLOSED_ALONE else ALL
    rows = _rows(
        f"SELECT COALESCE({key}, ''), symbol, COUNT(*),"  # noqa: S608 - our own words
        " SUM(CASE side WHEN 'long' THEN remaining ELSE -remaining END),"
        " SUM(CASE side WHEN 'long' THEN cost ELSE -cost END)"
        " FROM lots WHERE remaining > 0 GROUP BY 1, 2 ORDER BY 1, 2",
        {},
    )
    return [OpenLots(*row) for row in rows]


def _of_lots(by: str) -> str:
    """Return the group's expression where a row has one decision, which opened."""
    return BY[by].replace("entry_decision_id", "decision_id")


def brought_in(by: str | None, limits: Limits) -> dict[str, Decimal]:
    """Return what was already earned by what was taken in without a trade, USD, by group as ``open_lots`` has them."""
    key = "symbol" if by == "symbol" else ALL
    rows = _rows(
        f"SELECT {key}, SUM(unrealised_before) FROM account_activities"  # noqa: S608 - our own words
        f" WHERE kind = 'adopted' AND {_TIME.format(column='happened_at')} GROUP BY 1",
        limits.values,
    )
    return dict(rows)


def brought_in_between(bounds: Sequence[datetime]) -> dict[int, Decimal]:
    """Return the same by the place of the moment between ``bounds``: 0 is before the first."""
    rows = _rows(
        "SELECT width_bucket(happened_at, %(bounds)s::timestamptz[]), SUM(unrealised_before)"
        " FROM account_activities WHERE kind = 'adopted' GROUP BY 1",
        {"bounds": list(bounds)},
    )
    return dict(rows)


def income(by: str | None, limits: Limits) -> dict[str, Decimal]:
    """Return what the broker paid or took by itself (dividends, interest, fees), USD, by group; "": for no lot of ours.

    By exit the group is the kind of it.
    """
    of_lines = {"exit": "kind", "day": BY["day"].replace("closed_at", "happened_at"), "holding": ALL}
    key = (of_lines.get(by) or _of_lots(by)) if by else ALL
    rows = _rows(
        f"SELECT COALESCE({key}, ''), SUM(amount) FROM cash_lines"  # noqa: S608 - our own words
        f" WHERE {_TIME.format(column='happened_at')} GROUP BY 1",
        limits.values,
    )
    return dict(rows)


def cash_between(bounds: Sequence[datetime]) -> dict[int, tuple[Decimal, Decimal]]:
    """Return (income, transferred) by the place of the moment between ``bounds``, USD: 0 is before the first."""
    rows = _rows(
        "SELECT width_bucket(happened_at, %(bounds)s::timestamptz[]),"
        " COALESCE(SUM(amount) FILTER (WHERE kind IN ('dividend', 'interest', 'fee')), 0),"
        " COALESCE(SUM(amount) FILTER (WHERE kind = 'transfer'), 0) FROM account_activities GROUP BY 1",
        {"bounds": list(bounds)},
    )
    return {place: (earned, moved) for place, earned, moved in rows}


def cost_changes(bounds: Sequence[datetime]) -> dict[int, tuple[Decimal, Decimal]]:
    """Return by how much the cost of what is held changed between moments, and by how much of that without a trade.

    Returns:
        (change, moved) by the place of the moment between ``bounds``: 0 is before the first.
    """
    rows = _rows(
        "WITH parts AS ("
        " SELECT opened_at AS at, CASE side WHEN 'long' THEN cost ELSE -cost END AS change,"
        " order_id IS NULL AS is_moved FROM lots"
        " UNION ALL SELECT opened_at, CASE side WHEN 'long' THEN cost ELSE -proceeds END, entry_order_id IS NULL"
        " FROM round_trips"
        " UNION ALL SELECT closed_at, CASE side WHEN 'long' THEN -cost ELSE proceeds END, exit_order_id IS NULL"
        " FROM round_trips)"
        " SELECT width_bucket(at, %(bounds)s::timestamptz[]), SUM(change),"
        " COALESCE(SUM(change) FILTER (WHERE is_moved), 0) FROM parts GROUP BY 1 ORDER BY 1",
        {"bounds": list(bounds)},
    )
    return {place: (change, moved) for place, change, moved in rows}


def slippage(limits: Limits) -> tuple[float | None, int]:
    """Return how much worse than what the decision saw orders were filled, in bps by value, and of how many trades."""
    ((worse, value, n),) = _rows(
        "SELECT SUM(trades.quantity * (trades.price - ai_decisions.price)"  # noqa: S608 - our own words
        " * CASE trades.side WHEN 'buy' THEN 1 ELSE -1 END),"
        " SUM(trades.quantity * ai_decisions.price), COUNT(*) FROM trades"
        " JOIN ai_decisions ON ai_decisions.id = trades.decision_id"
        f" WHERE ai_decisions.price IS NOT NULL AND {_TIME.format(column='trades.traded_at')}",
        limits.values,
    )
    return (float(worse / value * 10_000) if value else None), n


def traded_value(limits: Limits) -> tuple[Decimal, int]:
    """Return what was bought and sold together, USD, and in how many trades."""
    ((value, n),) = _rows(
        f"SELECT COALESCE(SUM(quantity * price), 0), COUNT(*) FROM trades WHERE {_TIME.format(column='traded_at')}",  # noqa: S608 - our own words
        limits.values,
    )
    return value, n


# A call belongs to the market time of its cycle's first sync: by wall time a replayed week would be one day.
_CALLS = (
    "WITH placed AS (SELECT calls.id, calls.model, calls.prompt_version,"
    " COALESCE(calls.cost_usd, calls.charged_usd) AS usd,"
    " calls.cost_usd IS NULL AND calls.charged_usd = 0 AND calls.model NOT LIKE 'builtin/%%' AS is_unpriced,"
    " COALESCE(synced.at, calls.created_at) AS at"
    " FROM (SELECT * FROM model_calls WHERE purpose = 'trade') AS calls LEFT JOIN (SELECT cycle_id,"
    " MIN(market_time) AS at FROM equity_snapshots WHERE cycle_id IS NOT NULL GROUP BY cycle_id) AS synced"
    " ON synced.cycle_id = calls.cycle_id)"
)
_COST_KEYS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "model": ("placed.model", "placed"),
        "prompt": ("placed.prompt_version", "placed"),
        "day": ("width_bucket(placed.at, %(bounds)s::timestamptz[])::text", "placed"),
        "strategy": (
            "asked.strategy_id::text",
            "(SELECT DISTINCT model_call_id, strategy_id FROM ai_decisions) AS asked"
            " JOIN placed ON placed.id = asked.model_call_id",
        ),
    }
)


def model_costs(by: str | None, limits: Limits) -> dict[str, ModelCost] | None:
    """Return what models cost in the time, by group; None where a call belongs to no one group (symbol, exit)."""
    if by is not None and by not in _COST_KEYS:
        return None
    key, source = _COST_KEYS[by] if by else (ALL, "placed")
    rows = _rows(
        f"{_CALLS} SELECT COALESCE({key}, ''), COALESCE(SUM(placed.usd), 0), COUNT(*),"  # noqa: S608 - our own words
        f" COUNT(*) FILTER (WHERE placed.is_unpriced) FROM {source}"
        f" WHERE {_TIME.format(column='placed.at')} GROUP BY 1",
        limits.values,
    )
    return {row[0]: ModelCost(*row[1:]) for row in rows}
