"""What a price is held against: what was stored before it, the last close, a second source; ADR 0024."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from risk.domain.types import PriceFacts
from risk.models import RiskCheck, RiskReservation
from tests.factories import make_approval, make_snapshot, make_user
from tests.trading.outside import COIN, STOCK, Outside
from tests.trading.scenes import advanced_to_its_end, open_cycle, price_of, wish
from trading.core.settings import set_runtime_setting
from trading.cycle import fetching
from trading.domain.prices import daily_volatility, is_opening
from trading.execution import approvals
from trading.execution.decision_execution import execute_decision
from trading.market.market_time import market_now
from trading.market.price_facts import day_changes, latest_snapshot, latest_snapshots, price_facts
from trading.models import AIDecision, BarHistory, MarketSnapshot, Order
from trading.queries.gate_preview import read_scene

NOON = datetime(2020, 10, 15, 16, tzinfo=UTC)  # a Thursday, and a session
THURSDAY = NOON.date()
TENTH: dict[str, Any] = {"kind": "wrong_price", "fraction": 0.1}


def bars(symbol: str, *closes: tuple[str, object], market_date: date = THURSDAY) -> BarHistory:
    """Store daily closes; each is a day (``2020-10-14``) and a price."""
    written = [[f"{day}T04:00:00+00:00", *[str(close)] * 4, "1000"] for day, close in closes]
    return BarHistory.objects.create(symbol=symbol, market_date=market_date, bars=written, fetched_at=NOON)


def facts_of(symbol: str = "AAPL", **overrides: Any) -> PriceFacts:
    values: dict[str, Any] = {"symbol": symbol, "quoted_at": NOON, "previous_close": None} | overrides
    return price_facts(make_snapshot(**values), NOON)


def close_of(facts: PriceFacts) -> tuple[Decimal, str] | None:
    return None if facts.close is None else (facts.close.price, facts.close.source)


@pytest.mark.django_db
def test_close_is_that_of_the_days_own_bars() -> None:
    """A split: the bars are adjusted for it, the source's own word may not be."""
    bars("AAPL", ("2020-10-13", 9), ("2020-10-14", 10))

    facts = facts_of(previous_close=Decimal(100))

    assert close_of(facts) == (10, "daily bar")
    assert facts.close is not None
    assert facts.close.at == datetime(2020, 10, 14, tzinfo=UTC)


@pytest.mark.django_db
def test_close_is_the_sources_word_where_the_bars_are_of_another_day() -> None:
    bars("AAPL", ("2020-10-12", 9), market_date=date(2020, 10, 13))

    assert close_of(facts_of(previous_close=Decimal(100))) == (100, "alpaca, previous close")
    assert close_of(facts_of()) == (9, "daily bar")


def change_of(**overrides: Any) -> tuple[Decimal | None, str]:
    values: dict[str, Any] = {"symbol": "AAPL", "quoted_at": NOON, "previous_close": None} | overrides
    percent, warning = day_changes([make_snapshot(**values)], BarHistory.objects.in_bulk())["AAPL"]
    return None if percent is None else round(percent, 2), warning


@pytest.mark.django_db
def test_change_of_a_split_day_is_since_the_adjusted_close() -> None:
    """A ten for one split: the source still tells the close as it was traded, ten times today's price."""
    bars("AAPL", ("2020-10-13", 9), ("2020-10-14", 10))

    percent, warning = change_of(price=Decimal("10.2"), previous_close=Decimal(100))

    assert percent == 2
    assert warning == (
        "two previous closes, as on the day of a split: alpaca says 100, the daily bar 10; the bar counts"
    )


@pytest.mark.django_db
@pytest.mark.parametrize("price", ["10.2", "1002"])
def test_change_that_nothing_supports_is_left_out_and_said(price: str) -> None:
    """A split, or its reverse, where the day's bars could not be had; a fall by nine tenths is bought as a dip."""
    bars("AAPL", ("2020-10-12", 100), market_date=date(2020, 10, 13))

    percent, warning = change_of(price=Decimal(price), previous_close=Decimal(100))

    assert percent is None
    assert warning.startswith("the day's change is left out, it cannot be believed: ")
    assert warning.endswith(" % from 100 (alpaca, previous close)")


@pytest.mark.django_db
def test_change_is_left_out_where_the_bars_are_not_adjusted_yet() -> None:
    bars("AAPL", ("2020-10-13", 101), ("2020-10-14", 100))

    percent, warning = change_of(price=Decimal("10.2"), previous_close=Decimal(100))

    assert (percent, warning.endswith("-89.8 % from 100 (daily bar)")) == (None, True)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("reported", "market_date", "percent"),
    [
        (Decimal(100), THURSDAY, Decimal(-7)),
        (None, THURSDAY, Decimal(-7)),
        (Decimal(96), THURSDAY, Decimal(-7)),
        (Decimal(96), date(2020, 10, 13), Decimal("-3.12")),
        (None, date(2020, 10, 13), None),
    ],
)
def test_change_of_an_ordinary_day_has_no_warning(
    reported: Decimal | None, market_date: date, percent: Decimal | None
) -> None:
    bars("AAPL", ("2020-10-13", 99), ("2020-10-14", 100), market_date=market_date)

    assert change_of(price=Decimal(93), previous_close=reported) == (percent, "")


