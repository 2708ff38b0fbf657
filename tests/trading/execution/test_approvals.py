"""Approvals: answered once, at the price of the click, by the gate of the click, or expired by time."""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection

from risk.models import RiskCheck, RiskReservation
from tests.factories import make_agent, make_approval, make_engagement, make_order, make_user
from tests.risk.threads import at_once, beside
from tests.trading.outside import COIN, OTHER_STOCK, STOCK, Outside
from tests.trading.scenes import ago, change, events_of, open_cycle, price_of, wish
from trading.core import transitions
from trading.core.modes import set_mode
from trading.core.settings import set_runtime_setting
from trading.core.work import Work, WorkKind
from trading.domain.runtime_settings import WORDS
from trading.domain.statuses import DecisionStatus
from trading.execution import approvals, decision_execution, sagas
from trading.execution.approval_requests import REJECTION_HOLDS
from trading.execution.approvals import AnswerOutcome
from trading.execution.portfolio import sync_portfolio
from trading.market.market_time import market_now
from trading.models import AIDecision, Approval, Cycle, Event, MarketSnapshot, Order, Saga
from trading.queries.timeline import timeline_of
from trading.work.sweeping import end_overdue, find_work


@pytest.fixture
def ada(db: None) -> User:
    return make_user("ada")


def asked(symbol: str = STOCK, **overrides: object) -> Approval:
    """Return the open request of a decision that saw a price a little below the venue's."""
    decision = wish(symbol, status="awaiting_approval", **overrides)
    seen = price_of(symbol) * Decimal("0.99")
    MarketSnapshot.objects.filter(symbol=symbol).update(price=seen, quoted_at=ago(days=3000))
    change(decision, price=seen)
    return make_approval(decision=decision)


def stored(symbol: str = STOCK, **overrides: object) -> AIDecision:
    """Return a decision that manual mode stored for review."""
    return wish(symbol, status="stored", reason="mode_manual", settled_at=ago(seconds=5), **overrides)


def unchanged(approval: Approval) -> bool:
    row = Approval.objects.select_related("decision").get(pk=approval.pk)
    return (row.status, row.decision.status, row.answered_by) == ("requested", "awaiting_approval", None)


def test_granted_decision_is_judged_at_the_price_of_the_click(account: Outside, ada: User) -> None:
    approval = asked()

    said = approvals.answer(approval, granted=True, user=ada)

    assert (said.outcome, said.counted) == (AnswerOutcome.ORDERED, True)
    assert said.price_now == price_of(STOCK)
    assert said.price_then == approval.decision.price
    order = Order.objects.get()
    assert order.reference_price == price_of(STOCK)
    assert said.check == RiskCheck.objects.get()
    assert said.saga_id == Saga.objects.get().pk
    row = Approval.objects.get()
    assert (row.status, row.answered_by) == ("granted", ada)
    assert events_of(order.decision or order) == ["decision.approve", "decision.claim", "decision.pass"]
    assert account.posts() == []  # posting is the saga's, not the click's


def test_what_the_decision_saw_is_kept_when_its_price_is_renewed(account: Outside, ada: User) -> None:
    approval = asked()
    before = MarketSnapshot.objects.get()

    approvals.answer(approval, granted=True, user=ada)

    after = MarketSnapshot.objects.get()
    kept = Event.objects.get(type="market_snapshot.repriced")
    assert (after.pk, after.price) == (before.pk, price_of(STOCK))
    assert after.quoted_at > before.quoted_at
    assert Decimal(kept.payload["from"]) == before.price
    assert (kept.payload["source"], kept.payload["quoted_at"]) == (
        before.source,
        before.quoted_at.isoformat(),
    )


def test_price_that_is_newer_already_is_kept(account: Outside, ada: User) -> None:
    approval = make_approval(decision=wish(status="awaiting_approval"))
    MarketSnapshot.objects.update(quoted_at=ago(seconds=-5), price=Decimal(77))

    said = approvals.answer(approval, granted=True, user=ada)

    assert said.counted
    assert MarketSnapshot.objects.get().price == 77
    assert not Event.objects.filter(type="market_snapshot.repriced").exists()


