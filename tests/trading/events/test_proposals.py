"""Trades proposed from outside: judged like a model's answer, and then on the way of every decision."""

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from tests.factories import (
    make_agent,
    make_engagement,
    make_order,
    make_parked_event,
    make_strategy,
    make_user,
)
from tests.trading.events.load import OUTSIDE, proposal
from tests.trading.outside import STOCK, Outside
from tests.trading.scenes import advanced_to_its_end, open_cycle
from trading.analysis import proposals
from trading.analysis.cycle_analysis import analyse_cycle
from trading.cycle import cycles, fetching
from trading.domain.statuses import CycleStage
from trading.events.consuming import take
from trading.events.dead_letters import replay
from trading.events.outbox import our_source
from trading.events.signing import signed
from trading.events.subscriptions import our_subscription
from trading.execution import decision_execution
from trading.execution.portfolio import sync_portfolio
from trading.market.assets import refresh_assets
from trading.models import AIDecision, Cycle, Event, HandledEvent, Order, ParkedEvent, TradeProposal


@pytest.fixture
def listed(account: Outside) -> Outside:
    """The account with its assets known, and a strategy others may propose for."""
    refresh_assets()
    sync_portfolio(None)
    make_strategy(name="Outside", size_percent=Decimal(3))
    return account


def receive(number: int | str = 1, **changes: Any) -> None:
    data = {"symbol": STOCK} | changes.pop("data", {})
    take(our_subscription(), json.dumps(proposal(number, data=data, **changes)))


def carried_out() -> Cycle:
    """Run the cycle that takes up what waits as far as its decisions."""
    cycle = proposals.start_waiting()
    assert cycle is not None
    fetching.fetch_stocks(cycle.pk, list(cycle.symbols), batch_count=1)
    for pk in analyse_cycle(cycle.pk) or ():
        saga_id = decision_execution.execute_decision(pk)
        if saga_id is not None:
            advanced_to_its_end(saga_id)
    return cycle


def test_proposal_becomes_a_decision_an_order_and_a_position(listed: Outside) -> None:
    receive()

    cycle = carried_out()

    decision = AIDecision.objects.get()
    assert (cycle.cycle_type, cycle.trigger, cycle.symbols) == ("execution", "proposal", [STOCK])
    assert (decision.symbol, decision.action, decision.status) == (STOCK, "buy", "executed")
    assert decision.model == f"external {OUTSIDE}"
    assert TradeProposal.objects.get().decision == decision
    assert STOCK in listed.positions()
    created = Event.objects.get(aggregate_id=str(decision.pk), type="decision.created")
    assert created.causation_id == "proposal-1"


def test_repeats_make_one_order(listed: Outside) -> None:
    for _ in range(3):
        receive()
    carried_out()

    assert TradeProposal.objects.count() == 1
    assert Order.objects.count() == 1
    assert proposals.start_waiting() is None


def test_stream_of_proposals_leaves_the_schedule_its_turns(listed: Outside) -> None:
    receive(1)
    first = carried_out()
    cycles.complete_cycle(Cycle.objects.get(pk=first.pk))
    receive(2, data={"symbol": "BRSZ"})

    assert proposals.start_waiting() is None
    Cycle.objects.update(started_at=timezone.now() - timedelta(seconds=21))

    assert proposals.start_waiting() is not None


def test_manual_mode_stores_it_for_review_and_sends_nothing(listed: Outside) -> None:
    make_agent(mode="manual")
    receive()

    carried_out()

    assert AIDecision.objects.get().reason == "mode_manual"
    assert listed.posts() == []


def test_semi_auto_asks_a_person(listed: Outside) -> None:
    make_agent(mode="semi_auto")
    receive()

    carried_out()

    assert AIDecision.objects.get().status == "awaiting_approval"
    assert listed.posts() == []


@pytest.mark.parametrize("mode", ["autonomous", "semi_auto"])
def test_sale_that_its_publisher_is_not_sure_of_sells_nothing(listed: Outside, mode: str) -> None:
    """Whoever may publish must not have the whole account for a whisper."""
    listed.hold(STOCK, "3")
    sync_portfolio(None)
    make_agent(mode=mode)
    receive(data={"action": "sell", "confidence": 0.01})

    carried_out()

    decision = AIDecision.objects.get()
    assert (decision.status, decision.reason) == ("denied", "low_confidence")
    assert listed.posts() == []


def test_proposed_entry_at_a_price_nobody_can_believe_orders_nothing(listed: Outside) -> None:
    receive()
    listed.venue.fault(kind="wrong_price", fraction=0.1, route="GET /v*/*")

    carried_out()

    decision = AIDecision.objects.get()
    assert (decision.status, decision.reason) == ("denied", "implausible_price")
    assert listed.posts() == []


