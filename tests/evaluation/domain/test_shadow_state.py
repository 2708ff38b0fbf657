"""A shadow from cycle to cycle: the same figures as a recomputation by other means."""

import random
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

from evaluation.domain.shadow_book import Accepted, Holding, Priced, ShadowBook
from evaluation.domain.shadow_exits import PlannedExit
from evaluation.domain.shadow_state import (
    Market,
    Settled,
    ShadowState,
    costs_of,
    in_session,
    placed,
    settle,
)
from evaluation.services.shadow.ledger import from_json, to_json
from risk.domain.numbers import HUNDRED
from trading.domain.symbols import is_coin

START = datetime(2026, 3, 2, 15, tzinfo=UTC)
SYMBOLS = ("AAPL", "MSFT", "NVDA", "BTC/USD")
SEED = 20261129
PLAN = PlannedExit(Decimal(2), Decimal(3), None, None, Decimal("0.5"), Decimal(15))
CYCLES = 600


def market(step: int, chance: random.Random, before: dict[str, Decimal]) -> Market:
    now = START + timedelta(minutes=step)
    prices = {}
    for symbol in SYMBOLS:
        last = before.get(symbol, Decimal(100))
        before[symbol] = (last * Decimal(repr(1 + chance.gauss(0, 0.008)))).quantize(Decimal("0.0001"))
        if chance.random() > 0.05:  # now and then it has no price, and now and then an old one
            late = timedelta(minutes=2 if chance.random() < 0.1 else 0)
            prices[symbol] = Priced(before[symbol], now - late)
    return Market(now, prices, {}, frozenset(SYMBOLS))


def test_six_hundred_cycles_equal_an_independent_recomputation() -> None:
    chance, last = random.Random(7), dict[str, Decimal]()
    state = ShadowState(ShadowBook(Decimal(100_000)))
    told: list[tuple[Market, Settled]] = []
    orders: dict[str, Accepted] = {}
    for step in range(CYCLES):
        state = from_json(to_json(state))  # as it is stored in between
        now = market(step, chance, last)
        settled = settle(state, now, seed=SEED)
        state = settled.state
        new = []
        for symbol in SYMBOLS:
            if any(each.symbol == symbol for each in state.book.waiting) or chance.random() < 0.7:
                continue
            side = "sell" if state.book.held(symbol) and chance.random() < 0.3 else "buy"
            quantity = state.book.held(symbol) if side == "sell" else Decimal(chance.randint(1, 9000)) / 100
            order = Accepted(f"{step} {symbol}", symbol, side, quantity, now.now)
            orders[order.decision] = order
            new.append((order, PLAN if side == "buy" else None))
        state = placed(state, new, now)
        told.append((now, settled))

    fills = [(now, cause, fill) for now, settled in told for cause, fill in settled.fills]
    assert len(fills) > 300
    assert {cause for _, cause, _ in fills} == {"decision", "stop_loss", "take_profit"}
    cash, units = Fraction(100_000), dict.fromkeys(SYMBOLS, Fraction(0))
    costs = dict.fromkeys(SYMBOLS, Fraction(0))
    realised = Fraction(0)
    for now, cause, fill in fills:
        if cause == "decision":
            assert now.prices[fill.symbol].at > orders[fill.decision].decided_at, "a later snapshot"
        seen, price = Fraction(now.prices[fill.symbol].price), Fraction(fill.price)
        figures = costs_of(fill.symbol)
        sign = 1 if fill.side == "buy" else -1
        least, most = (
            Fraction(figures.half_spread_bps),
            Fraction(figures.half_spread_bps + figures.slippage_bps),
        )
        worse = sign * (price / seen - 1) * 10_000
        assert least - Fraction(1, 100) <= worse <= most + Fraction(1, 100)
        quantity, fee = Fraction(fill.quantity), Fraction(25, 10_000) if is_coin(fill.symbol) else Fraction(0)
        notional = quantity * price
        assert quantity <= Fraction(orders[fill.decision].quantity if cause == "decision" else fill.quantity)
        if fill.side == "buy":
            cash -= notional * (1 + fee)
            costs[fill.symbol] += notional * (1 + fee)
        else:
            gone = costs[fill.symbol] * quantity / units[fill.symbol]
            costs[fill.symbol] -= gone
            cash += notional * (1 - fee)
            realised += notional * (1 - fee) - gone
        units[fill.symbol] += sign * quantity
        assert cash >= 0
        assert units[fill.symbol] >= 0
    assert abs(Fraction(state.book.cash) - cash) < Fraction(1, 10_000)
    assert abs(Fraction(state.book.realised) - realised) < Fraction(1, 100)
    assert {s: Fraction(state.book.held(s)) for s in SYMBOLS} == units
    worth = cash + sum(units[symbol] * Fraction(price) for symbol, price in state.prices.items())
    assert abs(Fraction(state.equity) - worth) < Fraction(1, 100)


