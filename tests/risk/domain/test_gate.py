"""The gate: each reason to deny with its figures, and which of two reasons wins."""

from decimal import Decimal
from typing import Any

import pytest

from risk.domain.gate import judge
from risk.domain.reasons import DenyReason
from risk.domain.types import (
    Block,
    EntryRate,
    LimitValues,
    OrderIntent,
    RiskBook,
    SizingRule,
    TradingState,
)
from tests.risk.values import (
    make_book,
    make_exit,
    make_facts,
    make_intent,
    make_limit_values,
    make_rules,
)

NAN, INFINITY = Decimal("NaN"), Decimal("Infinity")
HELD_FIVE: dict[str, Any] = {"held_quantity": Decimal(5), "exposures": {"AAPL": Decimal(500)}}


def reason_of(
    intent: OrderIntent, book: RiskBook | None = None, limits: LimitValues | None = None
) -> DenyReason | None:
    verdict = judge(intent, book or make_book(), limits or make_limit_values())
    assert verdict.allowed == (verdict.reason is None)
    assert (verdict.quantity > 0) == verdict.allowed
    assert (verdict.notional > 0) == verdict.allowed
    return verdict.reason


def test_entry_that_fits_gets_the_size_of_its_strategy() -> None:
    """docs/lessons.md#lesson-2: the quantity follows from equity, percentage and price, it is not a fixed 1."""
    verdict = judge(make_intent(), make_book(), make_limit_values())

    assert verdict.quantity == 30
    assert verdict.notional == 3000
    assert verdict.reason is None
    assert verdict.figures == {
        "limits_version": "4",
        "max_positions": "15",
        "max_position_percent": "10",
        "max_exposure_percent": "50",
        "max_daily_loss_percent": "5",
        "max_position_risk_percent": "1",
        "max_open_risk_percent": "5",
        "stop_share": "None",
        "open_risk": "0",
        "equity": "100000",
        "session_start_equity": "100000",
        "buying_power": "100000",
        "held": "0",
        "reserved": "0",
        "exposure": "0",
        "exposure_reserved": "0",
        "sizing": "fixed_fraction",
        "size_percent": "3",
        "volatility_percent": "None",
        "wanted_notional": "3000",
        "open_positions": "0",
        "confidence": "0.8",
        "min_confidence": "0.7",
        "price": "100",
        "price_age_seconds": "1.0",
        "max_price_age_seconds": "90.0",
        "room_position_too_large": "10000",
        "room_exposure_limit_exceeded": "50000",
        "room_insufficient_buying_power": "100000",
        "daily_loss_percent": "0",
        "price_low": "83.33333333",
        "price_high": "120",
        "price_band_percent": "20",
        "price_close": "100",
        "price_close_source": "daily bar",
        "price_close_at": "unknown",
    }


def test_exit_gets_all_that_is_held() -> None:
    verdict = judge(make_exit(), make_book(**HELD_FIVE), make_limit_values())

    assert (verdict.quantity, verdict.notional, verdict.reason) == (5, 500, None)
    assert verdict.figures == {"held_quantity": "5", "quantity": "5", "price": "100"}


@pytest.mark.parametrize("reducing", [False, True])
@pytest.mark.parametrize(
    "book", [{"switch_engaged": True}, {"trading_state": TradingState.HALTED}], ids=["engaged", "halted"]
)
def test_engaged_switch_stops_entry_and_exit(reducing: bool, book: dict[str, Any]) -> None:
    assert reason_of(make_intent(reducing=reducing), make_book(**HELD_FIVE, **book)) == "kill_switch"


def test_reducing_state_denies_an_entry() -> None:
    book = make_book(trading_state=TradingState.REDUCING)

    assert reason_of(make_intent(), book) == "trading_state_reducing"


def test_confidence_is_inclusive_at_the_threshold() -> None:
    at = make_intent(confidence=Decimal("0.7"))
    below = make_intent(confidence=Decimal("0.6999"))

    assert reason_of(at) is None
    assert reason_of(below) == "low_confidence"


def test_low_confidence_tells_both_figures() -> None:
    verdict = judge(make_intent(confidence=Decimal("0.5")), make_book(), make_limit_values())

    assert (verdict.figures["confidence"], verdict.figures["min_confidence"]) == ("0.5", "0.7")