@pytest.mark.django_db
def test_change_without_any_close_is_unknown() -> None:
    assert change_of(price=Decimal(93)) == (None, "")


@pytest.mark.django_db
def test_close_of_long_ago_is_none_and_no_bar_of_the_day_itself_counts() -> None:
    bars("AAPL", ("2020-10-04", 9), ("2020-10-15", 8), ("2020-10-16", 7))

    assert facts_of().close is None


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("symbol", "last", "widening"),
    [
        ("AAPL", "2020-10-11", 1),
        ("AAPL", "2020-10-10", 1.5),
        (COIN, "2020-10-14", 1),
        (COIN, "2020-10-12", 1.5),
    ],
)
def test_band_is_wider_about_an_old_close(symbol: str, last: str, widening: float) -> None:
    bars(symbol, (last, 9))

    assert facts_of(symbol).band.widening == Decimal(str(widening))


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("symbol", "minute", "widening"), [("AAPL", 44, 1.5), ("AAPL", 45, 1), (COIN, 44, 1)]
)
def test_band_is_wider_in_the_first_minutes_of_a_session(symbol: str, minute: int, widening: float) -> None:
    facts = facts_of(symbol, quoted_at=NOON.replace(hour=13, minute=minute))

    assert facts.band.widening == Decimal(str(widening))


@pytest.mark.parametrize(("utc_hour", "month"), [(13, 7), (14, 12)])
def test_opening_is_half_past_nine_in_new_york_summer_and_winter(utc_hour: int, month: int) -> None:
    opening = datetime(2020, month, 15, utc_hour, 30, tzinfo=UTC)

    assert [is_opening(opening + timedelta(minutes=n)) for n in (-1, 0, 14, 15)] == [False, True, True, False]


@pytest.mark.django_db
def test_recent_prices_are_those_stored_before_it_within_two_hours() -> None:
    for minutes in (121, 119, 50, 40, 30, 20, 10, 0, -1):
        make_snapshot(quoted_at=NOON - timedelta(minutes=minutes), price=Decimal(1000 + minutes))
    make_snapshot(symbol="MSFT", quoted_at=NOON - timedelta(minutes=5))

    assert [row.price for row in facts_of().recent] == [1010, 1020, 1030, 1040, 1050]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("second", "known"),
    [
        ({"second_source": "coingecko", "second_quoted_at": NOON - timedelta(seconds=90)}, True),
        ({"second_source": "coingecko", "second_quoted_at": NOON - timedelta(seconds=91)}, False),
        ({"second_source": "coingecko", "second_quoted_at": NOON + timedelta(seconds=91)}, False),
        ({"second_source": "alpaca", "second_quoted_at": NOON}, False),
        ({"second_source": "alpaca", "second_quoted_at": NOON, "source": "cached alpaca"}, False),
        ({"second_source": "", "second_quoted_at": None, "second_price": None}, False),
    ],
)
def test_second_source_counts_while_it_is_fresh_and_another_one(second: dict[str, Any], known: bool) -> None:
    facts = facts_of(COIN, **({"second_price": Decimal(100)} | second))

    assert (facts.second is not None) is known


@pytest.mark.django_db
def test_band_is_what_the_operator_set() -> None:
    for name, value in (
        ("price_band_percent", "35"),
        ("price_band_sigmas", "6"),
        ("implausible_disagreement", "0.05"),
    ):
        set_runtime_setting(name=name, value=value, actor="test")

    band = facts_of().band

    assert (band.floor, band.sigmas, band.agreement, band.disagreement) == (
        Decimal("0.35"),
        6,
        Decimal("0.02"),
        Decimal("0.05"),
    )


def test_volatility_is_that_of_a_month_or_of_all_days_the_larger() -> None:
    calm = [Decimal(100), Decimal(101)] * 15
    wild = [Decimal(100), Decimal(150)] * 15

    assert daily_volatility(calm) == pytest.approx(Decimal("0.0101"), abs=Decimal("0.0002"))
    assert (daily_volatility(wild + calm) or 0) > Decimal("0.2")
    assert (daily_volatility(calm + wild) or 0) > Decimal("0.4")


@pytest.mark.parametrize(
    "closes", [[], ["1"] * 5, ["1"] * 9 + ["NaN"], ["1"] * 9 + ["0"], ["1"] * 9 + ["1e400"]]
)
def test_volatility_is_unknown_of_few_days_and_of_what_is_no_price(closes: list[str]) -> None:
    assert daily_volatility([Decimal(close) for close in closes]) is None


