"""What the broker books by itself: dividends, interest, deposits, and what it calls otherwise."""

from datetime import date, timedelta
from decimal import Decimal

import pytest

from connectors.base import BrokerActivity
from tests.factories import make_decision, make_strategy
from tests.trading.outside import Outside
from tests.trading.performance.test_report import CENT, DAYS, World, at
from trading.execution.portfolio import sync_portfolio
from trading.models import AccountActivity, BookCheck, CashLine, Event, Strategy
from trading.performance import lots
from trading.performance.broker_cash import Told
from trading.performance.comparison import begin_comparison, compare_books, compare_with
from trading.performance.report import GROUPS, performance

D = Decimal
pytestmark = pytest.mark.django_db


def booked(
    kind: str, amount: str, *, day: int = 1, symbol: str = "", number: int = 0, late: int = 0
) -> BrokerActivity:
    """An activity of the broker, listed so many sessions after its day."""
    return BrokerActivity(
        activity_id=f"{DAYS[day]}::{kind}{symbol}{number}",
        kind=kind,
        net_amount=D(amount),
        day=DAYS[day],
        booked_at=at(day + late, 13, 30),
        symbol=symbol,
        description="a description",
    )


def told(*activities: BrokerActivity) -> Told:
    return Told(activities, is_read=True)


def differences() -> list[str]:
    rows = Event.objects.filter(type="books.differ").order_by("sequence")
    return [str(row.payload["reason"]) for row in rows]


@pytest.fixture
def holders() -> World:
    """Two strategies that hold one share and three of the same symbol since the first session."""
    world = World()
    world.sync(at(0, 14, 35))
    begin_comparison()
    for name, quantity in (("one", "1"), ("three", "3")):
        decision = make_decision(strategy=make_strategy(name=name), price=D(100))
        world.trade("buy", quantity, "100", at=at(0), decision=decision)
    world.sync(at(0, 20, 59))
    compare_with(told())
    return world


def pay(world: World, amount: str, moment_day: int = 1, hour: int = 15) -> None:
    world.cash += D(amount)
    world.sync(at(moment_day, hour))


def test_a_dividend_explains_the_cash_and_belongs_to_the_strategies_that_hold(holders: World) -> None:
    pay(holders, "2.50")
    dividend = booked("DIV", "2.50", symbol="AAPL")

    assert not compare_with(told(dividend))

    assert differences() == []
    report = performance(by="strategy")
    income = {row.label: row.income for row in report.rows}
    assert income == {"one": D("0.625"), "three": D("1.875")}
    assert (report.equity.income.value, report.equity.unexplained.value) == (D("2.50"), D(0))
    for group in GROUPS:
        found = performance(by=group)
        assert abs(sum((row.profit.value or D(0) for row in found.rows), D(0)) - D("2.50")) < CENT, group
    assert lots.rebuild() == []


def test_an_activity_is_booked_once_however_often_it_is_told(holders: World) -> None:
    dividend = booked("DIV", "2.50", symbol="AAPL")
    for hour in (15, 16, 17):
        pay(holders, "2.50" if hour == 15 else "0", hour=hour)
        assert not compare_with(told(dividend))

    assert AccountActivity.objects.get().amount == D("2.50")
    assert CashLine.objects.count() == 2


def test_an_activity_that_is_told_of_days_later_explains_what_was_told_before(holders: World) -> None:
    for hour in (15, 16):
        pay(holders, "2.50" if hour == 15 else "0", hour=hour)
        compare_with(told())
    assert BookCheck.objects.get().unexplained_cash == D("2.50")

    pay(holders, "0", moment_day=3)
    assert not compare_with(told(booked("DIV", "2.50", symbol="AAPL", late=2)))

    assert BookCheck.objects.get().unexplained_cash == 0
    assert differences() == ["cash +2.50 USD: the account has +2.50 USD that no execution explains"]
    assert performance().equity.unexplained.value == 0