def test_exit_that_a_model_is_not_sure_of_is_denied() -> None:
    """Whoever can make a model say "sell" must not have the whole account for a whisper."""
    at, below = make_exit(confidence=Decimal("0.7")), make_exit(confidence=Decimal("0.6999"))

    verdict = judge(below, make_book(**HELD_FIVE), None)

    assert reason_of(at, make_book(**HELD_FIVE)) is None
    assert verdict.reason is DenyReason.LOW_CONFIDENCE
    assert (verdict.figures["confidence"], verdict.figures["min_confidence"]) == ("0.6999", "0.7")


@pytest.mark.parametrize("confidence", [Decimal(0), NAN])
def test_protective_exit_needs_no_confidence(confidence: Decimal) -> None:
    """docs/lessons.md#lesson-32: a stop, the switch and a person's close are nobody's guess."""
    assert reason_of(make_exit(confidence=confidence, protective=True), make_book(**HELD_FIVE)) is None


@pytest.mark.parametrize(("confidence", "reason"), [(Decimal(0), "low_confidence"), (NAN, "invalid_figures")])
def test_entry_that_calls_itself_protective_needs_its_confidence(confidence: Decimal, reason: str) -> None:
    assert reason_of(make_intent(confidence=confidence, protective=True)) == reason


@pytest.mark.parametrize("price", ["10", "1000", "83.3", "120.01"])
def test_entry_at_a_price_that_is_hard_to_believe_is_denied(price: str) -> None:
    """A tick at a tenth would size ten times the limit."""
    verdict = judge(make_intent(price=Decimal(price), price_facts=make_facts()), make_book(), None)

    assert verdict.reason is DenyReason.IMPLAUSIBLE_PRICE
    told = {name: verdict.figures[name] for name in ("price", "price_low", "price_high", "price_close")}
    assert told == {"price": price, "price_low": "83.33333333", "price_high": "120", "price_close": "100"}
    assert "from 100 (daily bar)" in verdict.figures["price_warning"]


def test_exit_at_a_price_that_is_hard_to_believe_goes_on_and_says_so() -> None:
    """docs/lessons.md#lesson-32; an exit sells what is held: its price sizes nothing."""
    verdict = judge(make_exit(price=Decimal(10), price_facts=make_facts()), make_book(**HELD_FIVE), None)

    assert (verdict.quantity, verdict.reason) == (5, None)
    assert "900.0 % from 100 (daily bar)" in verdict.figures["price_warning"]
    assert verdict.figures["price_close"] == "100"


def test_entry_about_which_nothing_is_known_is_denied() -> None:
    """docs/lessons.md#lesson-29: a gate that cannot decide denies."""
    for nothing in (None, make_facts(close=None)):
        assert reason_of(make_intent(price_facts=nothing)) == "implausible_price"


@pytest.mark.parametrize("reducing", [False, True])
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"market_open": False}, "market_closed"),
        ({"rules": None}, "unknown_asset"),
        ({"rules": make_rules(tradable=False)}, "asset_not_tradable"),
        ({"price": None}, "no_price"),
        ({"price": Decimal(0)}, "no_price"),
        ({"price": Decimal("-0.01")}, "no_price"),
        ({"price": NAN}, "no_price"),
        ({"price": INFINITY}, "no_price"),
        ({"price_age_seconds": None}, "stale_price"),
        ({"price_age_seconds": float("nan")}, "stale_price"),
        ({"price_age_seconds": float("inf")}, "stale_price"),
        ({"price_age_seconds": 90.001}, "stale_price"),
        ({"price_age_seconds": -90.001}, "stale_price"),
    ],
)
def test_missing_market_facts_deny_entry_and_exit(
    change: dict[str, Any], reason: str, reducing: bool
) -> None:
    """docs/lessons.md#lesson-5, #lesson-18, #lesson-29: no number, a zero and an unknown age are not decided upon."""
    assert reason_of(make_intent(reducing=reducing, **change), make_book(**HELD_FIVE)) == reason


@pytest.mark.parametrize("age", [90.0, -90.0])
def test_price_age_is_inclusive_at_its_limit(age: float) -> None:
    assert reason_of(make_intent(price_age_seconds=age)) is None