def test_engaged_switch_lets_no_cycle_start_and_nothing_wait(listed: Outside) -> None:
    receive()
    make_engagement()

    assert proposals.start_waiting() is None

    assert (TradeProposal.objects.get().status, TradeProposal.objects.get().reason) == (
        "expired",
        "kill_switch",
    )
    assert not Cycle.objects.exists()


def test_low_confidence_is_denied_by_the_gate(listed: Outside) -> None:
    receive(data={"confidence": 0.2})

    carried_out()

    assert AIDecision.objects.get().reason == "low_confidence"
    assert listed.posts() == []


def test_sale_of_what_is_not_held_and_hold_do_not_trade(listed: Outside) -> None:
    receive(1, data={"action": "sell"})
    receive(2, data={"action": "hold", "symbol": "BRSZ"})

    carried_out()

    assert set(AIDecision.objects.values_list("status", "reason")) == {
        ("skipped", "no_position"),
        ("held", "hold"),
    }


def test_running_cycle_is_waited_for_and_late_is_never_traded(listed: Outside) -> None:
    running = open_cycle()
    receive()

    assert proposals.start_waiting() is None
    assert TradeProposal.objects.get().status == "waiting"
    TradeProposal.objects.update(expires_at=timezone.now())
    Cycle.objects.filter(pk=running.pk).update(
        status="completed", stage=CycleStage.ENDED, ended_at=timezone.now()
    )
    assert proposals.start_waiting() is None

    assert TradeProposal.objects.get().status == "expired"
    assert not AIDecision.objects.exists()


def test_event_of_an_hour_ago_is_not_traded(listed: Outside) -> None:
    receive(time=(timezone.now() - timedelta(hours=1)).isoformat())

    assert proposals.start_waiting() is None
    assert TradeProposal.objects.get().status == "expired"


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"data": {"symbol": "NOSUCH"}}, "data.symbol: was 'NOSUCH', unknown"),
        ({"data": {"symbol": None}}, "data.symbol: was not given"),
        ({"data": {"action": "short"}}, "action: must be buy, sell or hold"),
        ({"data": {"confidence": 1.5}}, "confidence: "),
        ({"data": {"confidence": "0.9"}}, "confidence: "),
        ({"data": {"reasoning": ""}}, "reasoning: has no visible words"),
        (
            {"data": {"strategy": "Nobody's"}},
            'data.strategy: was "Nobody\'s", expected one that trades: Outside',
        ),
        ({"time": "2099-01-01T00:00:00Z"}, "time: was 2099-01-01"),
    ],
)
def test_proposal_that_no_model_could_make_is_parked(
    listed: Outside, changes: dict[str, Any], error: str
) -> None:
    receive(**changes)

    assert error in ParkedEvent.objects.get().error
    assert not TradeProposal.objects.exists()


def test_our_own_decisions_do_not_come_back_as_proposals(listed: Outside) -> None:
    ours = signed(proposal(1, data={"symbol": STOCK}, source=our_source()))

    take(our_subscription(), json.dumps(ours))

    assert not TradeProposal.objects.exists()
    assert not HandledEvent.objects.exists()
    assert not ParkedEvent.objects.exists()


def test_proposal_in_our_name_is_parked(listed: Outside) -> None:
    receive(source=our_source())

    assert "signature is not" in ParkedEvent.objects.get().error
    assert not TradeProposal.objects.exists()


def test_parked_proposal_is_judged_again_when_replayed_and_says_by_whom(listed: Outside) -> None:
    receive(data={"strategy": "Later"})
    parked, user = ParkedEvent.objects.get(), make_user("ann")
    refused = replay(parked, user=user)
    make_strategy(name="Later")

    handled = replay(parked, user=user)
    again = replay(parked, user=user)

    assert "data.strategy" in refused.error
    assert handled.error == ""
    assert again.error == "status: it was replayed already"
    assert TradeProposal.objects.count() == 1
    row = ParkedEvent.objects.get()
    assert (row.status, row.replays, row.replayed_by) == ("handled", 2, user)


def test_parked_rubbish_stays_parked(listed: Outside) -> None:
    report = replay(make_parked_event(body="rubbish"), user=make_user())

    assert "is no JSON" in report.error
    assert report.parked.status == "parked"


def test_hint_about_an_order_has_the_broker_asked_and_is_not_believed(listed: Outside) -> None:
    order = make_order(status="accepted", purpose="flatten", side="sell")
    event = proposal(1, type="trading-engine.order.filled", data={"clientOrderId": order.client_order_id})

    works = take(our_subscription(), json.dumps(event))

    assert [(work.kind, work.id) for work in works] == [("follow_order", order.pk)]
    assert Order.objects.get().status == "accepted"


def test_hint_about_somebody_elses_order_is_nothing(listed: Outside) -> None:
    event = proposal(1, type="trading-engine.order.failed", data={"clientOrderId": "theirs"})

    assert take(our_subscription(), json.dumps(event)) == []
    assert not ParkedEvent.objects.exists()