def fetched(account: Outside, symbol: str, action: str, **overrides: Any) -> AIDecision:
    """Return a decision about the price that a cycle fetches now from the venue."""
    cycle = open_cycle()
    decision = wish(symbol, action, cycle=cycle, **overrides)
    MarketSnapshot.objects.all().delete()
    if symbol == STOCK:
        fetching.fetch_stocks(cycle.pk, [symbol], batch_count=1)
    else:
        fetching.fetch_coins(cycle.pk, [symbol])
    assert MarketSnapshot.objects.get().symbol == symbol
    return decision


@pytest.mark.parametrize("symbol", [STOCK, COIN])
def test_first_price_of_a_symbol_is_believed_by_its_history(account: Outside, symbol: str) -> None:
    """A first cycle trades: bars and previous close come with the price."""
    decision = fetched(account, symbol, "buy")

    assert execute_decision(decision.pk) is not None

    figures = RiskCheck.objects.get().figures
    assert figures["price_close_source"] == "daily bar"
    assert Decimal(figures["price_low"]) < Decimal(figures["price"]) < Decimal(figures["price_high"])


@pytest.mark.parametrize("symbol", [STOCK, COIN])
def test_tick_at_a_tenth_orders_nothing(account: Outside, symbol: str) -> None:
    """It would have sized ten times the limit; all sources are wrong alike only where a split is."""
    account.venue.fault(**TENTH, route="GET /v*/*")
    decision = fetched(account, symbol, "buy")
    assert MarketSnapshot.objects.get().price < price_of_before(symbol) / 5

    assert execute_decision(decision.pk) is None

    decision.refresh_from_db()
    assert (decision.status, decision.reason) == ("denied", "implausible_price")
    figures = RiskCheck.objects.get().figures
    assert Decimal(figures["price"]) < Decimal(figures["price_low"])
    assert {"price_warning", "price_close", "price_close_source", "price_close_at"} <= figures.keys()
    assert not Order.objects.exists()
    assert not RiskReservation.objects.exists()
    assert account.posts() == []


def price_of_before(symbol: str) -> Decimal:
    """Return what the last bar said, which the fault does not reach."""
    return Decimal(BarHistory.objects.get(pk=symbol).bars[-1][4])


def test_exit_goes_on_at_a_tenth_and_says_so(account: Outside) -> None:
    """docs/lessons.md#lesson-32."""
    account.hold(STOCK, "2")
    account.venue.fault(**TENTH, route="GET /v*/*")
    decision = fetched(account, STOCK, "sell")

    saga_id = execute_decision(decision.pk)
    assert saga_id is not None
    account.venue.clear_faults()
    advanced_to_its_end(saga_id)

    check = RiskCheck.objects.get()
    assert (check.allowed, check.quantity) == (True, 2)
    assert "more than" in check.figures["price_warning"]
    assert account.positions() == {}


def test_approval_is_judged_by_the_plausible_price_too(account: Outside) -> None:
    """A person's word lifts what the mode asks for, not this: nobody meant ten times the size."""
    decision = wish(status="awaiting_approval")
    MarketSnapshot.objects.update(quoted_at=NOON - timedelta(days=3000))
    approval = make_approval(decision=decision)
    account.venue.fault(**TENTH, route="GET /v*/*")

    said = approvals.answer(approval, granted=True, user=make_user())

    assert (said.outcome, said.check and said.check.reason) == ("denied", "implausible_price")
    assert account.posts() == []


def test_preview_says_it_before_the_click(account: Outside) -> None:
    decision = wish(status="awaiting_approval")
    MarketSnapshot.objects.update(price=price_of(STOCK) / 10)

    row = AIDecision.objects.select_related("strategy").get(pk=decision.pk)
    verdict = read_scene([row]).alone()[row.pk].verdict

    assert verdict.reason == "implausible_price"


def test_price_from_before_the_market_clock_went_back_gives_way_to_those_of_now(account: Outside) -> None:
    decision = wish(STOCK)
    now = market_now()
    assert now is not None
    before = make_snapshot(symbol=STOCK, quoted_at=now + timedelta(hours=2))

    found = latest_snapshot(STOCK)

    assert found is not None
    assert (found.cycle_id, found.pk != before.pk) == (decision.cycle_id, True)
    assert latest_snapshots({STOCK}) == {STOCK: found}
    assert execute_decision(decision.pk) is not None


def test_price_that_is_only_known_from_the_future_is_told_as_it_is(account: Outside) -> None:
    open_cycle()
    now = market_now()
    assert now is not None
    only = make_snapshot(symbol=COIN, quoted_at=now + timedelta(hours=2))

    assert latest_snapshot(COIN) == only
    assert latest_snapshots({COIN}) == {COIN: only}