def test_no_limits_deny() -> None:
    """docs/lessons.md#lesson-29: a gate that cannot decide denies."""
    assert judge(make_intent(), make_book(), None).reason is DenyReason.NO_LIMITS


@pytest.mark.parametrize("name", ["equity", "session_start_equity"])
@pytest.mark.parametrize("value", [None, Decimal(0), Decimal(-1), NAN, INFINITY])
def test_equity_that_is_no_positive_number_denies(name: str, value: Decimal | None) -> None:
    """docs/lessons.md#lesson-5, #lesson-29."""
    assert reason_of(make_intent(), make_book(**{name: value})) == "no_equity"


@pytest.mark.parametrize("value", [NAN, INFINITY])
def test_buying_power_that_is_no_number_denies(value: Decimal) -> None:
    """docs/lessons.md#lesson-5."""
    assert reason_of(make_intent(), make_book(buying_power=value)) == "no_equity"


@pytest.mark.parametrize("reducing", [False, True])
def test_open_order_on_the_symbol_denies_another(reducing: bool) -> None:
    """docs/lessons.md#lesson-9: no buying while a sale is pending, and no second sale either."""
    book = make_book(**HELD_FIVE, pending_symbols=frozenset({"AAPL"}))

    assert reason_of(make_intent(reducing=reducing), book) == "pending_order"


def test_order_of_somebody_else_denies_an_entry_and_no_exit() -> None:
    """docs/lessons.md#lesson-32: what it holds is not available; the rest is ours to sell."""
    book = make_book(**HELD_FIVE, foreign_pending_symbols=frozenset({"AAPL"}))

    assert reason_of(make_intent(), book) == "pending_order"
    assert judge(make_exit(), book, None).quantity == 5


@pytest.mark.parametrize("reducing", [False, True])
def test_position_that_is_not_clear_is_neither_sold_nor_bought(reducing: bool) -> None:
    book = make_book(**HELD_FIVE, unclear_symbols=frozenset({"AAPL"}))

    assert reason_of(make_intent(reducing=reducing), book) == "position_unclear"
    assert reason_of(make_intent(symbol="MSFT"), book) is None


def test_open_order_on_another_symbol_does_not_matter() -> None:
    assert reason_of(make_intent(), make_book(pending_symbols=frozenset({"MSFT"}))) is None


@pytest.mark.parametrize("held", [Decimal(0), Decimal(-3), Decimal("0.0000000009")])
def test_exit_without_a_sellable_quantity_has_no_position(held: Decimal) -> None:
    """docs/lessons.md#lesson-8: a size of nothing is a denial with its reason, never an order of 0."""
    assert reason_of(make_exit(), make_book(held_quantity=held)) == "no_position"


def test_exit_of_whole_shares_leaves_the_fraction() -> None:
    intent = make_exit(rules=make_rules(fractionable=False))

    verdict = judge(intent, make_book(held_quantity=Decimal("5.75")), None)

    assert verdict.quantity == 5


def test_new_symbol_is_denied_at_the_most_positions() -> None:
    book = make_book(exposures={f"S{n}": Decimal(1) for n in range(14)}, reserved={"R": Decimal(1)})

    assert reason_of(make_intent(), book) == "max_positions_reached"


def test_held_symbol_may_grow_at_the_most_positions() -> None:
    exposures = {"AAPL": Decimal(100), **{f"S{n}": Decimal(1) for n in range(14)}}

    assert reason_of(make_intent(), make_book(exposures=exposures)) is None


@pytest.mark.parametrize(
    ("exposures", "reserved"),
    [
        ({"AAPL": Decimal(10_000)}, {}),
        ({}, {"AAPL": Decimal(10_000)}),
        ({"AAPL": Decimal(6000)}, {"AAPL": Decimal(4000)}),
    ],
    ids=["held", "reserved", "both"],
)
def test_full_position_denies_more(exposures: dict[str, Decimal], reserved: dict[str, Decimal]) -> None:
    """docs/lessons.md#lesson-9: what is held and what is on its way both count."""
    book = make_book(exposures=exposures, reserved=reserved)

    assert reason_of(make_intent(), book) == "position_too_large"