def test_cycle_that_never_saw_the_symbol_gets_its_snapshot(account: Outside, ada: User) -> None:
    approval = asked(COIN)
    MarketSnapshot.objects.all().delete()

    assert approvals.answer(approval, granted=True, user=ada).outcome == AnswerOutcome.ORDERED

    snapshot = MarketSnapshot.objects.get()
    assert (snapshot.cycle_id, snapshot.symbol) == (approval.cycle_id, COIN)


def test_order_of_a_granted_decision_is_posted_once_by_its_saga(account: Outside, ada: User) -> None:
    said = approvals.answer(asked(), granted=True, user=ada)
    assert said.saga_id is not None

    assert decision_execution.execute_decision(said.decision.pk) == said.saga_id
    sagas.advance_saga(said.saga_id)
    sagas.advance_saga(said.saga_id)

    assert len(account.posts()) == 1


def test_without_a_price_nothing_changes(account: Outside, ada: User) -> None:
    """docs/lessons.md#lesson-18, #lesson-29: no price, no order; the request stays open for a better moment."""
    approval = asked()
    account.venue.fault(kind="missing_symbol", symbols=[STOCK])

    said = approvals.answer(approval, granted=True, user=ada)

    assert (said.outcome, said.counted) == (AnswerOutcome.NO_PRICE, False)
    assert said.detail
    assert unchanged(approval)
    assert not Order.objects.exists()


def test_gate_denies_what_was_approved_too_late_for_it(account: Outside, ada: User) -> None:
    approval = asked()
    make_engagement()

    said = approvals.answer(approval, granted=True, user=ada)

    assert (said.outcome, said.saga_id) == (AnswerOutcome.DENIED, None)
    assert said.check is not None
    assert said.check.reason == "kill_switch"
    assert AIDecision.objects.get().status == "denied"
    assert (Order.objects.count(), RiskReservation.objects.count()) == (0, 0)


def test_rejected_decision_keeps_the_persons_reason(ada: User) -> None:
    approval = make_approval()

    said = approvals.answer(approval, granted=False, user=ada, reason="earnings tonight")

    decision = AIDecision.objects.get()
    assert said.outcome == AnswerOutcome.REJECTED
    assert (decision.status, decision.reason) == ("rejected", "approval_rejected")
    assert decision.reason_detail == "earnings tonight"
    assert decision.settled_at is not None


@pytest.mark.parametrize("reason", ["", "  "])
def test_rejection_without_a_reason_is_refused(reason: str, ada: User) -> None:
    approval = make_approval()

    with pytest.raises(ValueError, match="expected why"):
        approvals.answer(approval, granted=False, user=ada, reason=reason)

    assert unchanged(approval)


@pytest.mark.parametrize("granted", [True, False])
def test_answer_after_its_time_does_not_count(granted: bool, ada: User) -> None:
    """docs/lessons.md#lesson-31: approvals expire."""
    approval = make_approval(expires_at=ago(seconds=1))

    said = approvals.answer(approval, granted=granted, user=ada, reason="late")

    assert said.outcome == AnswerOutcome.EXPIRED
    assert "it expired at" in said.detail
    assert unchanged(approval)


def test_expired_approval_settles_its_decision(ada: User) -> None:
    """docs/lessons.md#lesson-31."""
    approval = make_approval(expires_at=ago(seconds=1))

    assert approvals.expire(approval)
    assert not approvals.expire(approval)

    decision = AIDecision.objects.get()
    assert (decision.status, decision.reason) == ("expired", "approval_expired")
    assert Approval.objects.get().status == "expired"
    assert not approvals.answer(approval, granted=True, user=ada).counted


def test_approval_does_not_expire_before_its_time(ada: User) -> None:
    assert not approvals.expire(make_approval())


