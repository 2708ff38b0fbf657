"""Sums over round trips, lots, trades and model calls, made by the database: no row is read as an object.

Each function says what is to be summed; ``together.Together`` reads what several of them ask for.

A *trade* of the statistics is what one entry order opened and one exit order closed, however many executions both had.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from risk.domain.numbers import ZERO
from trading.performance.together import Line, Sum

BY: Mapping[str, str] = MappingProxyType(
    {
        "strategy": "strategy_id",
        "model": "model",
        "prompt": "prompt_version",
        "symbol": "symbol",
        "exit": "exit_reason",
        "decision": "entry_decision_id",
        "day": "width_bucket(closed_at, %(bounds)s::timestamptz[])",
        "holding": (
            "CASE WHEN closed_at - opened_at < interval '1 hour' THEN '1 below an hour'"
            " WHEN closed_at - opened_at < interval '1 day' THEN '2 below a day'"
            " WHEN closed_at - opened_at < interval '5 days' THEN '3 below five days'"
            " WHEN closed_at - opened_at < interval '20 days' THEN '4 below twenty days'"
            " ELSE '5 twenty days and more' END"
        ),
        "confidence": "TRUNC(confidence, 1)",
    }
)
CLOSED_ALONE = frozenset({"exit", "day", "holding"})  # what is still held has none of these
PARTED = frozenset({"day", "holding", "decision"})  # the executions of one trade may be in several groups
APART = "decision"  # as many groups as trades: the whole costs less when it is read by itself
IN_BOTH, IN_GROUPS, IN_TOTAL = range(3)  # what a line of trades counts for
EDGES = (-10, -5, -2, -1, 0, 1, 2, 5, 10)  # of what trades earned, percent
ALL = "''"
_TRADE = "entry_order_id, exit_order_id, symbol, CASE WHEN entry_order_id IS NULL THEN lot_number END"
_PAID = "CASE side WHEN 'long' THEN cost ELSE proceeds END"


def in_time(column: str) -> str:
    """Return the condition that a moment is within the ``Limits``."""
    return (
        f"(%(start)s::timestamptz IS NULL OR {column} > %(start)s)"
        f" AND (%(end)s::timestamptz IS NULL OR {column} <= %(end)s)"
    )


def _among(column: str, decisions: Sequence[str] | None) -> str:
    """Return the condition that these decisions opened it, or none did; None: whatever opened it."""
    return (
        f" AND ({column} = ANY(%(decisions)s::uuid[]) OR {column} IS NULL)" if decisions is not None else ""
    )


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
class Closed:
    """The trades closed in a time: all of them, by group, and how many earned what.

    Args:
        bins: trades by place between ``EDGES``: 0 is below the first.
    """

    total: TradeSums = TradeSums()
    groups: Mapping[str, TradeSums] = field(default_factory=dict)
    bins: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OpenLots:
    """What a group still holds of a symbol: base units, and their cost in USD; negative: short.

    ``mark`` is what the broker says a unit is worth, USD; None where it does not say.
    """

    key: str
    symbol: str
    lots: int
    quantity: Decimal
    cost: Decimal
    mark: Decimal | None


@dataclass(frozen=True, slots=True)
class BookTotals:
    """What the books of all symbols came to, USD."""

    flow: Decimal
    cost: Decimal
    realised: Decimal
    moved: Decimal


@dataclass(frozen=True, slots=True)
class Traded:
    """What was bought and sold in a time.

    Args:
        value: of both together, USD, in ``trades``.
        slippage_bps: how much worse than what the decision saw orders were filled, by value; of ``decided`` trades.
    """

    value: Decimal
    trades: int
    slippage_bps: float | None
    decided: int


def trade_sums(by: str | None, limits: Limits, decisions: Sequence[str] | None = None) -> Sum[Closed]:
    """Sum up the trades closed in the time; no groups where ``by`` is None.

    By ``APART`` only groups are known: the whole is that of None (``total_of``).

    Args:
        decisions: ids of those by which only is summed up what they opened, and what none did; None: all.
    """
    key = BY[by] if by else ALL
    closed = f"FROM round_trips WHERE exit_order_id IS NOT NULL AND {in_time('closed_at')}"
    closed += _among("entry_decision_id", decisions)
    # What is a trade alone needs no grouping, which costs thrice as much as all sums.
    alone = (
        f"SELECT {key} AS key, realised_pnl AS pnl, fees, closed_at - opened_at AS held, {_PAID} AS paid"
        f" {closed} AND is_alone"
    )
    parts = [_summed(alone, IN_BOTH, "EXTRACT(EPOCH FROM SUM(held))")]
    if by in PARTED:
        parts.append(_summed(_grouped(key, f"{key}, ", closed), IN_GROUPS))
    if by != APART:
        whole = _grouped(f"MIN(({key if by not in PARTED else ALL})::text)", "", closed)
        parts.append(_summed(whole, IN_TOTAL if by in PARTED else IN_BOTH))
    return Sum(
        " UNION ALL ".join(parts),
        9,
        {**limits.values, "edges": list(EDGES), "decisions": decisions},
        (lambda lines: Closed(groups=_groups(lines))) if by == APART else _closed,
    )


def _grouped(key: str, also_by: str, closed: str) -> str:
    """Return the select of the trades that are several round trips."""
    return (
        f"SELECT {key} AS key, SUM(realised_pnl) AS pnl, SUM(fees) AS fees,"  # noqa: S608 - our own words
        " SUM(quantity * EXTRACT(EPOCH FROM closed_at - opened_at)) / SUM(quantity) AS held,"
        f" SUM({_PAID}) AS paid {closed} AND NOT is_alone GROUP BY {also_by}{_TRADE}"
    )


def _summed(trades: str, counts_for: int, held: str = "SUM(held)") -> str:
    """Return the select that sums trades up by group and by what they earned."""
    return (
        "SELECT COALESCE(key::text, ''),"  # noqa: S608 - our own words
        " CASE WHEN paid > 0 THEN width_bucket(pnl / paid * 100, %(edges)s::numeric[]) END,"
        f" {counts_for}, COUNT(*), SUM(pnl), SUM(fees), COUNT(*) FILTER (WHERE pnl > 0),"
        " COALESCE(SUM(pnl) FILTER (WHERE pnl > 0), 0), COUNT(*) FILTER (WHERE pnl < 0),"
        f" COALESCE(SUM(pnl) FILTER (WHERE pnl < 0), 0), {held} FROM ({trades}) AS trades GROUP BY key, 2"
    )


def total_of(by: str | None, limits: Limits) -> Sum[Closed]:
    """Sum up all trades closed in the time; in the statement that has them by group, where one can have both."""
    return trade_sums(None if by == APART else by, limits)


def _closed(lines: Sequence[Line]) -> Closed:
    whole = [line for line in lines if line[2] != IN_GROUPS]
    bins: dict[int, int] = {}
    for line in whole:
        if line[1] is not None:
            bins[int(line[1])] = bins.get(int(line[1]), 0) + int(line[3])
    return Closed(_trades(whole), _groups([line for line in lines if line[2] != IN_TOTAL]), bins)


def _groups(lines: Sequence[Line]) -> dict[str, TradeSums]:
    found: dict[str, list[Line]] = {}
    for line in lines:
        found.setdefault(line[0], []).append(line)
    return {key: _trades(of) for key, of in sorted(found.items())}


def _trades(lines: Sequence[Line]) -> TradeSums:
    if not lines:
        return TradeSums()
    if len(lines) == 1:  # as most are by decision
        n, realised, fees, wins, won, losses, lost, held = lines[0][3:]
    else:
        columns = zip(*(line[3:] for line in lines), strict=True)
        n, realised, fees, wins, won, losses, lost, held = (sum(column, ZERO) for column in columns)
    return TradeSums(int(n), realised, fees, int(wins), won, int(losses), lost, float(held / n))


def open_lots(by: str | None, decisions: Sequence[str] | None = None) -> Sum[list[OpenLots]]:
    """Sum up what is held now, by group and symbol; by how it will be closed there is no group yet: ""."""
    key = _of_lots(by) if by and by not in CLOSED_ALONE else ALL
    return Sum(
        "SELECT held.*, positions.market_value, positions.quantity FROM ("  # noqa: S608 - our own words
        f"SELECT COALESCE(({key})::text, '') AS key, symbol, COUNT(*),"
        " SUM(CASE side WHEN 'long' THEN remaining ELSE -remaining END),"
        " SUM(CASE side WHEN 'long' THEN cost ELSE -cost END) FROM lots WHERE remaining > 0"
        f"{_among('decision_id', decisions)} GROUP BY 1, 2) AS held"
        " LEFT JOIN positions ON positions.symbol = held.symbol ORDER BY 1, 2",
        5,
        {"decisions": decisions},
        lambda lines: [
            OpenLots(key, symbol, int(lots), quantity, cost, value / units if value is not None else None)
            for key, symbol, lots, quantity, cost, value, units, *_ in lines
        ],
    )


def _of_lots(by: str) -> str:
    """Return the group's expression where a row has one decision, which opened."""
    return BY[by].replace("entry_decision_id", "decision_id")