def test_a_dividend_that_is_paid_after_the_sale_belongs_to_what_was_sold_last(holders: World) -> None:
    holders.trade("sell", "4", "110", at=at(0, 18), purpose="stop_loss")
    pay(holders, "2.50", moment_day=3)

    assert not compare_with(told(booked("DIV", "2.50", symbol="AAPL", day=3)))

    assert {line.strategy_id for line in CashLine.objects.all()} == set(
        Strategy.objects.filter(name__in=["one", "three"]).values_list("pk", flat=True)
    )


def test_a_deposit_is_no_profit_and_in_no_return(holders: World) -> None:
    pay(holders, "50000")
    assert not compare_with(told(booked("CSD", "50000")))
    holders.sync(at(1, 20, 59), AAPL="110")
    holders.sync(at(2, 20, 59), AAPL="110")

    report = performance(by="day")

    equity = report.equity
    assert (equity.change.value, equity.transferred.value, equity.income.value) == (D(50040), D(50000), D(0))
    assert report.figures["account_return"].value == pytest.approx(40 / 100_000)
    assert report.figures["total_return"].value == pytest.approx(40 / 100_000)
    assert sum((row.profit.value or D(0) for row in report.rows), D(0)) == D(40)
    assert CashLine.objects.count() == 0


def test_interest_and_fees_belong_to_nobody_and_still_add_up(holders: World) -> None:
    pay(holders, "1.20")
    assert not compare_with(told(booked("INT", "1.50"), booked("FEE", "-0.30")))

    report = performance(by="strategy")

    assert {row.label: row.income for row in report.rows}["unknown origin"] == D("1.20")
    assert {row.key: row.income for row in performance(by="exit").rows} == {
        "": D(0),
        "interest": D("1.50"),
        "fee": D("-0.30"),
    }


def test_a_kind_that_is_not_known_is_named_once_and_is_no_profit(holders: World) -> None:
    for hour in (15, 16):
        pay(holders, "7" if hour == 15 else "0", hour=hour)
        assert not compare_with(told(booked("XYZ", "7")))

    assert differences() == [
        "cash +7.000000 USD: the broker booked what is not known here: XYZ +7.000000 USD (a description)"
    ]
    assert performance().equity.unexplained.value == D(7)


def test_what_was_booked_before_the_first_sync_and_a_coins_fee_are_in_the_account_already(
    holders: World,
) -> None:
    pay(holders, "0")
    before = BrokerActivity("old", "DIV", D(9), date(2026, 10, 30), at(0, 14), "AAPL")

    assert not compare_with(told(before, booked("CFEE", "-3", symbol="BTC/USD")))
    assert not AccountActivity.objects.exists()


def test_the_broker_is_asked_once_a_session_and_when_something_differs(account: Outside) -> None:
    """Over HTTP: the venue pays a dividend at the open, which is known at the first look."""
    account.hold("ALSQ", "40")
    sync_portfolio(None)

    def asked() -> int:
        return sum(request["path"] == "/v2/account/activities" for request in account.requests())

    for _ in range(3):
        sync_portfolio(None)
        compare_books()
    assert asked() == 0, "the session in which the comparison begins is in the first sync"
    account.venue.request(
        "POST", "/venue/corporate_actions", {"symbol": "ALSQ", "kind": "dividend", "value": "0.25"}
    )
    account.venue.clock(to="close")
    account.venue.clock(to="open")

    for _ in range(3):
        sync_portfolio(None)
        assert not compare_books()

    assert asked() == 1
    assert AccountActivity.objects.get(kind="dividend").amount == 10
    assert performance().equity.income.value == 10
    assert differences() == []


def test_a_broker_that_does_not_answer_hides_nothing(account: Outside) -> None:
    sync_portfolio(None)
    BookCheck.objects.update(activities_read_on=DAYS[0] - timedelta(days=1000))
    account.venue.fault(kind="error", route="/v2/account/activities", status=503)
    sync_portfolio(None)

    assert compare_books() is not None
    assert BookCheck.objects.get().activities_read_on == DAYS[0] - timedelta(days=1000)
