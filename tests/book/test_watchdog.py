"""The switch without a person: by the day's loss, the account's standing, and errors; each cause once."""

from decimal import Decimal
from typing import Any

import pytest

from connectors.base import Account
from connectors.errors import ConnectorError
from risk.models import KillSwitch
from risk.services import switch
from tests.factories import make_agent, make_engagement, make_event, make_limits, make_order
from tests.trading.outside import Outside
from tests.trading.scenes import ago, open_cycle, order_of, passed
from trading.models import Event, Order
from trading.services import kill_switch, sagas, watchdog
from trading.services.guardian import Guardian
from trading.services.portfolio import sync_portfolio
from trading.services.settings import set_runtime_setting
from trading.services.watchdog import Critical, report_critical

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def agent() -> None:
    make_agent(mode="autonomous")


def told(**overrides: Any) -> Account:
    values: dict[str, Any] = {
        "account_id": "a",
        "status": "ACTIVE",
        "equity": Decimal(100_000),
        "last_equity": Decimal(100_000),
        "cash": Decimal(100_000),
        "buying_power": Decimal(100_000),
        "trading_blocked": False,
    }
    return Account(**(values | overrides))


def engagement() -> tuple[str, str] | None:
    found = switch.current_engagement()
    return (found.trigger, found.engaged_by) if found else None


@pytest.mark.parametrize(("equity", "engaged"), [("95000.01", False), ("95000", True), ("90000", True)])
def test_loss_of_the_day_engages_from_its_limit_on(equity: str, engaged: bool) -> None:
    """Lesson 21: equity against the session's start, so open losses count; the limit is inclusive."""
    make_limits()

    watchdog.after_sync(told(equity=Decimal(equity)))

    assert engagement() == (("daily_loss_limit", "watchdog") if engaged else None)


def test_loss_engages_once_a_session_and_says_its_figures() -> None:
    limits = make_limits()
    loss = told(equity=Decimal(94_000))
    watchdog.after_sync(loss)
    kill_switch.release(actor="ada", reason="seen, exits only")

    watchdog.after_sync(loss)
    assert not switch.is_engaged()
    watchdog.after_sync(told(equity=Decimal(89_000), last_equity=Decimal(94_000)))

    first = KillSwitch.objects.order_by("engaged_at").first()
    assert first is not None
    assert switch.is_engaged()
    assert KillSwitch.objects.count() == 2
    assert first.figures == {
        "session_start_equity": "100000",
        "equity": "94000",
        "daily_loss_percent": "6.000",
        "max_daily_loss_percent": "5.000",
        "limits_version": str(limits.version),
    }


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"status": "ACCOUNT_CLOSED"}, "its status is ACCOUNT_CLOSED"),
        ({"trading_blocked": True}, "trading is blocked"),
        ({"maintenance_margin": Decimal(100_001)}, "margin call"),
    ],
)
def test_account_that_may_not_trade_engages(change: dict[str, Any], words: str) -> None:
    watchdog.after_sync(told(**change))

    assert engagement() == ("account_blocked", "watchdog")
    assert words in KillSwitch.objects.get().reason


def test_blocked_account_engages_once_until_it_was_seen_in_order() -> None:
    blocked = told(trading_blocked=True)
    watchdog.after_sync(blocked)
    kill_switch.release(actor="ada", reason="the broker knows")
    watchdog.after_sync(blocked)
    assert not switch.is_engaged()

    watchdog.after_sync(told(maintenance_margin=Decimal(1000)))
    watchdog.after_sync(blocked)

    assert switch.is_engaged()
    standing = Event.objects.filter(aggregate_type="account").order_by("sequence")
    assert [e.type for e in standing] == ["account.blocked", "account.cleared", "account.blocked"]


def test_healthy_account_engages_nothing(account: Outside) -> None:
    sync_portfolio(None)

    assert engagement() is None


def test_every_account_sync_looks(account: Outside) -> None:
    set_runtime_setting(name="critical_errors", value="1", actor="test")
    make_event(aggregate_type="saga", type="saga.fail")

    sync_portfolio(None)

    assert engagement() == ("critical_errors", "watchdog")


