"""A shadow strategy between two cycles, and what a cycle's prices do to it: pure."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal

from evaluation.domain.shadow_book import (
    Accepted,
    Costs,
    Priced,
    ShadowBook,
    ShadowFill,
    accept,
    fill_waiting,
    split,
)
from evaluation.domain.shadow_exits import (
    PlannedExit,
    Watched,
    after_split,
    entered,
    followed,
    split_between,
    why_sold,
)
from risk.domain.numbers import plain_decimal
from trading.domain.symbols import is_coin

# The venue's own figures (connectors/venue/paper): half the spread, what slips on top at most, and coins' fee.
STOCK_COSTS = Costs(Decimal(1), Decimal(3), Decimal(0))
COIN_COSTS = Costs(Decimal(4), Decimal(3), Decimal(25))
DELISTED, GONE_FOR = "delisted", timedelta(days=1)
DECISION = "decision"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was decided of a symbol; ``as_of`` is market time."""

    action: str
    confidence: Decimal
    as_of: datetime


@dataclass(frozen=True, slots=True)
class ShadowState:
    """All that a shadow strategy is between two cycles.

    Args:
        plans: of the purchases that wait, by decision.
        watched: what sells each position by itself, by symbol.
        marks: the last price known of what is held, by symbol.
        closes: the last whole day's close of what is held or waits, as it was told: by it a split is seen.
        session: the market's day, and what the book was worth at the end of the one before, USD.
        verdicts: the last ones on what is held, the newest first.
    """

    book: ShadowBook
    plans: Mapping[str, PlannedExit] = field(default_factory=dict)
    watched: Mapping[str, Watched] = field(default_factory=dict)
    marks: Mapping[str, Priced] = field(default_factory=dict)
    closes: Mapping[str, tuple[date, Decimal]] = field(default_factory=dict)
    session: tuple[date, Decimal] | None = None
    verdicts: Mapping[str, tuple[Verdict, ...]] = field(default_factory=dict)

    @property
    def prices(self) -> dict[str, Decimal]:
        """The last known price of each position, USD."""
        return {symbol: mark.price for symbol, mark in self.marks.items()}

    @property
    def equity(self) -> Decimal:
        """Cash and what is held at its last known prices, USD."""
        return self.book.equity(self.prices)


@dataclass(frozen=True, slots=True)
class Market:
    """What a cycle's market says of what is held and waits.

    Args:
        now: market time of the cycle.
        prices: the cycle's snapshots by symbol.
        closes: the whole days before now by symbol, as they are told today: day and close, oldest first.
        listed: symbols that the broker still trades.
    """

    now: datetime
    prices: Mapping[str, Priced]
    closes: Mapping[str, Sequence[tuple[date, Decimal]]]
    listed: frozenset[str]


@dataclass(frozen=True, slots=True)
class Settled:
    """A cycle's fills, each with its cause; ``given_up`` are decisions whose order came to nothing.

    ``last_prices`` are those that were known before, in units of now: what is listed no more is sold at them.
    """

    state: ShadowState
    fills: tuple[tuple[str, ShadowFill], ...]
    given_up: tuple[str, ...]
    notes: tuple[str, ...]
    last_prices: Mapping[str, Decimal]


def costs_of(symbol: str) -> Costs:
    """Return what a fill of the symbol costs."""
    return COIN_COSTS if is_coin(symbol) else STOCK_COSTS


def settle(state: ShadowState, market: Market, *, seed: int) -> Settled:
    """Return the state after a cycle's prices: splits first, then what waits, then stops and what is listed no more."""
    state, notes = _after_splits(state, market)
    last_prices = state.prices
    before = {order.decision: order for order in state.book.waiting}
    costs = {symbol: costs_of(symbol) for symbol in {each.symbol for each in state.book.waiting}}
    book, fills = fill_waiting(state.book, market.prices, costs=costs, seed=seed)
    over = before.keys() - {order.decision for order in book.waiting}
    given_up = tuple(sorted(over - {fill.decision for fill in fills}))
    state = _entered(replace(state, book=book), fills)
    state, sold, gone = _sold(state, market, bought={fill.symbol for fill in fills}, seed=seed)
    plans = {name: plan for name, plan in state.plans.items() if name not in over}
    state = _marked(replace(state, plans=plans), market)
    caused = tuple((DECISION, fill) for fill in fills)
    return Settled(state, (*caused, *sold), given_up, (*notes, *gone), last_prices)