def strategy_names() -> Sum[dict[str, str]]:
    """Look up what each strategy is called, by its id."""
    return Sum(
        "SELECT id::text, name FROM strategies", 0, {}, lambda lines: {key: name for key, name, *_ in lines}
    )


def book_totals() -> Sum[BookTotals]:
    """Sum up the books of all symbols."""
    return Sum(
        "SELECT '', '', SUM(cash_flow), SUM(cost), SUM(realised_pnl), SUM(moved) FROM symbol_books",
        4,
        {},
        lambda lines: BookTotals(*(number or ZERO for number in lines[0][2:6])),
    )


def brought_in(by: str | None, limits: Limits) -> Sum[dict[str, Decimal]]:
    """Sum up what was already earned by what was taken in without a trade, USD, by group as ``open_lots`` has them."""
    key = "symbol" if by == "symbol" else ALL
    return Sum(
        f"SELECT {key}, '', SUM(unrealised_before) FROM account_activities"  # noqa: S608 - our own words
        f" WHERE kind = 'adopted' AND {in_time('happened_at')} GROUP BY 1",
        1,
        limits.values,
        _by_key,
    )


def _by_key(lines: Sequence[Line]) -> dict[str, Decimal]:
    return {line[0]: line[2] for line in lines}


def brought_in_between(bounds: Sequence[datetime]) -> Sum[dict[int, Decimal]]:
    """Sum up the same by the place of the moment between ``bounds``: 0 is before the first."""
    return Sum(
        "SELECT width_bucket(happened_at, %(bounds)s::timestamptz[]), '', SUM(unrealised_before)"
        " FROM account_activities WHERE kind = 'adopted' GROUP BY 1",
        1,
        {"bounds": list(bounds)},
        lambda lines: {int(line[0]): line[2] for line in lines},
    )