def test_full_exposure_denies_more() -> None:
    book = make_book(exposures={"MSFT": Decimal(30_000)}, reserved={"NVDA": Decimal(20_000)})

    assert reason_of(make_intent(), book) == "exposure_limit_exceeded"


@pytest.mark.parametrize(("equity", "reason"), [(95_000, "daily_loss_limit"), (95_001, None)])
def test_loss_of_the_day_denies_from_its_limit_on(equity: int, reason: str | None) -> None:
    """docs/lessons.md#lesson-21: measured on equity, so open losses count, from the previous close."""
    book = make_book(equity=Decimal(equity))

    assert reason_of(make_intent(), book) == reason


def test_buying_power_counts_reservations() -> None:
    book = make_book(buying_power=Decimal(500), reserved={"MSFT": Decimal(500)})

    assert reason_of(make_intent(), book) == "insufficient_buying_power"


@pytest.mark.parametrize(
    ("book", "quantity"),
    [
        ({"exposures": {"AAPL": Decimal(9_000)}}, 10),
        ({"exposures": {"MSFT": Decimal(48_000)}}, 20),
        ({"buying_power": Decimal(700)}, 7),
    ],
    ids=["position", "exposure", "buying power"],
)
def test_entry_is_cut_to_the_room_left(book: dict[str, Any], quantity: int) -> None:
    verdict = judge(make_intent(), make_book(**book), make_limit_values())

    assert (verdict.quantity, verdict.reason) == (quantity, None)


@pytest.mark.parametrize(
    ("exposures", "reason"),
    [
        ({"AAPL": 9_249}, None),  # a room of 751 of 3,000
        ({"AAPL": 9_250}, None),
        ({"AAPL": 9_251}, DenyReason.POSITION_TOO_LARGE),
        ({"AAPL": 3_000, "MSFT": 46_251}, DenyReason.EXPOSURE_EXCEEDED),
        ({"MSFT": 49_800}, None),  # a new position takes what there is
    ],
)
def test_what_adds_to_a_position_is_no_crumb_of_the_wish(
    exposures: dict[str, int], reason: DenyReason | None
) -> None:
    """Else a full position is bought a little more of in each cycle in which its price has fallen."""
    book = make_book(exposures={symbol: Decimal(value) for symbol, value in exposures.items()})

    assert reason_of(make_intent(), book) is reason


def test_room_below_the_minimum_names_the_limit_that_binds() -> None:
    book = make_book(exposures={"AAPL": Decimal("9999.50")})

    assert reason_of(make_intent(), book) == "position_too_large"


def test_wish_below_the_minimum_is_below_minimum() -> None:
    """docs/lessons.md#lesson-8: too small is said, not skipped in silence."""
    rules = make_rules(min_notional=Decimal(3001))

    assert reason_of(make_intent(rules=rules)) == "below_minimum_size"


def test_whole_share_above_the_wish_is_below_minimum() -> None:
    """docs/lessons.md#lesson-2, #lesson-8: it is never rounded up to one share."""
    intent = make_intent(price=Decimal(3001), rules=make_rules(fractionable=False))

    assert reason_of(intent) == "below_minimum_size"


@pytest.mark.parametrize(
    ("name", "intent", "book", "limits"),
    [
        ("confidence", {"confidence": Decimal("-0.01")}, {}, {}),
        ("confidence", {"confidence": Decimal("1.01")}, {}, {}),
        ("confidence", {"confidence": NAN}, {}, {}),
        ("min_confidence", {"min_confidence": INFINITY}, {}, {}),
        ("size_percent", {"size_percent": Decimal(0)}, {}, {}),
        ("size_percent", {"size_percent": Decimal("100.1")}, {}, {}),
        ("size_percent", {"size_percent": NAN}, {}, {}),
        ("quantity_step", {"rules": make_rules(quantity_step=Decimal(0))}, {}, {}),
        ("min_notional", {"rules": make_rules(min_notional=NAN)}, {}, {}),
        ("exposure MSFT", {}, {"exposures": {"MSFT": NAN}}, {}),
        ("reserved MSFT", {}, {"reserved": {"MSFT": Decimal(-1)}}, {}),
        ("not_in_buying_power", {}, {"not_in_buying_power": NAN}, {}),
        ("max_daily_loss_percent", {}, {}, {"max_daily_loss_percent": NAN}),
        ("price", {"price": Decimal("1e-13")}, {}, {}),
        ("quantity_step", {"rules": make_rules(quantity_step=Decimal("1e-900000"))}, {}, {}),
        ("held_quantity", {"reducing": True}, {"held_quantity": NAN}, {}),
    ],
)
def test_number_that_is_none_is_denied_by_its_name(
    name: str, intent: dict[str, Any], book: dict[str, Any], limits: dict[str, Any]
) -> None:
    """docs/lessons.md#lesson-5, #lesson-19, #lesson-29: every input is answered, undecidable ones denied."""
    verdict = judge(make_intent(**intent), make_book(**book), make_limit_values(**limits))

    assert verdict.reason is DenyReason.INVALID_FIGURES
    assert list(verdict.figures) == [name]


