"""The switch is final: when engage returns, nothing it had not let out reaches the broker."""

import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager
from decimal import Decimal

import pytest
from django.db import connection, transaction

from connectors.alpaca import mapping
from connectors.base import BrokerOrder
from connectors.wire import Fields
from risk.errors import SwitchStateError
from risk.models import KillSwitch
from risk.services import holders, locks, switch
from tests.factories import make_agent, make_engagement, make_order
from tests.risk.threads import THREAD_SECONDS, at_once, beside, held_beside
from tests.trading.outside import COIN, ORDERS, OTHER_STOCK, STOCK, Outside
from tests.trading.scenes import ago, events_of, open_cycle, order_of, passed
from tests.waiting import wait_until
from trading.execution import sagas
from trading.models import AgentStatus, Event, Order, SwitchFollowUp
from trading.orders.submission import submit_order
from trading.safety import senders
from trading.safety.kill_switch import engage, release
from trading.work.guardian import Guardian


def switch_events() -> list[str]:
    rows = Event.objects.filter(aggregate_type="kill_switch").order_by("sequence")
    return [row.type for row in rows]


def test_engage_commits_flag_state_and_event(account: Outside) -> None:
    report = engage(actor="ada", reason="odd fills", figures={"errors": "5"}, trigger="critical_errors")

    assert switch.is_engaged()
    assert not report.already_engaged
    assert (report.engagement.engaged_by, report.engagement.trigger) == ("ada", "critical_errors")
    assert report.engagement.figures == {"errors": "5"}
    assert AgentStatus.objects.get().trading_state == "halted"
    assert switch_events() == ["kill_switch.engaged"]
    assert report.problems == []


@pytest.mark.parametrize(("actor", "reason"), [("", "why"), ("ada", " ")])
def test_engaging_needs_its_author_and_a_reason(account: Outside, actor: str, reason: str) -> None:
    with pytest.raises(ValueError, match="author and a reason"):
        engage(actor=actor, reason=reason)

    assert not switch.is_engaged()


def test_engage_cancels_open_entries_and_leaves_exits(account: Outside) -> None:
    account.hold(STOCK, "5")
    account.fill_never()
    open_cycle()
    entry, leaving = passed(OTHER_STOCK), passed(STOCK, "sell")
    for saga in (entry, leaving):
        sagas.advance_saga(saga.pk)
    stranger = account.place(COIN, "0.1", client_order_id="a-stranger")

    report = engage(actor="ada", reason="odd fills")

    entry_id, exit_id = order_of(entry).client_order_id, order_of(leaving).client_order_id
    assert sorted(report.cancel_requested) == sorted([entry_id, "a-stranger"])
    assert account.order(entry_id)["status"] == account.order("a-stranger")["status"] == "canceled"
    assert account.is_open(exit_id)
    assert stranger


def test_engaging_again_repeats_the_cancels(account: Outside) -> None:
    first = engage(actor="ada", reason="odd fills")
    account.fill_never()
    account.place(STOCK, "1", client_order_id="late")

    second = engage(actor="bob", reason="again")

    assert second.already_engaged
    assert second.engagement == first.engagement
    assert second.cancel_requested == ["late"]
    assert KillSwitch.objects.count() == 1
    assert switch_events() == ["kill_switch.engaged"]


def test_cancel_that_comes_late_is_no_problem(account: Outside) -> None:
    account.fill_never()
    account.place(STOCK, "1")
    account.venue.fault(kind="error", status=422, route="DELETE /v2/orders/*")

    report = engage(actor="ada", reason="odd fills")

    assert (report.cancel_requested, report.problems) == ([], [])


def test_cancel_that_fails_is_a_problem_by_name(account: Outside) -> None:
    account.fill_never()
    account.place(STOCK, "1", client_order_id="resting")
    account.venue.fault(kind="error", status=500, route="DELETE /v2/orders/*")

    report = engage(actor="ada", reason="odd fills")

    assert len(report.problems) == 1
    assert f"{STOCK} resting" in report.problems[0]


def test_broker_that_is_down_does_not_stop_the_switch(account: Outside) -> None:
    account.venue.fault(kind="error", route="GET /v2/orders")

    report = engage(actor="ada", reason="odd fills")

    assert switch.is_engaged()
    assert "open orders could not be read" in report.problems[0]


