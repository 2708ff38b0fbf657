"""The rows of a report: what each strategy, model, symbol or day came to. Their sums are the change of equity."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from risk.domain.numbers import ZERO
from trading.models import AIDecision
from trading.performance import sums
from trading.performance.best import Best
from trading.performance.model_costs import ModelCost, model_costs
from trading.performance.spans import SAME_MOMENT, DayPoint, Span, opening_bound
from trading.performance.sums import Limits, TradeSums
from trading.performance.together import Sum, Together

EVER = Limits(None, None, [])
UNKNOWN, STILL_OPEN = "unknown origin", "still open"
TENTH = Decimal("0.1")
AT_START = "what each was worth at the start or the end of the time is not on record"


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in USD; None with the reason where it is not known."""

    value: Decimal | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One group: a strategy, a model, a day. ``profit`` is realised, unrealised and income, before model cost.

    ``income``: what the broker paid or took by itself for what the group held: dividends, interest, fees; USD.
    """

    key: str
    label: str
    trades: TradeSums
    open_lots: int
    unrealised: Money
    profit: Money
    model_cost: ModelCost | None
    equity_change: Money | None = None
    income: Decimal = ZERO

    @property
    def earned(self) -> Decimal:
        """What it is ordered by: the profit, or what was realised where that is not known, USD."""
        return self.profit.value if self.profit.value is not None else self.trades.realised


def known(value: Decimal | None, reason: str = "") -> Money:
    """Return an amount, with the reason where it is None."""
    return Money(value, reason if value is None else "")


def sums_by(by: str, limits: Limits, *, is_whole: bool, best: Best | None = None) -> Iterator[Sum[Any]]:
    """Yield what ``rows_by`` needs, to be read ahead."""
    wanted = list(best.labels) if best is not None else None
    yield from (sums.trade_sums(by, limits, wanted), sums.income(by, limits, wanted), model_costs(by, limits))
    if is_whole:
        yield from (sums.open_lots(by, wanted), sums.brought_in(by, EVER))
    if by == "strategy":
        yield sums.strategy_names()


def rows_by(
    together: Together, by: str, limits: Limits, *, is_whole: bool, best: Best | None = None
) -> list[Row]:
    """Return a row for each group that closed or holds anything, or was paid for.

    Args:
        is_whole: the time is all that is on record, so that what is held now belongs to it.
        best: the decisions of which alone rows are wanted, and of what none opened; None: of all.
    """
    wanted = list(best.labels) if best is not None else None
    closed = together.of(sums.trade_sums(by, limits, wanted)).groups
    held, lots = _held(together, by, wanted) if is_whole else ({}, {})
    costs, income = together.of(model_costs(by, limits)).groups, together.of(sums.income(by, limits, wanted))
    labels = best.labels if best is not None else _labels(together, by, [*closed, *held, *income])
    rows = []
    for key in sorted({*closed, *held, *income, *(costs or {})}):
        trades, paid = closed.get(key, TradeSums()), income.get(key, ZERO)
        unrealised = held.get(key, Money(ZERO)) if is_whole else Money(None, AT_START)
        profit = trades.realised + unrealised.value + paid if unrealised.value is not None else None
        rows.append(
            Row(
                key=key,
                label=labels.get(key, key or (STILL_OPEN if by in sums.CLOSED_ALONE else UNKNOWN)),
                trades=trades,
                open_lots=lots.get(key, 0),
                unrealised=unrealised,
                profit=known(profit, unrealised.reason),
                model_cost=(costs or {}).get(key, ModelCost()) if costs is not None else None,
                income=paid,
            )
        )
    return rows


def _held(
    together: Together, by: str, wanted: Sequence[str] | None
) -> tuple[dict[str, Money], dict[str, int]]:
    """Return what is not realised yet by group, less what it was worth more than its cost when it was taken in."""
    values: dict[str, Decimal] = {
        key: -before for key, before in together.of(sums.brought_in(by, EVER)).items()
    }
    counts: dict[str, int] = {}
    unknown: dict[str, str] = {}
    for lot in together.of(sums.open_lots(by, wanted)):
        counts[lot.key] = counts.get(lot.key, 0) + lot.lots
        if lot.mark is None:
            unknown[lot.key] = f"the broker says no value of {lot.symbol}"
        values[lot.key] = values.get(lot.key, ZERO) + (lot.quantity * (lot.mark or ZERO) - lot.cost)
    return {
        key: Money(None, unknown[key]) if key in unknown else Money(value) for key, value in values.items()
    }, counts


def _labels(together: Together, by: str, keys: Sequence[str]) -> Mapping[str, str]:
    if by == "strategy":
        return together.of(sums.strategy_names())
    if by == "holding":
        return {key: key[2:] for key in keys if key}
    if by == "confidence":
        return {key: f"{key} to {Decimal(key) + TENTH}" for key in keys if key}
    if by == "decision":
        found = AIDecision.objects.filter(pk__in=[key for key in keys if key]).order_by()
        return {
            str(pk): f"{action} {symbol}"
            for pk, action, symbol in found.values_list("pk", "action", "symbol")
        }
    return {}


def sums_by_day(
    span: Span, limits: Limits, opening: DayPoint | None, points: Sequence[DayPoint]
) -> Iterator[Sum[Any]]:
    """Yield what ``rows_by_day`` needs beside cash, to be read ahead."""
    if bounds := day_bounds(span, opening, points):
        yield from (sums.trade_sums("day", limits), model_costs("day", limits))
        yield from (sums.cost_changes(bounds), sums.brought_in_between(bounds))


def day_bounds(span: Span, opening: DayPoint | None, points: Sequence[DayPoint]) -> list[datetime]:
    """Return the moments between which the days of ``rows_by_day`` are; none where it has no rows."""
    if opening is None or not points:
        return []
    return [opening_bound(span, opening), *(point.at + SAME_MOMENT for point in points)]


def rows_by_day(
    together: Together,
    span: Span,
    limits: Limits,
    opening: DayPoint | None,
    points: Sequence[DayPoint],
    moments: Sequence[datetime],
) -> list[Row]:
    """Return a row for each session with a sync; all of them together are the change of equity.

    Args:
        opening: the account at the start of the time.
        moments: those between which the report sums up cash, ``day_bounds`` among them.
    """
    places = {day: str(place) for place, (day, _) in enumerate(span.days)}
    if opening is None or not points:
        return []
    bounds = day_bounds(span, opening, points)
    closed = together.of(sums.trade_sums("day", limits)).groups
    costs = together.of(model_costs("day", limits)).groups or {}
    changes = together.of(sums.cost_changes(bounds))
    brought = together.of(sums.brought_in_between(bounds))
    cash = together.of(sums.cash_between(bounds, moments))
    rows: list[Row] = []
    for number, (before, point) in enumerate(itertools.pairwise((opening, *points)), start=1):
        trades = closed.get(places[point.day], TradeSums())
        change, _ = changes.get(number, (ZERO, ZERO))
        paid, _ = cash.get(number, (ZERO, ZERO))
        value = (point.equity - point.cash) - (before.equity - before.cash)
        unrealised = value - change - brought.get(number, ZERO)
        rows.append(
            Row(
                key=point.day.isoformat(),
                label=point.day.isoformat(),
                trades=trades,
                open_lots=0,
                unrealised=Money(unrealised),
                profit=Money(trades.realised + unrealised + paid),
                model_cost=costs.get(places[point.day], ModelCost()),
                equity_change=Money(point.equity - before.equity),
                income=paid,
            )
        )
    return rows
