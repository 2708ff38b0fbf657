"""The report of a time: what the account earned, from what, and how good that was. One for live, replay and arena.

Each figure says on how many observations it rests; what nobody can know is None with the reason.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from risk.domain.numbers import ZERO
from trading.domain.performance import figures
from trading.domain.performance.figures import Drawdown, Figure
from trading.models import BookCheck, EquitySnapshot
from trading.performance import sums
from trading.performance.benchmark import Benchmark, benchmark_over
from trading.performance.best import best_decisions
from trading.performance.comparison import is_under_way
from trading.performance.distribution import Bin, distribution
from trading.performance.model_costs import ModelCost, model_costs
from trading.performance.rows import Money, Row, day_bounds, known, rows_by, rows_by_day, sums_by, sums_by_day
from trading.performance.spans import (
    SAME_MOMENT,
    DayPoint,
    Span,
    opening_bound,
    opening_of,
    points_of,
    span_of,
)
from trading.performance.sums import Limits, TradeSums
from trading.performance.together import Sum, Together

GROUPS = tuple(sums.BY)
NOT_SYNCED = "the account was not synced in this time"
UNDER_WAY = "an order is under way: a fill may be in the account and not in the books"


@dataclass(frozen=True, slots=True)
class EquityChange:
    """How the account changed, and from what, to the cent.

    change = realised + unrealised + income + brought_in + transferred + unexplained.

    Args:
        start_at: market time of the first sync, ``end_at`` of the last.
        unrealised: how the value of what is held changed against its cost.
        income: what the broker paid and took by itself: dividends, interest, fees.
        brought_in: value that came, or left, without a trade: what was held before, shares that were moved.
        transferred: cash that was paid in and out; no profit, and in no return.
        unexplained: cash of which nobody knows what it was.
    """

    start_at: datetime | None
    end_at: datetime | None
    start: Money
    end: Money
    change: Money
    realised: Money
    unrealised: Money
    income: Money
    brought_in: Money
    transferred: Money
    unexplained: Money
    fees: Decimal


@dataclass(frozen=True, slots=True)
class Report:
    """What happened from the session ``first`` to the session ``last``; None: as far as there is a record.

    ``curve``: equity in USD at each session's close, oldest first, what was paid in or out left out.
    ``bins``: the trades by what they earned of their cost. ``groups``: how many there are, of which ``rows`` may be
    some; ``widest``: the most that one of all of them earned or lost, USD.
    """

    first: date | None
    last: date | None
    by: str
    equity: EquityChange
    model_cost: ModelCost
    trades: TradeSums
    figures: Mapping[str, Figure]
    drawdown: Drawdown | None
    benchmark: Benchmark
    limits: Limits
    curve: Sequence[tuple[date, float]] = field(default_factory=list)
    rows: Sequence[Row] = field(default_factory=list)
    bins: Sequence[Bin] = field(default_factory=list)
    groups: int = 0
    widest: Decimal = ZERO


def performance(
    *, first: date | None = None, last: date | None = None, by: str = "strategy", most: int | None = None
) -> Report:
    """Return the report of the sessions from ``first`` to ``last``, inclusive, in groups.

    Args:
        by: one of ``GROUPS``.
        most: of groups by decision, of which there may be one for each trade, only so many that earned most are read,
            and what no decision opened; None: all.

    Raises:
        ValueError: ``by`` is none of them, or the time ends before it begins.
    """
    if by not in GROUPS:
        raise ValueError(f"by: was {by}, expected one of {', '.join(GROUPS)}")
    if first and last and last < first:
        raise ValueError(f"to: was {last}, expected no day before {first}")
    asked = _Asked(by, span_of(first, last), is_whole=first is None and last is None, most=most)
    points, limits, together = asked.points, asked.limits, asked.together
    equity = _whole(asked) if asked.is_whole else _part(asked)
    total = together.of(sums.total_of(by, limits)).total
    curve = _curve(asked)
    days = [day for day, _ in curve]
    benchmark = benchmark_over(days, coins=asked.span.periods == figures.COIN_PERIODS)
    rows, best = _rows(asked), asked.best
    return Report(
        first=first,
        last=last,
        by=by,
        equity=equity,
        model_cost=together.of(model_costs(by, limits)).total,
        trades=total,
        figures=_figures(curve, asked.span, benchmark)
        | _of_trades(total, together.of(sums.traded(limits)), points, equity),
        drawdown=figures.drawdown(curve),
        benchmark=benchmark,
        limits=limits,
        curve=curve,
        rows=rows,
        bins=distribution(limits, by=by, together=together),
        groups=len(rows) if best is None else best.groups + sum(not row.key for row in rows),
        widest=max([best.widest if best is not None else ZERO, *(abs(row.earned) for row in rows)]),
    )


class _Asked:
    """What a report is of, and its sums, which one statement has read."""

    def __init__(self, by: str, span: Span, *, is_whole: bool, most: int | None = None) -> None:
        self.by, self.span, self.is_whole = by, span, is_whole
        self.limits = Limits(span.start, span.end, span.bounds)
        self.points = points_of(span)
        needs_opening = by == "day" or not is_whole
        self.opening = opening_of(span) if needs_opening else None
        self.check = BookCheck.objects.first() if is_whole else None
        self.together = Together()
        self.best = (
            self.together.of(best_decisions(self.limits, most, is_whole=is_whole))
            if by == "decision" and most is not None
            else None
        )
        self.together.read(*self._sums())

    @property
    def closes(self) -> list[DayPoint]:
        """The account at the close of each session that has ended, and at the one before them where that is known."""
        whole = [point for point in self.points if point.is_whole]
        opening, start = self.opening, self.span.start
        # else what it earned before its first close was no whole day
        return (
            [opening, *whole] if opening is not None and start is not None and opening.at <= start else whole
        )

    @property
    def bounds(self) -> list[datetime]:
        """The moments between which the account changed; none where it was not synced."""
        if self.opening is None or not self.points:
            return []
        return [opening_bound(self.span, self.opening), self.points[-1].at + SAME_MOMENT]

    @property
    def moments(self) -> list[datetime]:
        """All moments between which cash is summed up, ascending."""
        since = [self.check.opened_at] if self.check is not None else []
        days = day_bounds(self.span, self.opening, self.points) if self.by == "day" else ()
        return sorted({*_after(self.closes), *since, *self.bounds, *days})

    def cash(self, bounds: Sequence[datetime]) -> Sum[dict[int, tuple[Decimal, Decimal]]]:
        """Sum up income and transfers between ``bounds``, in the one sum for all who ask."""
        return sums.cash_between(bounds, self.moments)

    def _sums(self) -> Iterator[Sum[Any]]:
        yield from (sums.total_of(self.by, self.limits), model_costs(self.by, self.limits))
        yield from (sums.traded(self.limits), self.cash(_after(self.closes)))
        if self.check is not None:
            since = Limits(self.check.opened_at, None, [])
            yield from (sums.book_totals(), sums.brought_in(None, since))
        if not self.is_whole and self.bounds:
            yield from (sums.cost_changes(self.bounds), sums.brought_in_between(self.bounds))
        if self.by == "day":
            yield from sums_by_day(self.span, self.limits, self.opening, self.points)
        else:
            yield from sums_by(self.by, self.limits, is_whole=self.is_whole, best=self.best)


def _rows(asked: _Asked) -> list[Row]:
    together, limits = asked.together, asked.limits
    if asked.by == "day":
        return rows_by_day(together, asked.span, limits, asked.opening, asked.points, asked.moments)
    return rows_by(together, asked.by, limits, is_whole=asked.is_whole, best=asked.best)


def _after(points: Sequence[DayPoint]) -> list[datetime]:
    return [point.at + SAME_MOMENT for point in points]


def _whole(asked: _Asked) -> EquityChange:
    """Return the change since the first comparison, by the running totals: exact whatever times events have."""
    check, newest = asked.check, EquitySnapshot.objects.newest()
    if check is None or newest is None:
        return _nothing(NOT_SYNCED)
    books = asked.together.of(sums.book_totals())
    before = sum(asked.together.of(sums.brought_in(None, Limits(check.opened_at, None, []))).values(), ZERO)
    unrealised = newest.equity - newest.cash - books.cost - check.opening_unrealised - before
    income, transferred = _cash(asked, [check.opened_at])
    settled = newest.sync_sequence is not None and not is_under_way(
        check.checked_sequence, newest.sync_sequence
    )
    return _change(
        (check.opened_at, check.opening_equity),
        (newest.market_time, newest.equity),
        realised=books.realised - check.opening_realised,
        unrealised=unrealised,
        income=income,
        brought_in=books.moved - check.opening_moved + before,
        transferred=transferred,
        unexplained=newest.cash - check.opening_cash - books.flow - income - transferred if settled else None,
        fees=asked.together.of(sums.total_of(asked.by, asked.limits)).total.fees,
    )


def _part(asked: _Asked) -> EquityChange:
    """Return the change over some sessions, by the market time of what happened."""
    start, bounds, together = asked.opening, asked.bounds, asked.together
    if start is None or not bounds:
        return _nothing(NOT_SYNCED)
    end = asked.points[-1]
    closed = together.of(sums.total_of(asked.by, asked.limits)).total
    change, moved = together.of(sums.cost_changes(bounds)).get(1, (ZERO, ZERO))
    before = together.of(sums.brought_in_between(bounds)).get(1, ZERO)
    value = (end.equity - end.cash) - (start.equity - start.cash)
    flow = closed.realised + moved - change
    income, transferred = _cash(asked, bounds)
    return _change(
        (start.at, start.equity),
        (end.at, end.equity),
        realised=closed.realised,
        unrealised=value - change - before,
        income=income,
        brought_in=moved + before,
        transferred=transferred,
        unexplained=end.cash - start.cash - flow - income - transferred,
        fees=closed.fees,
    )


def _cash(asked: _Asked, bounds: Sequence[datetime]) -> tuple[Decimal, Decimal]:
    """Return income and transfers after the first bound, up to the second where there is one, USD."""
    return asked.together.of(asked.cash(bounds)).get(1, (ZERO, ZERO))


def _change(
    start: tuple[datetime, Decimal],
    end: tuple[datetime, Decimal],
    *,
    realised: Decimal,
    unrealised: Decimal,
    income: Decimal,
    brought_in: Decimal,
    transferred: Decimal,
    unexplained: Decimal | None,
    fees: Decimal,
) -> EquityChange:
    return EquityChange(
        start_at=start[0],
        end_at=end[0],
        start=Money(start[1]),
        end=Money(end[1]),
        change=Money(end[1] - start[1]),
        realised=Money(realised),
        unrealised=known(unrealised if unexplained is not None else None, UNDER_WAY),
        income=Money(income),
        brought_in=Money(brought_in),
        transferred=Money(transferred),
        unexplained=known(unexplained, UNDER_WAY),
        fees=fees,
    )


def _nothing(reason: str) -> EquityChange:
    unknown = Money(None, reason)
    return EquityChange(
        start_at=None,
        end_at=None,
        start=unknown,
        end=unknown,
        change=unknown,
        realised=unknown,
        unrealised=unknown,
        income=unknown,
        brought_in=unknown,
        transferred=unknown,
        unexplained=unknown,
        fees=ZERO,
    )


def _curve(asked: _Asked) -> list[tuple[date, float]]:
    """Return equity at the closes.

    What was paid in or out meanwhile is no return: from then on the curve goes on as if it had come at the close.
    """
    whole = asked.closes
    if not whole:
        return []
    moved = asked.together.of(asked.cash(_after(whole)))
    curve, factor = [(whole[0].day, float(whole[0].equity))], 1.0
    for place, point in enumerate(whole[1:], start=1):
        _, transferred = moved.get(place, (ZERO, ZERO))
        earned = float(point.equity - transferred) * factor
        if transferred and point.equity > 0:
            factor = earned / float(point.equity)
        curve.append((point.day, earned))
    return curve


def _figures(curve: Sequence[tuple[date, float]], span: Span, benchmark: Benchmark) -> dict[str, Figure]:
    returns = figures.returns_of([value for _, value in curve])
    compared = [returns[place] for place in benchmark.places if place < len(returns)]
    against = figures.figures_against(
        compared, list(benchmark.returns)[: len(compared)], span.periods, missing=benchmark.reason
    )
    return figures.figures_of(returns, span.periods) | against


def _of_trades(
    total: TradeSums, traded: sums.Traded, points: Sequence[DayPoint], equity: EquityChange
) -> dict[str, Figure]:
    slipped, filled = traded.slippage_bps, traded.decided
    value, n = traded.value, traded.trades
    levels = [float(point.equity) for point in points if point.equity > 0]
    invested = [float((point.equity - point.cash) / point.equity) for point in points if point.equity > 0]
    level = figures.mean(levels)
    start, change = equity.start.value, equity.change.value
    if change is not None:
        change -= equity.transferred.value or ZERO
    whole = float(change / start) if start and change is not None else None
    return {
        **trade_figures(total),
        "account_return": Figure(whole, len(points), "" if whole is not None else NOT_SYNCED),
        "slippage_bps": Figure(slipped, filled, "" if slipped is not None else "no decision was filled"),
        "turnover": Figure(float(value) / 2 / level, n) if level else Figure(None, n, NOT_SYNCED),
        "exposure": Figure(figures.mean(invested), len(invested), "" if invested else NOT_SYNCED),
    }


def trade_figures(total: TradeSums) -> dict[str, Figure]:
    """Return what the trades of a group say: rates as shares of 1, money in USD, time in hours."""
    n, none = total.trades, "nothing was closed"
    win = float(total.won / total.wins) if total.wins else None
    loss = float(-total.lost / total.losses) if total.losses else None
    never = none if n == 0 else "no trade lost" if total.wins else "no trade won"
    factor = float(total.won / -total.lost) if total.lost else None
    hours = total.seconds_held / 3600 if total.seconds_held is not None else None
    payoff = win / loss if win is not None and loss else None
    return {
        "win_rate": Figure(total.wins / n, n) if n else Figure(None, 0, none),
        "profit_factor": Figure(factor, n, "" if factor is not None else never),
        "expectancy": Figure(float(total.realised / n), n) if n else Figure(None, 0, none),
        "payoff": Figure(payoff, n, "" if payoff is not None else never),
        "holding_hours": Figure(hours, n, "" if hours is not None else none),
    }
