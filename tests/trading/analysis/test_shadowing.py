"""A shadow strategy decides and never trades: no path of the live line takes it up."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from risk.models import RiskReservation
from tests.factories import (
    make_agent,
    make_approval,
    make_asset,
    make_decision,
    make_limits,
    make_proposal,
    make_snapshot,
    make_strategy,
    make_thesis,
    make_user,
)
from tests.trading.outside import STOCK, Outside
from tests.trading.scenes import change, open_cycle, wish
from trading.analysis import proposals
from trading.analysis.cycle_analysis import analyse_cycle
from trading.analysis.shadowing import effects_of
from trading.analysis.strategies import save_strategy
from trading.errors import BadEventError
from trading.execution import approvals, gate_inputs
from trading.execution.approval_requests import withdraw_outdated
from trading.execution.decision_execution import execute_batch, execute_decision
from trading.execution.gate_passage import pass_gate
from trading.market.headlines import active_keywords
from trading.market.market_time import market_now
from trading.models import AIDecision, Approval, Order, Saga, Strategy, TradeProposal
from trading.work import sweeping


def nothing_was_ordered(outside: Outside) -> bool:
    return not (Order.objects.exists() or RiskReservation.objects.exists() or outside.posts())


def test_cycle_asks_no_shadow(account: Outside) -> None:
    live, shadow = make_strategy(name="Live"), make_strategy(name="Shadow", is_shadow=True, keywords=["fed"])
    make_asset(STOCK)
    cycle = open_cycle(stage="fetching")
    make_snapshot(cycle=cycle, symbol=STOCK, quoted_at=market_now(), price=Decimal(100))

    analyse_cycle(cycle.pk)

    assert set(AIDecision.objects.values_list("strategy_id", flat=True)) == {live.pk}
    assert not shadow.versions.exists()
    assert active_keywords() == ()


@pytest.mark.parametrize("judge", [execute_decision, lambda pk: execute_batch([pk])], ids=["alone", "batch"])
@pytest.mark.parametrize("approved", [False, True])
def test_decision_of_a_strategy_that_became_a_shadow_expires(
    account: Outside, judge: Callable[[object], object], approved: bool
) -> None:
    strategy = make_strategy()
    decision = wish(strategy=strategy, approved=approved)
    strategy.is_shadow = True
    save_strategy(strategy, author="ada")

    assert not judge(decision.pk)

    decision.refresh_from_db()
    assert (decision.status, decision.reason) == ("expired", "shadow_strategy")
    assert nothing_was_ordered(account)


def test_what_was_claimed_before_is_not_ordered_after(account: Outside) -> None:
    decision = wish(strategy=make_strategy())
    change(decision, status="claimed", lease_until=timezone.now() + timedelta(seconds=30))
    claimed = AIDecision.objects.select_related("strategy", "cycle").get(pk=decision.pk)
    Strategy.objects.update(is_shadow=True)

    assert pass_gate([claimed], gate_inputs.read_standing()) == []

    assert nothing_was_ordered(account)
    change(decision, lease_until=timezone.now() - timedelta(seconds=60))  # as after a restart
    assert decision.pk in {work.id for work in sweeping.find_work()}
    execute_decision(decision.pk)
    decision.refresh_from_db()
    assert (decision.status, decision.reason) == ("expired", "shadow_strategy")
    assert not Saga.objects.exists()


def test_open_request_is_withdrawn_and_no_yes_trades(account: Outside) -> None:
    make_agent(mode="semi_auto")
    strategy = make_strategy()
    decision = make_decision(strategy=strategy, status="awaiting_approval")
    approval = make_approval(decision=decision)
    Strategy.objects.update(is_shadow=True)

    report = approvals.answer(approval, granted=True, user=make_user())

    assert report.outcome is approvals.AnswerOutcome.EXPIRED
    assert "shadow" in report.detail
    assert nothing_was_ordered(account)


def test_sweeper_withdraws_the_request_unasked(account: Outside) -> None:
    approval = make_approval(
        decision=make_decision(strategy=make_strategy(is_shadow=True), status="awaiting_approval")
    )

    assert withdraw_outdated(most=5) == 1

    approval.refresh_from_db()
    assert (approval.status, "shadow" in approval.reason) == (Approval.Status.EXPIRED, True)


def test_stored_decision_that_a_person_sends_is_not_ordered(account: Outside) -> None:
    cycle = open_cycle()
    decision = wish(cycle=cycle, strategy=make_strategy(is_shadow=True), status="stored")

    report = approvals.send_to_execution(decision, user=make_user())

    assert report.outcome is approvals.AnswerOutcome.EXPIRED
    assert nothing_was_ordered(account)


def test_proposal_from_outside_reaches_no_shadow(account: Outside) -> None:
    proposal = make_proposal(strategy=make_strategy(is_shadow=True), symbol=STOCK)

    assert proposals.start_waiting() is None

    proposal.refresh_from_db()
    assert (proposal.status, proposal.reason) == (
        TradeProposal.Status.EXPIRED,
        "its strategy is a shadow",
    )


@pytest.mark.django_db
def test_becoming_a_shadow_is_a_version_and_says_so() -> None:
    make_limits()
    strategy = save_strategy(Strategy(name="Calm", instructions="Hold.", is_active=True), author="ada")
    strategy.is_shadow = True

    save_strategy(strategy, author="ada", reason="watch it first")

    newest = strategy.versions.order_by("-version").first()
    assert newest is not None
    assert (newest.version, newest.content["is_shadow"]) == (2, True)
    assert not Strategy.objects.trading().exists()
    assert Strategy.objects.shadows().get() == strategy


@pytest.mark.django_db
def test_effects_name_what_is_left_behind() -> None:
    strategy = make_strategy(name="Calm")
    thesis = make_thesis(strategy=strategy)
    make_approval(decision=make_decision(strategy=strategy, status="awaiting_approval"))
    Strategy.objects.exclude(pk=strategy.pk).update(is_active=False)

    effects = effects_of(strategy, is_active=True, is_shadow=True)

    assert effects[0].startswith("Calm trades no more")
    assert any(thesis.symbol in line for line in effects)
    assert any("no other strategy trades" in line for line in effects)
    assert any(line.startswith("1 of its requests") for line in effects)
    assert effects_of(strategy, is_active=True, is_shadow=False) == []
    assert effects_of(make_strategy(is_active=False), is_active=True, is_shadow=True) == []
    assert effects_of(make_strategy(is_shadow=True), is_active=True, is_shadow=False)


@pytest.mark.django_db
def test_event_may_propose_for_none(account: Outside) -> None:
    make_asset(STOCK)
    make_strategy(name="Shadow", is_shadow=True)

    with pytest.raises(BadEventError, match="expected one that trades: none is active"):
        proposals._strategy(_event("Shadow"), STOCK)


def _event(strategy: str) -> object:
    class Said:
        data = {"strategy": strategy}

    return Said()