def income(by: str | None, limits: Limits, decisions: Sequence[str] | None = None) -> Sum[dict[str, Decimal]]:
    """Sum up what the broker paid or took by itself (dividends, interest, fees), USD, by group; "": for no lot of ours.

    By exit the group is the kind of it.
    """
    of_lines = {"exit": "kind", "day": BY["day"].replace("closed_at", "happened_at"), "holding": ALL}
    key = (of_lines.get(by) or _of_lots(by)) if by else ALL
    return Sum(
        f"SELECT COALESCE(({key})::text, ''), '', SUM(amount) FROM cash_lines"  # noqa: S608 - our own words
        f" WHERE {in_time('happened_at')}{_among('decision_id', decisions)} GROUP BY 1",
        1,
        {**limits.values, "decisions": decisions},
        _by_key,
    )


def cash_between(
    bounds: Sequence[datetime], among: Sequence[datetime] | None = None
) -> Sum[dict[int, tuple[Decimal, Decimal]]]:
    """Sum up (income, transferred) by the place of the moment between ``bounds``, USD: 0 is before the first.

    Args:
        bounds: ascending.
        among: ascending, the moments of all who ask, ``bounds`` among them: by the same moments it is read once.
    """
    moments = list(bounds if among is None else among)
    return Sum(
        "SELECT width_bucket(happened_at, %(moments)s::timestamptz[]), '',"
        " COALESCE(SUM(amount) FILTER (WHERE kind IN ('dividend', 'interest', 'fee')), 0),"
        " COALESCE(SUM(amount) FILTER (WHERE kind = 'transfer'), 0) FROM account_activities GROUP BY 1",
        2,
        {"moments": moments},
        lambda lines: _between(bounds, moments, _pairs(lines)),
    )