def test_expiry_is_the_runtime_setting(account: Outside) -> None:
    make_agent(mode="semi_auto")
    set_runtime_setting(name="approval_expiry", value="45", actor="test")

    decision_execution.execute_decision(wish().pk)

    approval = Approval.objects.get()
    assert (approval.expires_at - approval.requested_at).total_seconds() == pytest.approx(45, abs=1)


@pytest.mark.parametrize("seconds", [301, 86_400, -5, -7_200])
def test_answer_that_was_not_carried_out_in_time_is_void(account: Outside, ada: User, seconds: int) -> None:
    """docs/lessons.md#lesson-31: a person approves for the moment. An answer of the future: a clock was set."""
    decision = wish(approved=True)
    Approval.objects.update(answered_at=ago(seconds=seconds))

    assert Work(WorkKind.EXECUTE, decision.pk) in find_work()
    assert decision_execution.execute_decision(decision.pk) is None

    decision.refresh_from_db()
    assert (decision.status, decision.reason) == ("expired", "approval_expired")
    assert "not carried out within 300 s" in decision.reason_detail
    assert decision.settled_at is not None
    assert Work(WorkKind.EXECUTE, decision.pk) not in find_work()
    assert (Order.objects.count(), RiskCheck.objects.count(), account.posts()) == (0, 0, [])
    stages = timeline_of(decision.pk) or ()
    assert (stages[1].stage, stages[1].status) == ("risk_gate", "skipped")
    assert stages[1].details["reason"] == "approval_expired"


def test_answer_is_good_for_as_long_as_the_operator_says(account: Outside, ada: User) -> None:
    decision = wish(approved=True)
    Approval.objects.update(answered_at=ago(seconds=301))
    set_runtime_setting(name="approval_valid", value="900", actor="test")

    assert decision_execution.execute_decision(decision.pk) is not None


def test_approved_decision_without_an_answer_on_record_is_void(account: Outside) -> None:
    """docs/lessons.md#lesson-29: nobody knows how old the word is."""
    decision = wish(approved=True)
    Approval.objects.all().delete()

    assert decision_execution.execute_decision(decision.pk) is None

    decision.refresh_from_db()
    assert (decision.status, decision.reason) == ("expired", "approval_expired")