def test_mode_that_asks_for_a_person_denies_entry_and_exit() -> None:
    book = make_book(**HELD_FIVE)

    assert reason_of(make_intent(needs_person=True), book) == "mode_needs_person"
    assert reason_of(make_exit(needs_person=True), book) == "mode_needs_person"


@pytest.mark.parametrize("room", ["0.50", "0"])
def test_limit_that_leaves_less_than_the_minimum_wins_over_the_loss_of_the_day(room: str) -> None:
    """Exposure is told before the daily loss."""
    book = make_book(
        exposures={"MSFT": Decimal(50_000) - Decimal(room)}, session_start_equity=Decimal(200_000)
    )

    assert reason_of(make_intent(), book) == "exposure_limit_exceeded"


def test_buying_power_counts_only_what_the_broker_has_not_taken_yet() -> None:
    reserved = {"MSFT": Decimal(4000)}
    book = make_book(buying_power=Decimal(1000), reserved=reserved, not_in_buying_power=Decimal(700))

    verdict = judge(make_intent(), book, make_limit_values())

    assert verdict.quantity == 3
    assert verdict.figures["room_insufficient_buying_power"] == "300"


@pytest.mark.parametrize(
    ("sizing", "change", "notional"),
    [
        ("fixed_fraction", {"volatility_percent": Decimal(400)}, 3000),
        ("volatility_scaled", {"volatility_percent": Decimal(40)}, 1500),
        ("volatility_scaled", {"volatility_percent": Decimal(5)}, 3000),
        ("confidence_scaled", {"confidence": Decimal("0.75")}, 2250),
    ],
)
def test_size_follows_the_strategys_rule(sizing: str, change: dict[str, Any], notional: int) -> None:
    """docs/lessons.md#lesson-2; and a rule scales down alone: the strategy's size is the largest."""
    intent = make_intent(sizing=SizingRule(sizing), **change)

    assert judge(intent, make_book(), make_limit_values()).notional == notional


@pytest.mark.parametrize("volatility", [None, NAN, Decimal(0), Decimal(-1)])
def test_unknown_volatility_denies_where_the_size_depends_on_it(volatility: Decimal | None) -> None:
    """docs/lessons.md#lesson-29: the full size would go to the asset about which least is known."""
    intent = make_intent(sizing=SizingRule.VOLATILITY_SCALED, volatility_percent=volatility)

    verdict = judge(intent, make_book(), make_limit_values())

    assert verdict.reason is DenyReason.NO_VOLATILITY
    assert verdict.figures == {"sizing": "volatility_scaled", "volatility_percent": str(volatility)}


