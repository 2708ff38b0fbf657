"""What holds for every input the gate can be given."""

from dataclasses import replace
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from risk.domain.gate import judge
from risk.domain.sizing import meets_minimum, round_down
from risk.domain.types import (
    AssetRules,
    LimitValues,
    OrderIntent,
    PriceBand,
    PriceFacts,
    Reference,
    RiskBook,
    SizingRule,
    TradingState,
)
from tests.risk.values import NANO, make_facts

SYMBOLS = ("AAPL", "MSFT", "BTC/USD")
STEPS = (NANO, Decimal("0.0001"), Decimal("0.003"), Decimal(1))


def money(low: str, high: str) -> st.SearchStrategy[Decimal]:
    """USD with the four decimals of its columns."""
    return st.decimals(low, high, places=4)


prices = st.decimals("0.000000000001", "500000", places=12)
percents = st.decimals("0.001", "100", places=3)
amounts = st.dictionaries(st.sampled_from(SYMBOLS), money("0", "200000"))
ratios = st.decimals("0", "1", places=4)
rules = st.builds(
    AssetRules,
    tradable=st.just(True),
    fractionable=st.booleans(),
    quantity_step=st.sampled_from(STEPS),
    min_quantity=st.sampled_from((Decimal(0), NANO, Decimal("0.5"))),
    min_notional=st.sampled_from((Decimal(1), Decimal(10))),
)
limits = st.builds(
    LimitValues,
    version=st.just(1),
    max_position_percent=percents,
    max_exposure_percent=percents,
    max_positions=st.integers(1, 4),
    max_daily_loss_percent=percents,
)
books = st.builds(
    RiskBook,
    switch_engaged=st.just(False),
    trading_state=st.sampled_from(TradingState),
    equity=money("0.0001", "1000000"),
    session_start_equity=money("0.0001", "1000000"),
    buying_power=money("-1000", "1000000"),
    exposures=amounts,
    reserved=amounts,
    held_quantity=st.decimals("0", "100000", places=9),
)


def intents(*, reducing: bool) -> st.SearchStrategy[OrderIntent]:
    return st.builds(
        OrderIntent,
        symbol=st.sampled_from(SYMBOLS),
        reducing=st.just(reducing),
        confidence=ratios,
        min_confidence=ratios,
        size_percent=percents,
        price=prices,
        price_age_seconds=st.floats(0, 90),
        max_price_age_seconds=st.just(90.0),
        market_open=st.just(True),
        rules=rules,
    ).map(believed)


def believed(intent: OrderIntent) -> OrderIntent:
    """Return the intent with a close that makes its price plausible."""
    return replace(intent, price_facts=make_facts(close=intent.price))


@settings(max_examples=200, deadline=None)
@given(intent=intents(reducing=False), book=books, given_limits=limits)
def test_allowed_entry_leaves_no_limit_violated(
    intent: OrderIntent, book: RiskBook, given_limits: LimitValues
) -> None:
    """docs/lessons.md#lesson-9, #lesson-26: positions, reservations and this order together stay within every limit."""
    verdict = judge(intent, book, given_limits)
    if not verdict.allowed:
        return

    assert book.equity is not None
    assert book.session_start_equity is not None
    assert intent.price is not None
    after = {s: book.exposures.get(s, Decimal(0)) + book.reserved.get(s, Decimal(0)) for s in SYMBOLS}
    after[intent.symbol] += verdict.notional
    opened = book.exposures.keys() | book.reserved.keys() | {intent.symbol}
    lost = (book.session_start_equity - book.equity) * 100
    assert verdict.notional == verdict.quantity * intent.price
    assert verdict.notional * 100 <= book.equity * intent.size_percent
    assert after[intent.symbol] * 100 <= book.equity * given_limits.max_position_percent
    assert sum(after.values()) * 100 <= book.equity * given_limits.max_exposure_percent
    assert verdict.notional + sum(book.reserved.values()) <= book.buying_power
    assert intent.symbol in book.exposures.keys() | book.reserved.keys() or (
        len(opened) <= given_limits.max_positions
    )
    assert lost < book.session_start_equity * given_limits.max_daily_loss_percent
    assert book.trading_state is TradingState.ACTIVE
    assert intent.confidence >= intent.min_confidence


