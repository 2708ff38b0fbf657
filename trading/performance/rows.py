"""The rows of a report: what each strategy, model, symbol or day came to. Their sums are the change of equity."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from risk.domain.numbers import ZERO
from trading.models import AIDecision, Position, Strategy
from trading.performance import sums
from trading.performance.spans import SAME_MOMENT, DayPoint, Span, opening_bound, opening_of
from trading.performance.sums import Limits, ModelCost, TradeSums

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


def known(value: Decimal | None, reason: str = "") -> Money:
    """Return an amount, with the reason where it is None."""
    return Money(value, reason if value is None else "")


def rows_by(by: str, limits: Limits, *, is_whole: bool) -> list[Row]:
    """Return a row for each group that closed or holds anything, or was paid for.

    Args:
        is_whole: the time is all that is on record, so that what is held now belongs to it.
    """
    closed = sums.trade_sums(by, limits)
    held, lots = _held(by) if is_whole else ({}, {})
    costs, income = sums.model_costs(by, limits), sums.income(by, limits)
    labels = _labels(by, [*closed, *held, *income])
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


def _held(by: str) -> tuple[dict[str, Money], dict[str, int]]:
    """Return what is not realised yet by group, less what it was worth more than its cost when it was taken in."""
    marks = {
        row.symbol: row.market_value / row.quantity if row.market_value is not None else None
        for row in Position.objects.all()
    }
    values: dict[str, Decimal] = {
        key: -before for key, before in sums.brought_in(by, Limits(None, None, [])).items()
    }
    counts: dict[str, int] = {}
    unknown: dict[str, str] = {}
    for lot in sums.open_lots(by):
        counts[lot.key] = counts.get(lot.key, 0) + lot.lots
        mark = marks.get(lot.symbol)
        if mark is None:
            unknown[lot.key] = f"the broker says no value of {lot.symbol}"
        values[lot.key] = values.get(lot.key, ZERO) + (lot.quantity * (mark or ZERO) - lot.cost)
    return {
        key: Money(None, unknown[key]) if key in unknown else Money(value) for key, value in values.items()
    }, counts


def _labels(by: str, keys: Sequence[str]) -> dict[str, str]:
    if by == "strategy":
        return {str(pk): name for pk, name in Strategy.objects.values_list("pk", "name")}
    if by == "holding":
        return {key: key[2:] for key in keys if key}
    if by == "confidence":
        return {key: f"{key} to {Decimal(key) + TENTH}" for key in keys if key}
    if by == "decision":
        found = AIDecision.objects.filter(pk__in=[key for key in keys if key])
        return {str(row.pk): f"{row.action} {row.symbol}" for row in found.only("action", "symbol")}
    return {}


def rows_by_day(span: Span, limits: Limits, points: Sequence[DayPoint]) -> list[Row]:
    """Return a row for each session with a sync; all of them together are the change of equity."""
    closed = sums.trade_sums("day", limits)
    costs = sums.model_costs("day", limits) or {}
    places = {day: str(place) for place, (day, _) in enumerate(span.days)}
    opening = opening_of(span)
    if opening is None or not points:
        return []
    bounds = [opening_bound(span, opening), *(point.at + SAME_MOMENT for point in points)]
    changes, brought = sums.cost_changes(bounds), sums.brought_in_between(bounds)
    cash = sums.cash_between(bounds)
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