def test_same_cycles_give_the_same_book() -> None:
    def run() -> Decimal:
        chance, last = random.Random(3), dict[str, Decimal]()
        state = ShadowState(ShadowBook(Decimal(1000)))
        for step in range(50):
            now = market(step, chance, last)
            state = settle(state, now, seed=SEED).state
            free = not state.book.waiting and not state.book.holdings
            order = Accepted(str(step), "AAPL", "buy", Decimal(3), now.now)
            state = placed(state, [(order, PLAN)] if free else [], now)
        return state.equity

    assert run() == run()


def test_order_without_a_later_price_goes_on_waiting() -> None:
    order = Accepted("one", "AAPL", "buy", Decimal(1), START)
    state = placed(ShadowState(ShadowBook(Decimal(1000))), [(order, PLAN)], nothing())

    same = settle(state, at({"AAPL": Priced(Decimal(10), START)}), seed=1)
    later = settle(same.state, at({"AAPL": Priced(Decimal(10), START + timedelta(seconds=1))}), seed=1)

    assert (same.fills, len(later.fills)) == ((), 1)


def nothing() -> Market:
    return at({})


def at(prices: dict[str, Priced]) -> Market:
    return Market(START + timedelta(minutes=1), prices, {}, frozenset(SYMBOLS))


def test_order_that_nothing_is_left_of_is_given_up() -> None:
    order = Accepted("one", "AAPL", "sell", Decimal(1), START)
    state = placed(ShadowState(ShadowBook(Decimal(1000))), [(order, None)], nothing())

    settled = settle(state, at({"AAPL": Priced(Decimal(10), START + timedelta(seconds=1))}), seed=1)

    assert settled.given_up == ("one",)
    assert settled.state.book.waiting == ()


def test_split_over_night_moves_what_waits_too() -> None:
    order = Accepted("one", "AAPL", "buy", Decimal(10), START)
    day = date(2026, 3, 1)
    evening = Market(START, {}, {"AAPL": [(day, Decimal(100))]}, frozenset(SYMBOLS))
    state = placed(ShadowState(ShadowBook(Decimal(5000))), [(order, PLAN)], evening)
    morning = Market(
        START + timedelta(days=1),
        {"AAPL": Priced(Decimal(25), START + timedelta(days=1))},
        {"AAPL": [(day, Decimal(25)), (date(2026, 3, 2), Decimal(25))]},
        frozenset(SYMBOLS),
    )

    settled = settle(state, morning, seed=1)

    assert settled.notes == ("AAPL: split, 4 for 1",)
    assert settled.state.book.held("AAPL") == 40
    assert settled.state.closes == {"AAPL": (date(2026, 3, 2), Decimal(25))}


def test_session_begins_with_the_worth_of_the_evening() -> None:
    book = ShadowBook(Decimal(500), {"AAPL": Holding(Decimal(2), Decimal(150))})
    state = ShadowState(book, marks={"AAPL": Priced(HUNDRED, START)})

    today = in_session(state, date(2026, 3, 2))

    assert today.session == (date(2026, 3, 2), 700)
    assert in_session(today, date(2026, 3, 2)) == today