EARLIER_FIRST: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("kill_switch", {}, {"switch_engaged": True}),
    ("trading_state_reducing", {}, {"trading_state": TradingState.REDUCING}),
    ("entries_paused", {}, {"entries_paused": "paused by ada"}),
    ("mode_needs_person", {"needs_person": True}, {}),
    ("low_confidence", {"confidence": Decimal("0.1")}, {}),
    ("market_closed", {"market_open": False}, {}),
    ("asset_not_tradable", {"rules": make_rules(tradable=False)}, {}),
    ("no_price", {"price": None}, {}),
    ("stale_price", {"price_age_seconds": None}, {}),
    ("implausible_price", {"price_facts": None}, {}),
    ("pending_order", {}, {"pending_symbols": frozenset({"AAPL"})}),
    ("position_unclear", {}, {"unclear_symbols": frozenset({"AAPL"})}),
    ("cooldown_period", {"block": Block(DenyReason.COOLDOWN_PERIOD, "just sold")}, {}),
    ("entries_per_hour", {}, {"entry_rates": (EntryRate(DenyReason.ENTRIES_PER_HOUR, 9, 9),)}),
    ("no_equity", {}, {"session_start_equity": None}),
    ("max_positions_reached", {}, {"exposures": {f"S{n}": Decimal(4_000) for n in range(15)}}),
    ("position_too_large", {}, {"exposures": {"AAPL": Decimal(10_000)}}),
    ("exposure_limit_exceeded", {}, {"reserved": {"MSFT": Decimal(50_000)}}),
    ("daily_loss_limit", {}, {"session_start_equity": Decimal(200_000)}),
    ("insufficient_buying_power", {}, {"buying_power": Decimal(0)}),
    ("below_minimum_size", {"size_percent": Decimal("0.0001")}, {}),
]


@pytest.mark.parametrize("first", range(len(EARLIER_FIRST)))
def test_first_check_that_fails_wins_over_all_later_ones(first: int) -> None:
    intent: dict[str, Any] = {}
    book: dict[str, Any] = {}
    for _, intent_change, book_change in reversed(EARLIER_FIRST[first:]):
        intent |= intent_change
        book |= book_change

    assert reason_of(make_intent(**intent), make_book(**book)) == EARLIER_FIRST[first][0]


@pytest.mark.parametrize(
    ("intent", "book"),
    [
        ({}, {"session_start_equity": Decimal(1_000_000)}),
        ({}, {"reserved": {"MSFT": Decimal(90_000)}}),
        ({}, {"exposures": {f"S{n}": Decimal(5_000) for n in range(20)}}),
        ({}, {"trading_state": TradingState.REDUCING}),
        ({"price_facts": None}, {}),
        ({}, {"buying_power": Decimal(0)}),
        ({}, {"equity": None, "session_start_equity": None}),
        ({}, {"entries_paused": "paused by ada"}),
        ({"block": Block(DenyReason.SYMBOL_LOCKED, "locked")}, {}),
        ({}, {"entry_rates": (EntryRate(DenyReason.ENTRIES_PER_DAY, 9, 9),)}),
    ],
    ids=[
        "daily loss",
        "exposure",
        "positions",
        "reducing",
        "price",
        "buying power",
        "no equity",
        "paused",
        "locked",
        "entries",
    ],
)
def test_limits_on_growth_never_stop_an_exit(intent: dict[str, Any], book: dict[str, Any]) -> None:
    """docs/lessons.md#lesson-32: a breaker that stops selling makes it worse."""
    verdict = judge(make_exit(**intent), make_book(held_quantity=Decimal(5), **book), None)

    assert (verdict.quantity, verdict.reason) == (5, None)


@pytest.mark.parametrize(
    ("share", "open_risk", "reason", "notional"),
    [
        ("0.05", {}, None, 3000),  # 150 USD at its stop, of 1,000
        ("0.5", {}, None, 2000),  # cut to 1,000 USD at its stop
        ("0.05", {"AAPL": 950}, None, 1000),  # 50 USD are left of this position's
        ("0.05", {"AAPL": 1000}, "position_risk_exceeded", 0),
        ("0.05", {"KO": 2500, "XOM": 2450}, None, 1000),  # 50 USD are left of all together
        ("0.05", {"KO": 2500, "XOM": 2500}, "open_risk_exceeded", 0),
        (None, {"KO": 9000}, None, 3000),  # what has no stop is judged by the other limits
    ],
)
def test_loss_at_the_stop_is_a_limit_of_its_own(
    share: str | None, open_risk: dict[str, int], reason: str | None, notional: int
) -> None:
    book = make_book(open_risk={symbol: Decimal(usd) for symbol, usd in open_risk.items()})
    intent = make_intent(stop_share=None if share is None else Decimal(share))

    verdict = judge(intent, book, make_limit_values())

    assert (verdict.reason, verdict.notional) == (reason, notional)