@settings(max_examples=100, deadline=None)
@given(intent=intents(reducing=False), book=books, given_limits=limits)
def test_allowed_quantity_is_a_multiple_of_the_step_and_reaches_the_minimum(
    intent: OrderIntent, book: RiskBook, given_limits: LimitValues
) -> None:
    verdict = judge(intent, book, given_limits)
    if not verdict.allowed:
        return

    assert intent.rules is not None
    assert intent.price is not None
    step = (
        intent.rules.quantity_step
        if intent.rules.fractionable
        else max(intent.rules.quantity_step, Decimal(1))
    )
    assert verdict.quantity % step == 0
    assert meets_minimum(verdict.quantity, intent.price, intent.rules)


@settings(max_examples=100, deadline=None)
@given(intent=intents(reducing=True), book=books, given_limits=st.none() | limits)
def test_exit_is_stopped_by_the_switch_and_by_doubt_and_by_nothing_that_limits_growth(
    intent: OrderIntent, book: RiskBook, given_limits: LimitValues | None
) -> None:
    """docs/lessons.md#lesson-32."""
    verdict = judge(intent, book, given_limits)

    assert intent.rules is not None
    sellable = round_down(book.held_quantity, intent.rules)
    if book.trading_state is TradingState.HALTED:
        assert verdict.reason == "kill_switch"
    elif intent.confidence < intent.min_confidence:
        assert verdict.reason == "low_confidence"
    elif sellable == 0:
        assert verdict.reason == "no_position"
    else:
        assert (verdict.quantity, verdict.reason) == (sellable, None)


@given(quantity=st.decimals("0", "1000000", places=12), given_rules=rules)
def test_rounding_down_loses_less_than_a_step(quantity: Decimal, given_rules: AssetRules) -> None:
    """docs/lessons.md#lesson-39: exact decimals, never above what was asked."""
    rounded = round_down(quantity, given_rules)

    step = (
        given_rules.quantity_step if given_rules.fractionable else max(given_rules.quantity_step, Decimal(1))
    )
    assert rounded <= quantity < rounded + step
    assert rounded % step == 0


anything = st.decimals(allow_nan=True, allow_infinity=True)
wild_references = st.builds(Reference, anything, st.just("somewhere"))
wild_facts = st.builds(
    PriceFacts,
    band=st.builds(PriceBand, *[anything | ratios] * 5),
    recent=st.lists(wild_references, max_size=3).map(tuple),
    close=st.none() | wild_references,
    second=st.none() | wild_references,
    daily_volatility=st.none() | anything,
)
wild_amounts = st.dictionaries(st.sampled_from(SYMBOLS), anything, max_size=2)


@settings(max_examples=300, deadline=None)
@given(
    intent=st.builds(
        OrderIntent,
        symbol=st.sampled_from(SYMBOLS),
        reducing=st.booleans(),
        confidence=anything,
        min_confidence=anything | ratios,
        size_percent=anything | percents,
        price=st.none() | anything,
        price_age_seconds=st.none() | st.floats(),
        max_price_age_seconds=st.floats(),
        market_open=st.booleans(),
        rules=st.none() | rules | st.builds(AssetRules, st.booleans(), st.booleans(), *[anything] * 3),
        sizing=st.sampled_from(SizingRule),
        volatility_percent=st.none() | anything,
        price_facts=st.none() | wild_facts,
        protective=st.booleans(),
    ),
    book=st.builds(
        RiskBook,
        switch_engaged=st.booleans(),
        trading_state=st.sampled_from(TradingState),
        equity=st.none() | anything,
        session_start_equity=st.none() | anything,
        buying_power=anything,
        exposures=wild_amounts,
        reserved=wild_amounts,
        not_in_buying_power=st.none() | anything,
        held_quantity=anything,
    ),
    given_limits=st.none()
    | st.builds(LimitValues, st.just(1), anything, anything, st.integers(), anything)
    | limits,
)
def test_gate_answers_whatever_it_is_given(
    intent: OrderIntent, book: RiskBook, given_limits: LimitValues | None
) -> None:
    """docs/lessons.md#lesson-5, #lesson-28: it never raises, so no caller has an error to mistake for a permission."""
    verdict = judge(intent, book, given_limits)

    assert verdict.allowed == (verdict.quantity > 0)
