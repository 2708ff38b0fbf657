"""Every published type is written by the service it speaks of; its schema is asserted behind every test."""

from datetime import timedelta
from decimal import Decimal

from django.utils import timezone

from connectors.errors import UnavailableError
from evaluation.domain.recalibration import Method
from evaluation.domain.trust_fit import TrustFit
from evaluation.services.trust import publish_fit
from risk.domain.trust import Knot, Scope
from risk.services.holders import Session
from tests.factories import make_agent, make_equity, make_limits, make_user
from tests.trading.outside import COIN, OTHER_STOCK, STOCK, WHOLE_STOCK, Outside
from tests.trading.scenes import advanced_to_its_end, change, passed, wish
from trading.analysis import safe_mode
from trading.analysis.decision_outcomes import created_event
from trading.core import cycle_log
from trading.cycle import cycles, pausing
from trading.domain.events.public_events import CATALOG, public_type
from trading.execution import approvals, compensation, decision_execution
from trading.execution.portfolio import sync_portfolio
from trading.guards import pause, symbol_locks
from trading.market import clock_watch
from trading.models import Approval, Cycle, EquitySnapshot, Event, Saga
from trading.performance.comparison import compare_books
from trading.safety import kill_switch, senders
from trading.work import conditions


def started() -> Cycle:
    return cycles.start_cycle(trigger="test", symbols=[STOCK])


def ways_of_a_cycle() -> None:
    cycles.fail_cycle(started(), reason="broken")
    cycle = started()
    cycle_log.record_model_switch(
        cycle.pk, strategy="S", from_model="a", to_model="b", cause="timeout", detail="slow", batches=3
    )
    cycles.abort_cycle(cycle, reason="deadline")
    cycle = started()
    pausing.pause_cycle(cycle.pk, error=UnavailableError("alpaca", "account", "down"))
    change(cycle, lease_until=timezone.now() - timedelta(seconds=1))
    pausing.resume_cycle(cycle.pk)
    cycle.refresh_from_db()
    cycles.complete_cycle(cycle)


def ways_of_an_approval() -> None:
    make_agent(mode="semi_auto")
    user = make_user()
    for symbol in (STOCK, OTHER_STOCK, WHOLE_STOCK):
        decision = wish(symbol)
        created_event(decision).save()
        Event.objects.filter(aggregate_id=str(decision.pk)).exclude(type="decision.created").delete()
        decision_execution.execute_decision(decision.pk)
    granted, rejected, late = Approval.objects.order_by("requested_at")
    approvals.answer(granted, granted=True, user=user)
    approvals.answer(rejected, granted=False, user=user, reason="no")
    change(late, expires_at=timezone.now())
    approvals.expire(late)
    make_agent(mode="autonomous")
    cycles.complete_cycle(Cycle.objects.open().get())


def ways_of_a_limit(account: Outside) -> None:
    account.hold(COIN, "0.01")
    sync_portfolio(None)
    make_limits(max_positions=1)
    decision_execution.execute_decision(wish(STOCK).pk)


def ways_of_an_order(account: Outside) -> None:
    saga = Saga.objects.get(decision__approval__isnull=False)
    advanced_to_its_end(saga.pk)
    account.sell_everything()
    sync_portfolio(None)
    account.venue.fault(kind="reject_order", times=1)
    advanced_to_its_end(passed(OTHER_STOCK).pk)
    held_back = passed(COIN)
    kill_switch.engage(actor="ann", reason="drill")
    advanced_to_its_end(held_back.pk)
    kill_switch.release(actor="ann", reason="drill over")
    for answered in (False, False, False, True):
        safe_mode.after_analysis(held_back.cycle_id, answered=answered)
    compensation.give_up(passed(WHOLE_STOCK), RuntimeError("cannot be undone"))
    kill_switch.release(actor="ann", reason="looked at it")


def ways_of_a_clock() -> None:
    for seconds in (0, 60):
        clock_watch.note_market_clock(timezone.now() - timedelta(seconds=seconds), may_jump=True)


def ways_of_a_sender() -> None:
    senders.note_shut_out(Session(7, "orchestrator worker 7", timezone.now(), None), ["x-entry-0"])


def ways_of_the_books() -> None:
    sync_portfolio(None)
    for _ in range(2):  # told when it is met again
        last = EquitySnapshot.objects.newest()
        assert last is not None
        make_equity(equity=last.equity + 5, cash=last.cash + 5)
        compare_books()


def ways_of_the_system() -> None:
    facts: dict[str, dict[str, str | float]] = {
        "sync": {"seconds": 190.0},
        "locks": {"lock": "book", "seconds": 7.5},
        "disk": {"free_megabytes": 812},
    }
    for condition in conditions.ALL:
        conditions.begin(condition, reason="it began", **facts.get(condition.name, {}))
        conditions.end(condition, reason="it is over")


def ways_of_a_guard() -> None:
    pause.pause_entries(actor="ada", reason="earnings")
    pause.resume_entries(actor="ada")
    symbol_locks.lock_symbol(symbol=STOCK, actor="ada", reason="earnings")
    symbol_locks.unlock_symbol(symbol=STOCK, actor="ada")


def ways_of_trust() -> None:
    fit = TrustFit(
        (Knot(Decimal("0.9"), Decimal("0.6"), Decimal("0.55"), Decimal(90)),), Method.PLATT, 500, 90.0, 60
    )
    even = Decimal("0.5"), Decimal("0.6")
    until = timezone.now() + timedelta(days=42)
    publish_fit(
        fit, scope=Scope("m"), break_even=even, valid_until=until, label_spec="excess-5s-v1", author="ada"
    )


def test_every_type_of_the_catalog_is_written_by_its_service(account: Outside) -> None:
    ways_of_the_books()
    ways_of_a_cycle()
    ways_of_an_approval()
    ways_of_an_order(account)
    ways_of_a_limit(account)
    ways_of_a_clock()
    ways_of_a_sender()
    ways_of_the_system()
    ways_of_a_guard()
    ways_of_trust()

    rows = Event.objects.filter(public_sequence__isnull=False)
    produced = {public_type(row.type, row.payload) for row in rows}

    assert set(CATALOG) - produced == set()
