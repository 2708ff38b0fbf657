"""The switch without a person: by the day's loss, the account's standing, and errors; each cause once."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from connectors.base import Account
from connectors.errors import ConnectorError
from risk.models import KillSwitch
from risk.services import switch
from tests.factories import make_agent, make_engagement, make_equity, make_event, make_limits, make_order
from tests.trading.outside import COIN, STOCK, Outside
from tests.trading.scenes import ago, open_cycle, order_of, passed
from trading.core.settings import set_runtime_setting
from trading.execution import sagas
from trading.execution.portfolio import sync_portfolio
from trading.models import Event, Order, RuntimeSetting
from trading.safety import daily_loss, kill_switch, watchdog
from trading.safety.watchdog import Critical, report_critical
from trading.work.guardian import Guardian
from trading.work.lookout import Lookout

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
    """docs/lessons.md#lesson-21: equity against the session's start, so open losses count; the limit is inclusive."""
    make_limits()

    watchdog.after_sync(told(equity=Decimal(equity)))

    assert engagement() == (("daily_loss_limit", "watchdog") if engaged else None)


@pytest.mark.parametrize(("chosen", "is_sold"), [("stop", False), ("flatten", True), ("sell all", False)])
def test_at_the_loss_limit_everything_is_sold_where_that_was_chosen(
    account: Outside, chosen: str, is_sold: bool
) -> None:
    account.hold(STOCK, "3")
    sync_portfolio(None)
    RuntimeSetting.objects.update_or_create(
        pk="at_daily_loss", defaults={"value": chosen, "unit": "word", "description": "-"}
    )

    watchdog.after_sync(told(equity=Decimal(1_000)))

    assert engagement() == ("daily_loss_limit", "watchdog")
    assert (STOCK not in account.positions()) is is_sold
    sales = list(Order.objects.filter(purpose="flatten").values_list("exit_reason", flat=True))
    assert sales == (["drawdown"] if is_sold else [])


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


def lose(percent: str, *, start: str = "100000") -> None:
    """Have a sync tell that the day has lost so much, as ``sync_portfolio`` stores and reports it."""
    begin = Decimal(start)
    equity = begin * (1 - Decimal(percent) / 100)
    make_equity(equity=equity, session_start_equity=begin)
    watchdog.after_sync(told(equity=equity, last_equity=begin))


def release() -> None:
    kill_switch.release(actor="ada", reason="seen")


@pytest.mark.parametrize(
    ("percent", "engaged"), [("6", False), ("7.2", False), ("7.25", True), ("30", True), ("5.5", False)]
)
def test_a_release_is_not_overruled_by_the_same_loss_but_by_a_quarter_of_the_limit_more(
    percent: str, engaged: bool
) -> None:
    make_limits()
    lose("6")
    release()

    lose(percent)

    assert switch.is_engaged() is engaged


def test_what_the_loss_was_at_the_release_counts_and_each_release_anew() -> None:
    make_limits()
    lose("6")
    lose("9")
    release()
    lose("10.2")
    assert not switch.is_engaged()

    lose("10.25")
    assert switch.is_engaged()
    release()
    lose("11.4")
    assert not switch.is_engaged()
    lose("11.5")

    assert switch.is_engaged()
    assert KillSwitch.objects.count() == 3


def test_a_loss_that_was_made_up_and_comes_back_to_its_limit_engages() -> None:
    make_limits()
    lose("6")
    lose("2")
    release()

    lose("4.99")
    assert not switch.is_engaged()
    lose("5")

    assert switch.is_engaged()


@pytest.mark.parametrize(
    ("limit", "percent", "engaged"), [("10", "30", True), ("10", "9", False), ("4", "6", True)]
)
def test_the_loss_engages_anew_for_each_version_of_the_limits(
    limit: str, percent: str, engaged: bool
) -> None:
    """Limit 5 %, loss 6 %: engaged and released. With the limit raised to 10 % a loss of 30 % was nothing."""
    make_limits()
    lose("6")
    release()
    make_limits(max_daily_loss_percent=Decimal(limit))

    lose(percent)

    assert switch.is_engaged() is engaged
    if engaged:
        release()
        lose(percent)
        assert not switch.is_engaged()


@pytest.mark.parametrize("written", ["100000.0", "1E+5", "100000.000000"])
def test_a_figure_written_otherwise_is_the_same_day(written: str) -> None:
    """docs/lessons.md#lesson-39's kind: as text, the start of the day was another with each way to write it."""
    make_limits()
    lose("6")
    release()

    lose("6", start=written)

    assert not switch.is_engaged()
    assert Event.objects.filter(type="risk_limit.breached").count() == 1