def test_answer_that_waits_too_long_for_the_book_is_void(threaded_account: Outside) -> None:
    decision = wish(approved=True)

    def wait_at_the_gate(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        if "pg_advisory_xact_lock" in sql:
            with beside(lambda: Approval.objects.update(answered_at=ago(seconds=301))):
                pass
        return execute(sql, *rest)

    with connection.execute_wrapper(wait_at_the_gate):
        assert decision_execution.execute_decision(decision.pk) is None

    decision.refresh_from_db()
    assert (decision.status, decision.reason) == ("expired", "approval_expired")
    assert not Order.objects.exists()


def test_decision_on_what_waits_already_does_not_ask_again(account: Outside) -> None:
    """Each cycle wants the same again: the queue shows it once, and what it sees is renewed at the answer."""
    make_agent(mode="semi_auto")
    first = wish()
    decision_execution.execute_decision(first.pk)
    change(first.cycle, status="completed", ended_at=ago(seconds=1))

    second = wish(cycle=open_cycle(), strategy=first.strategy)
    decision_execution.execute_decision(second.pk)

    second.refresh_from_db()
    assert (second.status, second.reason) == ("stored", "approval_waits")
    assert "waits for an answer until" in second.reason_detail
    assert Approval.objects.get().decision == first


def test_a_sale_that_a_person_approved_is_ordered_as_an_exit(account: Outside, ada: User) -> None:
    account.hold(STOCK, 3)
    open_cycle()
    make_agent(mode="semi_auto")
    decision = wish(action="sell")
    assert decision_execution.execute_decision(decision.pk) is None

    said = approvals.answer(Approval.objects.get(decision=decision), granted=True, user=ada)

    assert said.outcome == AnswerOutcome.ORDERED
    assert Order.objects.get().purpose == "exit"


def test_second_answer_is_told_who_was_first(account: Outside, ada: User) -> None:
    approval = asked()
    approvals.answer(approval, granted=True, user=ada)

    said = approvals.answer(approval, granted=False, user=make_user("bob"), reason="no")

    assert said.outcome == AnswerOutcome.ANSWERED_BEFORE
    assert said.detail.startswith("ada granted it at ")
    assert Approval.objects.get().answered_by == ada


def test_several_are_answered_with_one_request_for_their_prices(account: Outside, ada: User) -> None:
    open_requests = [asked(), asked(OTHER_STOCK)]

    said = approvals.answer_all(open_requests, granted=True, user=ada)

    assert [report.outcome for report in said] == [AnswerOutcome.ORDERED, AnswerOutcome.ORDERED]
    assert [report.decision.symbol for report in said] == [STOCK, OTHER_STOCK]
    asked_for = [r["query"].get("symbols") for r in account.requests() if "snapshots" in r["path"]]
    assert asked_for[-1] == f"{STOCK},{OTHER_STOCK}"


def test_stored_decision_is_sent_through_the_gate_once(account: Outside, ada: User) -> None:
    make_agent(mode="manual")
    decision = stored(confidence=Decimal("0.1"))

    said = approvals.send_to_execution(decision, user=ada, reason="looks right")
    again = approvals.send_to_execution(decision, user=make_user("bob"))

    assert said.outcome == AnswerOutcome.ORDERED
    assert again.outcome == AnswerOutcome.ANSWERED_BEFORE
    assert again.detail.startswith("ada sent it at ")
    decision.refresh_from_db()
    assert (decision.status, decision.reason, decision.settled_at) == ("executing", "", None)
    row = Approval.objects.get()
    assert (row.status, row.answered_by, row.reason) == ("granted", ada, "looks right")
    assert Order.objects.count() == 1


def test_stored_exit_sells_what_is_held(account: Outside, ada: User) -> None:
    account.hold(STOCK, 3)
    open_cycle()
    make_agent(mode="manual")

    said = approvals.send_to_execution(stored(action="sell"), user=ada)

    assert said.outcome == AnswerOutcome.ORDERED
    assert (Order.objects.get().purpose, Order.objects.get().quantity) == ("exit", 3)


def test_stored_decision_that_does_not_fit_is_denied(account: Outside, ada: User) -> None:
    said = approvals.send_to_execution(stored(action="sell"), user=ada)

    assert said.outcome == AnswerOutcome.DENIED
    assert said.check is not None
    assert said.check.reason == "no_position"


def test_stored_decision_without_a_price_stays_stored(ada: User) -> None:
    """There is no venue in this test: nobody can be asked."""
    decision = make_approval().decision
    Approval.objects.all().delete()
    change(decision, status="stored", reason="mode_manual")

    said = approvals.send_to_execution(decision, user=ada)

    assert said.outcome == AnswerOutcome.NO_PRICE
    assert "does not run" in said.detail
    assert AIDecision.objects.get().status == "stored"


@pytest.mark.parametrize("status", [DecisionStatus.EXECUTED, DecisionStatus.PENDING, DecisionStatus.DENIED])
def test_only_stored_decisions_are_sent(status: DecisionStatus, ada: User) -> None:
    decision = make_approval().decision
    Approval.objects.all().delete()
    change(decision, status=status, reason="why")

    said = approvals.send_to_execution(decision, user=ada)

    assert said.outcome == AnswerOutcome.ANSWERED_BEFORE
    assert said.detail == f"it is {status}, not stored for review"
    assert not Approval.objects.exists()


def test_two_people_answer_once(threaded_account: Outside) -> None:
    people = [make_user() for _ in range(4)]
    approval = asked()

    said = at_once(
        4,
        lambda number: approvals.answer(approval, granted=number % 2 == 0, user=people[number], reason="me"),
    )

    assert [report.counted for report in said].count(True) == 1
    winner = next(n for n, report in enumerate(said) if report.counted)
    row = Approval.objects.get()
    assert row.answered_by == people[winner]
    assert row.status == ("granted" if winner % 2 == 0 else "rejected")
    losers = [report for report in said if not report.counted]
    assert all(people[winner].username in report.detail for report in losers)
    assert Order.objects.count() == (1 if winner % 2 == 0 else 0)


def test_two_people_send_once(threaded_account: Outside) -> None:
    people = [make_user() for _ in range(3)]
    decision = stored()

    said = at_once(3, lambda number: approvals.send_to_execution(decision, user=people[number]))

    assert [report.counted for report in said].count(True) == 1
    assert (Order.objects.count(), Approval.objects.count()) == (1, 1)


def next_cycle() -> None:
    make_agent(mode="semi_auto")
    Cycle.objects.open().update(status="completed", stage="ended", ended_at=ago(seconds=0))


def wanted_again(first: AIDecision, **overrides: object) -> AIDecision:
    """Return what came of the same wish in the next cycle, in semi_auto mode."""
    next_cycle()
    again = wish(first.symbol, strategy=first.strategy, **overrides)
    decision_execution.execute_decision(again.pk)
    return AIDecision.objects.get(pk=again.pk)


def test_rejected_question_is_not_asked_again(account: Outside, ada: User) -> None:
    approval = asked()
    approvals.answer(approval, granted=False, user=ada, reason="too risky, thin book")

    again = wanted_again(approval.decision)

    assert (again.status, again.reason) == ("stored", "rejected_earlier")
    assert again.reason_detail.startswith("ada rejected the same at ")
    assert Approval.objects.count() == 1


def test_rejected_question_is_asked_again_after_the_pause(account: Outside, ada: User) -> None:
    approval = asked()
    approvals.answer(approval, granted=False, user=ada, reason="not now")
    set_runtime_setting(name="rejection_holds", value="hour", actor="test")
    Approval.objects.update(answered_at=ago(seconds=3601))

    again = wanted_again(approval.decision)

    assert again.status == "awaiting_approval"


REJECTED_AT = "2020-10-15T19:30:00+00:00"  # a Thursday, half an hour before the close


@pytest.mark.parametrize(
    ("symbol", "now", "holds"),
    [
        (STOCK, "2020-10-15T19:59:00+00:00", True),
        (STOCK, "2020-10-15T20:30:00+00:00", False),  # after the close it is the next session's
        (STOCK, "2020-10-16T14:00:00+00:00", False),
        ("BTC/USD", "2020-10-15T20:30:00+00:00", True),  # a coin has no session
        ("BTC/USD", "2020-10-16T02:01:00+00:00", False),
    ],
)
def test_rejection_holds_for_the_rest_of_the_markets_session(
    symbol: str, now: str, holds: bool, account: Outside, ada: User
) -> None:
    """By market time, at whatever rate it runs: a replay's session may be over in minutes."""
    approval = asked(symbol)
    approvals.answer(approval, granted=False, user=ada, reason="not today")
    Approval.objects.update(answered_market_time=datetime.fromisoformat(REJECTED_AT))
    next_cycle()
    again = wish(symbol, strategy=approval.decision.strategy)
    make_agent(
        mode="semi_auto",
        market_time=datetime.fromisoformat(now),
        market_time_read_at=ago(seconds=0),
        market_rate=0,
    )

    decision_execution.execute_decision(again.pk)

    again.refresh_from_db()
    expected = ("stored", "rejected_earlier") if holds else ("awaiting_approval", "")
    assert (again.status, again.reason) == expected


def test_rejection_keeps_the_market_time_of_its_answer(account: Outside, ada: User) -> None:
    approval = asked()

    approvals.answer(approval, granted=False, user=ada, reason="not now")

    approval.refresh_from_db()
    assert approval.answered_market_time == market_now()


def test_question_that_nobody_answered_is_not_asked_again_at_once(account: Outside) -> None:
    approval = asked()
    change(approval, expires_at=ago(seconds=1))
    approvals.expire(approval)

    again = wanted_again(approval.decision)
    Approval.objects.update(answered_at=ago(seconds=3601))
    later = wanted_again(approval.decision)

    assert (again.status, again.reason) == ("stored", "unanswered_earlier")
    assert later.status == "awaiting_approval"


def test_rejection_holds_for_its_symbol_side_and_strategy_alone(account: Outside, ada: User) -> None:
    approvals.answer(asked(), granted=False, user=ada, reason="not this one")
    next_cycle()
    others = [wish(STOCK), wish(OTHER_STOCK)]  # each of a strategy of its own

    for other in others:
        decision_execution.execute_decision(other.pk)

    assert set(AIDecision.objects.filter(pk__in=[o.pk for o in others]).values_list("status", flat=True)) == {
        "awaiting_approval"
    }


@pytest.mark.parametrize("mode", ["autonomous", "manual"])
def test_open_request_is_withdrawn_when_the_mode_is_set(mode: str, account: Outside, ada: User) -> None:
    make_agent(mode="semi_auto")
    approval = asked()
    set_mode(mode=mode, actor="ada")

    said = approvals.answer(approval, granted=True, user=ada)

    assert said.outcome == AnswerOutcome.EXPIRED
    assert said.detail.startswith(f"withdrawn: the mode was set to {mode} at ")
    assert (said.decision.status, said.decision.reason) == ("expired", "approval_withdrawn")
    assert not Order.objects.exists()


def test_sweeper_withdraws_what_was_ordered_since_and_leaves_the_rest(account: Outside) -> None:
    approval, other = asked(), asked(OTHER_STOCK)
    make_order(symbol=STOCK, side="buy", status="accepted")

    end_overdue()

    row = Approval.objects.get(pk=approval.pk)
    assert row.status == "expired"
    assert row.reason.startswith(f"withdrawn: {STOCK}: ordered since (buy order of ")
    assert unchanged(other)


@pytest.mark.parametrize(
    ("action", "was", "now", "withdrawn"),
    [
        ("buy", "0", "3", True),
        ("buy", "3", "5E+1", True),
        ("buy", "3", "1", False),
        ("sell", "3", "0", True),
        ("sell", "3", "1", True),
        ("sell", "1", "3", False),
    ],
)
def test_open_request_is_withdrawn_when_the_position_moved_by_hand(
    action: str, was: str, now: str, withdrawn: bool, account: Outside, ada: User
) -> None:
    """Somebody bought or sold it at the broker: the question is not the one that was put."""
    approval = asked()
    AIDecision.objects.filter(pk=approval.decision_id).update(action=action)
    other = asked(OTHER_STOCK)
    transitions.append_event(
        aggregate_type="position",
        aggregate_id=STOCK,
        event_type="position.changed",
        payload={"symbol": STOCK, "from": was, "to": now},
        cycle_id=None,
    )

    end_overdue()

    row = Approval.objects.get(pk=approval.pk)
    assert (row.status == "expired") is withdrawn
    if withdrawn:
        assert row.reason.startswith(f"withdrawn: {STOCK}: the position went from {was} to ")
        said = approvals.answer(approval, granted=True, user=ada)
        assert said.outcome == AnswerOutcome.EXPIRED
        assert not Order.objects.exists()
    assert unchanged(other)


def test_position_that_appears_at_the_broker_withdraws_the_request(account: Outside, ada: User) -> None:
    sync_portfolio(None)
    approval = asked()
    by_hand = f"by-hand-{ago():%H%M%S%f}"
    account.place(STOCK, "2", client_order_id=by_hand)
    account.wait_filled(by_hand)

    sync_portfolio(None)
    said = approvals.answer(approval, granted=True, user=ada)

    assert said.outcome == AnswerOutcome.EXPIRED
    assert said.detail.startswith(f"withdrawn: {STOCK}: the position went from ")
    assert not Order.objects.exists()


def test_withdrawn_request_may_be_asked_anew(account: Outside) -> None:
    make_agent(mode="semi_auto")
    approval = asked()
    set_mode(mode="autonomous", actor="ada")
    end_overdue()

    assert wanted_again(approval.decision).status == "awaiting_approval"


def test_each_word_of_how_long_a_rejection_holds_has_its_time() -> None:
    assert set(REJECTION_HOLDS) == set(WORDS["rejection_holds"].words)