def _between(
    bounds: Sequence[datetime], moments: Sequence[datetime], found: Mapping[int, tuple[Decimal, Decimal]]
) -> dict[int, tuple[Decimal, Decimal]]:
    """Return by the place between ``bounds`` what was found by the place between all ``moments``."""
    summed: dict[int, tuple[Decimal, Decimal]] = {}
    for place, (income_there, transferred) in found.items():
        wide = bisect_right(bounds, moments[place - 1]) if place else 0
        before = summed.get(wide, (ZERO, ZERO))
        summed[wide] = (before[0] + income_there, before[1] + transferred)
    return summed


def _pairs(lines: Sequence[Line]) -> dict[int, tuple[Decimal, Decimal]]:
    return {int(line[0]): (line[2], line[3]) for line in lines}


def cost_changes(bounds: Sequence[datetime]) -> Sum[dict[int, tuple[Decimal, Decimal]]]:
    """Sum up by how much the cost of what is held changed between moments, and by how much of that without a trade.

    The answer is (change, moved) by the place of the moment between ``bounds``: 0 is before the first.
    """
    return Sum(
        "WITH parts AS ("
        " SELECT opened_at AS at, CASE side WHEN 'long' THEN cost ELSE -cost END AS change,"
        " order_id IS NULL AS is_moved FROM lots"
        " UNION ALL SELECT opened_at, CASE side WHEN 'long' THEN cost ELSE -proceeds END, entry_order_id IS NULL"
        " FROM round_trips"
        " UNION ALL SELECT closed_at, CASE side WHEN 'long' THEN -cost ELSE proceeds END, exit_order_id IS NULL"
        " FROM round_trips)"
        " SELECT width_bucket(at, %(bounds)s::timestamptz[]), '', SUM(change),"
        " COALESCE(SUM(change) FILTER (WHERE is_moved), 0) FROM parts GROUP BY 1",
        2,
        {"bounds": list(bounds)},
        _pairs,
    )


# What an older version booked has no price of its own while the new one is started.
_SEEN = (
    "COALESCE(trades.decision_price, CASE WHEN trades.decision_id IS NOT NULL THEN"
    " (SELECT ai_decisions.price FROM ai_decisions WHERE ai_decisions.id = trades.decision_id) END)"
)


def traded(limits: Limits) -> Sum[Traded]:
    """Sum up what was traded, and how much worse than what the decision saw."""
    return Sum(
        "SELECT side, (seen IS NULL)::text, SUM(quantity * price), SUM(quantity * seen), COUNT(*)"  # noqa: S608 - our own words
        f" FROM (SELECT side, quantity, price, {_SEEN} AS seen FROM trades WHERE {in_time('traded_at')} OFFSET 0)"
        " AS trades GROUP BY 1, 2",  # by OFFSET 0 what was seen is looked up once
        3,
        limits.values,
        _traded,
    )


def _traded(lines: Sequence[Line]) -> Traded:
    decided = [line for line in lines if line[3] is not None]
    seen = sum((line[3] for line in decided), ZERO)
    worse = sum((line[2] - line[3] if line[0] == "buy" else line[3] - line[2] for line in decided), ZERO)
    return Traded(
        value=sum((line[2] for line in lines), ZERO),
        trades=sum(int(line[4]) for line in lines),
        slippage_bps=float(worse / seen * 10_000) if seen else None,
        decided=sum(int(line[4]) for line in decided),
    )