FRIDAY, SATURDAY, MONDAY_BEFORE, MONDAY, TUESDAY = (
    datetime(2026, 11, 20, 18, tzinfo=UTC),
    datetime(2026, 11, 21, 12, tzinfo=UTC),
    datetime(2026, 11, 23, 14, tzinfo=UTC),
    datetime(2026, 11, 23, 15, tzinfo=UTC),
    datetime(2026, 11, 24, 15, tzinfo=UTC),
)


def at_market_time(moment: datetime) -> None:
    make_agent(market_time=moment, market_time_read_at=ago(seconds=0))


def test_a_weekend_and_the_session_after_it_are_one_day_in_which_a_release_holds() -> None:
    """Coins trade while the account's start of day stays Friday's close."""
    make_limits()
    at_market_time(SATURDAY)
    lose("6", start="94000")
    assert KillSwitch.objects.get().figures["session"] == "2026-11-23"
    release()

    for moment in (SATURDAY, MONDAY_BEFORE, MONDAY):
        at_market_time(moment)
        lose("7.2", start="94000")
        assert not switch.is_engaged()
    lose("7.25", start="94000")

    assert switch.is_engaged()


@pytest.mark.parametrize(
    ("first", "then", "start", "engaged"),
    [
        (FRIDAY, SATURDAY, "100000", False),  # the broker has not told the new start yet
        (FRIDAY, SATURDAY, "94000", True),  # it has: a loss of 6 % since Friday's close is another
        (FRIDAY, MONDAY, "100000", True),  # a session has opened since: the same figure by chance
        (MONDAY, TUESDAY, "100000", True),
        (MONDAY, MONDAY, "100000", False),
    ],
)
def test_a_new_day_engages_anew(first: datetime, then: datetime, start: str, engaged: bool) -> None:
    make_limits()
    at_market_time(first)
    lose("6")
    release()
    at_market_time(then)

    lose("6", start=start)

    assert switch.is_engaged() is engaged
    assert Event.objects.filter(type="risk_limit.breached").count() == 1 + engaged


def test_a_calendar_that_fails_does_not_keep_the_limit_from_being_watched(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fails(_: datetime) -> None:
        raise MemoryError

    monkeypatch.setattr(daily_loss, "trading_day", fails)
    make_limits()
    at_market_time(MONDAY)

    lose("6")

    assert switch.is_engaged()


def test_figures_that_cannot_be_read_answer_nothing() -> None:
    make_limits()
    lose("6")
    release()
    KillSwitch.objects.update(figures={"session_start_equity": "much", "daily_loss_percent": "NaN"})

    lose("6")

    assert switch.is_engaged()


def test_errors_count_though_the_clock_was_set_back_after_the_release() -> None:
    """The release lies two hours ahead: all that is new lies before it."""
    set_runtime_setting(name="critical_errors", value="2", actor="test")
    for _ in range(2):
        make_event(aggregate_type="saga", type="saga.fail")
    watchdog.patrol()
    release()
    KillSwitch.objects.update(released_at=ago(hours=-2))
    Event.objects.filter(type="kill_switch.released").update(occurred_at=ago(hours=-2))
    watchdog.patrol()
    assert not switch.is_engaged()

    for _ in range(2):
        make_event(aggregate_type="saga", type="saga.fail")
    watchdog.patrol()

    assert engagement() == ("critical_errors", "watchdog")


def test_an_order_submitted_in_the_future_is_counted_as_lost() -> None:
    make_order(status="unknown", submitted_at=ago(hours=-2))

    watchdog.patrol()

    assert Event.objects.filter(type="critical_error.outcome_unknown").count() == 1


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


def test_the_loss_limit_is_watched_while_no_cycle_runs(account: Outside) -> None:
    """No schedule, no worker, no queue is there: the sweeper's own look finds the loss at the broker."""
    make_limits(max_daily_loss_percent=Decimal("0.001"))
    told_by_broker = account.venue.get("/v2/account")
    while Decimal(told_by_broker["equity"]) >= Decimal(told_by_broker["last_equity"]) * Decimal("0.999"):
        account.hold(COIN, "0.5")  # fees are lost, whatever the price does
        account.sell_everything()
        told_by_broker = account.venue.get("/v2/account")
    assert engagement() is None
    seconds = [1000.0]
    watched = Lookout(clock=lambda: seconds[0], start=lambda look: look())
    watched.look()

    seconds[0] += 120
    watched.look()

    assert engagement() == ("daily_loss_limit", "watchdog")


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


@pytest.mark.parametrize(("minutes", "count"), [(2, 0), (4, 1), (-2, 1), (-120, 1), (None, 0)])
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

    now = [0.0]
    guard = Guardian(clock=lambda: now[0])
    guard.look()
    now[0] += 60
    guard.look()

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