@pytest.mark.django_db
def test_no_broker_at_all_does_not_stop_the_switch() -> None:
    make_agent()

    report = engage(actor="ada", reason="odd fills")

    assert switch.is_engaged()
    assert "does not run" in report.problems[0]


def test_release_lets_trading_go_on_and_says_who(account: Outside) -> None:
    engage(actor="ada", reason="odd fills")

    engagement = release(actor="bob", reason="cause found")

    assert (engagement.released_by, engagement.release_reason) == ("bob", "cause found")
    assert AgentStatus.objects.get().trading_state == "active"
    assert switch_events() == ["kill_switch.engaged", "kill_switch.released"]
    assert submit_order(make_order(symbol=STOCK).pk).acknowledged_at is not None


def test_release_of_a_released_switch_changes_nothing(account: Outside) -> None:
    make_agent(trading_state="reducing")

    with pytest.raises(SwitchStateError, match="not engaged"):
        release(actor="bob", reason="cause found")

    assert AgentStatus.objects.get().trading_state == "reducing"
    assert switch_events() == []


def test_switch_released_in_the_moment_between_is_engaged_anew(
    account: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    engage(actor="ada", reason="odd fills")
    really = switch.current_engagement

    def released_meanwhile() -> KillSwitch | None:
        monkeypatch.setattr(switch, "current_engagement", really)
        switch.clear_flag(actor="bob", reason="cause found")
        return really()

    monkeypatch.setattr(switch, "current_engagement", released_meanwhile)

    report = engage(actor="carol", reason="not found")

    assert not report.already_engaged
    assert (switch.is_engaged(), report.engagement.engaged_by) == (True, "carol")


def test_engage_waits_for_a_request_under_way(threaded_account: Outside) -> None:
    account = threaded_account
    account.venue.fault(kind="latency", seconds=0.6, route=ORDERS)
    order = make_order(symbol=STOCK)

    with beside(lambda: submit_order(order.pk)) as submitting:
        wait_until(account.posts, what="the request is under way")
        engage(actor="ada", reason="odd fills")
        arrived = account.posts(order.client_order_id)
        assert arrived[0]["status"] == 200

    sent: Future[Order] = submitting
    assert sent.result().acknowledged_at is not None
    assert account.order(order.client_order_id)["status"] in ("canceled", "filled")


def test_no_request_arrives_after_engage_has_returned(threaded_account: Outside) -> None:
    account = threaded_account
    account.venue.fault(kind="latency", seconds=0.02, route=ORDERS)
    orders = [make_order(symbol=STOCK, quantity=Decimal("0.1")) for _ in range(48)]
    under_way = threading.Event()
    seen_at_return: list[int] = []

    def submitter(number: int) -> None:
        for order in orders[number * 6 : number * 6 + 6]:
            submit_order(order.pk)
            under_way.set()

    def engager(_: int) -> None:
        assert under_way.wait(THREAD_SECONDS)
        engage(actor="ada", reason="odd fills")
        seen_at_return.append(len(account.posts()))

    at_once(9, lambda number: engager(number) if number == 8 else submitter(number))

    assert len(account.posts()) == seen_at_return[0]
    held_back = [order for order in orders if Order.objects.get(pk=order.pk).status == "canceled"]
    assert held_back
    assert len(held_back) + seen_at_return[0] >= len(orders)
    stopped = [order for order in held_back if "order.accept" not in events_of(order)]
    assert all(not account.posts(order.client_order_id) for order in stopped)


@contextmanager
def _sending(order: Order) -> Iterator[None]:
    with locks.attempt_alone(order.pk), locks.switch_shared():
        yield


def stopped_sender(order: Order) -> AbstractContextManager[object]:
    """A sender that has claimed the order and says nothing any more, as a process that was stopped."""
    return held_beside(lambda: _sending(order))


@contextmanager
def _status_row() -> Iterator[None]:
    with transaction.atomic():
        AgentStatus.objects.select_for_update().get(pk=1)
        yield


def held_status_row() -> AbstractContextManager[object]:
    """A transaction that holds the agent's row and is never ended, as of a process that was stopped."""
    return held_beside(_status_row)


@pytest.fixture
def little_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for senders for a moment only."""
    monkeypatch.setattr(senders, "PATIENCE_SECONDS", 0.5)


@pytest.mark.usefixtures("little_patience")
def test_sender_that_does_not_end_is_shut_out_and_said(threaded_account: Outside) -> None:
    order = make_order(symbol=STOCK, status="submitting", lease_until=ago(seconds=-30))
    with stopped_sender(order):
        report = engage(actor="ada", reason="odd fills")

        order.refresh_from_db()
        assert holders.holders() == {}
        assert order.lease_until is None  # whoever comes next need not wait for it

    assert ["was shut out" in problem for problem in report.problems] == [True]
    fenced = Event.objects.get(type="kill_switch.sender_fenced")
    assert fenced.payload["client_order_id"] == order.client_order_id
    assert SwitchFollowUp.objects.get().senders_ended_at is not None


@pytest.mark.usefixtures("little_patience")
def test_cancels_and_sales_wait_for_no_sender(
    threaded_account: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = threaded_account
    account.hold(STOCK, "2")
    account.fill_never(times=1)
    account.place(OTHER_STOCK, "1", client_order_id="resting-long")
    waited: list[tuple[str, int]] = []
    really = senders.await_senders

    def note_what_was_done(*, until: float) -> senders.SendersReport:
        sold = [post for post in account.posts() if "-flatten-" in post["client_order_id"]]
        waited.append((account.order("resting-long")["status"], len(sold)))
        return really(until=until)

    monkeypatch.setattr(senders, "await_senders", note_what_was_done)

    with stopped_sender(make_order(symbol=STOCK)):
        report = engage(actor="ada", reason="odd fills", flatten=True)

    assert waited == [("canceled", 1)]
    assert report.flattening is not None
    assert report.flattening.ordered == [STOCK]


def test_flag_waits_for_no_row_and_the_status_follows(threaded_account: Outside) -> None:
    with held_status_row():
        report = engage(actor="ada", reason="odd fills")
        assert switch.is_engaged()
        assert any("the status" in problem for problem in report.problems)
        assert switch_events() == []

    Guardian().look()

    assert AgentStatus.objects.get().trading_state == "halted"
    assert switch_events() == ["kill_switch.engaged"]


def test_release_waits_for_no_row_and_the_status_follows(threaded_account: Outside) -> None:
    engage(actor="ada", reason="odd fills")
    with held_status_row():
        release(actor="bob", reason="cause found")
        assert not switch.is_engaged()

    Guardian().look()

    assert AgentStatus.objects.get().trading_state == "active"
    assert switch_events() == ["kill_switch.engaged", "kill_switch.released"]


def test_engagement_and_release_that_nobody_has_said_are_said_in_order(account: Outside) -> None:
    make_engagement(engaged_by="ada")
    switch.clear_flag(actor="bob", reason="found")
    make_engagement(engaged_by="carol")

    Guardian().look()
    Guardian().look()

    assert switch_events() == ["kill_switch.engaged", "kill_switch.released", "kill_switch.engaged"]
    assert AgentStatus.objects.get().trading_state == "halted"


def test_connection_that_had_died_does_not_stop_the_switch(threaded_account: Outside) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        [pid] = cursor.fetchone()

    def end_it() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])

    with beside(end_it):
        pass

    report = engage(actor="ada", reason="odd fills")

    assert (switch.is_engaged(), report.already_engaged, report.problems) == (True, False, [])


def test_engaging_within_a_transaction_is_refused(threaded_account: Outside) -> None:
    with pytest.raises(RuntimeError, match="durable"), transaction.atomic():
        engage(actor="ada", reason="odd fills")

    assert not switch.is_engaged()


def test_order_that_cannot_be_read_is_cancelled_by_its_id_and_takes_no_other_with_it(
    account: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    account.fill_never()
    odd = account.place(STOCK, "1", client_order_id="odd")
    account.place(OTHER_STOCK, "1", client_order_id="even")
    really = mapping.order_from_fields

    def unreadable(fields: Fields, listed: Mapping[str, str]) -> BrokerOrder:
        if fields.get("client_order_id") == "odd":
            raise fields.malformed("filled_qty")
        return really(fields, listed)

    monkeypatch.setattr(mapping, "order_from_fields", unreadable)

    report = engage(actor="ada", reason="odd fills")

    assert sorted(report.cancel_requested) == sorted(["even", f"{STOCK} {odd}"])
    monkeypatch.undo()
    assert account.order("odd")["status"] == account.order("even")["status"] == "canceled"