def test_errors_engage_at_their_number_and_the_same_counts_once() -> None:
    set_runtime_setting(name="critical_errors", value="2", actor="test")

    assert report_critical(kind=Critical.POSITION_DIFFERENCE, subject="AAPL", detail="5 against 3")
    assert not report_critical(kind=Critical.POSITION_DIFFERENCE, subject="AAPL", detail="again")
    assert engagement() is None
    report_critical(kind=Critical.POSITION_DIFFERENCE, subject="MSFT", detail="1 against 0")

    assert engagement() == ("critical_errors", "watchdog")
    figures = KillSwitch.objects.get().figures
    assert (figures["errors"], figures["critical_error.position_difference"]) == ("2", "2")


def test_failed_sagas_count_and_errors_before_a_release_or_long_ago_do_not() -> None:
    set_runtime_setting(name="critical_errors", value="2", actor="test")
    for age in (700, 660, 60):
        row = make_event(aggregate_type="saga", type="saga.fail")
        Event.objects.filter(pk=row.pk).update(occurred_at=ago(seconds=age))
    watchdog.patrol()
    assert engagement() is None

    make_event(aggregate_type="saga", type="saga.fail")
    watchdog.patrol()
    assert engagement() == ("critical_errors", "watchdog")
    kill_switch.release(actor="ada", reason="cause found")
    watchdog.patrol()
    assert engagement() is None


def test_compensation_that_fails_engages_at_once() -> None:
    report_critical(kind=Critical.COMPENSATION_FAILED, subject="saga", detail="the order cannot be looked up")

    assert engagement() == ("compensation_failed", "watchdog")
    assert "cannot be looked up" in KillSwitch.objects.get().reason


def test_switch_that_is_engaged_stays_as_it_was_engaged() -> None:
    make_engagement()

    report_critical(kind=Critical.COMPENSATION_FAILED, subject="saga", detail="again")

    assert engagement() == ("operator", "test")


def test_order_without_an_outcome_past_its_time_is_counted_once() -> None:
    lost = make_order(status="unknown", submitted_at=ago(seconds=301))
    make_order(status="unknown", submitted_at=ago(seconds=299))

    watchdog.patrol()
    watchdog.patrol()

    errors = Event.objects.filter(type="critical_error.outcome_unknown")
    assert [e.aggregate_id for e in errors] == [f"outcome_unknown:{lost.pk}"]


@pytest.mark.parametrize(("minutes", "count"), [(2, 0), (4, 1), (None, 0)])
def test_account_that_cannot_be_read_counts_once_in_three_minutes(
    account: Outside, minutes: int | None, count: int
) -> None:
    make_agent(positions_as_of=ago(minutes=minutes) if minutes else None)
    account.venue.fault(kind="error", route="GET /v2/account")

    for _ in range(2):
        with pytest.raises(ConnectorError):
            sync_portfolio(None)

    assert Event.objects.filter(type="critical_error.account_sync").count() == count


def test_cancels_are_repeated_until_the_broker_confirms(account: Outside) -> None:
    """Engaged while the broker refuses: the entry rests there; the sweeper's rounds get it cancelled."""
    account.fill_never()
    open_cycle()
    saga = passed()
    sagas.advance_saga(saga.pk)
    account.venue.fault(kind="error", status=500, route="DELETE /v2/orders/*", times=1)
    report = kill_switch.engage(actor="ada", reason="odd fills")
    assert report.remaining_orders == [order_of(saga).client_order_id]
    assert kill_switch.remaining().open_orders == [order_of(saga).client_order_id]

    Guardian().look()

    assert order_of(saga).status == "canceled"
    assert kill_switch.remaining().open_orders == []


def test_engage_waits_for_the_brokers_word_and_records_it(account: Outside) -> None:
    account.fill_never()
    open_cycle()
    saga = passed()
    sagas.advance_saga(saga.pk)

    report = kill_switch.engage(actor="ada", reason="odd fills")

    assert (report.remaining_orders, report.problems) == ([], [])
    assert Order.objects.get().status == "canceled"