def placed(
    state: ShadowState, orders: Sequence[tuple[Accepted, PlannedExit | None]], market: Market
) -> ShadowState:
    """Return the state with orders that the gate let through and that wait for their price.

    Raises:
        EvaluationError: one of a symbol waits already.
    """
    book, plans = state.book, dict(state.plans)
    for order, plan in orders:
        book = accept(book, order)
        if plan is not None:
            plans[order.decision] = plan
    state = replace(state, book=book, plans=plans)
    return replace(state, closes=_closes(state, market))


def in_session(state: ShadowState, today: date) -> ShadowState:
    """Return the state in today's session: it begins with what the book was worth before today's prices."""
    if state.session is not None and state.session[0] == today:
        return state
    return replace(state, session=(today, state.equity))


def _after_splits(state: ShadowState, market: Market) -> tuple[ShadowState, tuple[str, ...]]:
    notes = []
    for symbol, (day, close) in state.closes.items():
        now = dict(market.closes.get(symbol, ())).get(day)
        ratio = None if now is None else split_between(close, now)
        if ratio is None:
            continue
        marks = dict(state.marks)
        if symbol in marks:
            marks[symbol] = replace(marks[symbol], price=marks[symbol].price / ratio)
        watched = {
            name: after_split(each, name, ratio) if name == symbol else each
            for name, each in state.watched.items()
        }
        book = split(state.book, symbol, ratio=ratio)
        state = replace(state, book=book, marks=marks, watched=watched)
        notes.append(f"{symbol}: split, {plain_decimal(ratio)} for 1")
    return state, tuple(notes)


def _entered(state: ShadowState, fills: Sequence[ShadowFill]) -> ShadowState:
    watched = dict(state.watched)
    for fill in fills:
        plan = state.plans.get(fill.decision)
        if fill.side == "buy" and plan is not None:
            with suppress(ValueError):  # no price lies below it: nothing could be sold lower
                kept = watched.get(fill.symbol)
                watched[fill.symbol] = entered(kept, fill.symbol, plan=plan, price=fill.price, at=fill.at)
    return replace(state, watched=watched)


def _sold(
    state: ShadowState, market: Market, *, bought: set[str], seed: int
) -> tuple[ShadowState, tuple[tuple[str, ShadowFill], ...], tuple[str, ...]]:
    """Sell what crossed its stop or its target, has had its time, or is listed no more."""
    sold: list[tuple[str, ShadowFill]] = []
    notes: list[str] = []
    waiting = {order.symbol for order in state.book.waiting}
    for symbol in sorted(state.book.holdings.keys() - bought - waiting):
        mark, now = state.marks.get(symbol), market.prices.get(symbol)
        cause, price = None, now
        if now is None and symbol not in market.listed and mark and market.now - mark.at >= GONE_FOR:
            cause, price = DELISTED, Priced(mark.price, market.now)
            notes.append(f"{symbol}: listed no more, closed at its last price")
        elif now is not None and (mark is None or now.at > mark.at) and symbol in state.watched:
            why = why_sold(state.watched[symbol], now.price, market.now)
            cause = None if why is None else why.value
        if cause is None or price is None:
            continue
        order = Accepted(cause, symbol, "sell", state.book.held(symbol), price.at - timedelta(microseconds=1))
        alone = replace(state.book, waiting=())
        book, fills = fill_waiting(
            accept(alone, order), {symbol: price}, costs={symbol: costs_of(symbol)}, seed=seed
        )
        state = replace(state, book=replace(book, waiting=state.book.waiting))
        sold += [(cause, fill) for fill in fills]
    return state, tuple(sold), tuple(notes)


def _marked(state: ShadowState, market: Market) -> ShadowState:
    """Return the state with the newest prices of what is held, and nothing of what is held no more."""
    held = state.book.holdings.keys()
    watched, marks = {}, {}
    for symbol in held:
        now = market.prices.get(symbol)
        mark = now or state.marks.get(symbol)
        if mark is not None:
            marks[symbol] = mark
        if symbol in state.watched:
            kept = state.watched[symbol]
            watched[symbol] = kept if now is None else followed(kept, symbol, now.price)
    closes = _closes(state, market)
    verdicts = {symbol: said for symbol, said in state.verdicts.items() if symbol in held}
    return replace(state, watched=watched, marks=marks, closes=closes, verdicts=verdicts)


def _closes(state: ShadowState, market: Market) -> dict[str, tuple[date, Decimal]]:
    """Return the last whole day's close of what is held or waits: as it is told now, else as it was."""
    closes = {}
    for symbol in {*state.book.holdings, *(order.symbol for order in state.book.waiting)}:
        if days := market.closes.get(symbol):
            closes[symbol] = days[-1]
        elif symbol in state.closes:
            closes[symbol] = state.closes[symbol]
    return closes
