"""A person's proposal is a decision like any other: stored with its author, judged by mode, approval and the gate."""

import json
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from tests.factories import make_agent, make_asset, make_engagement, make_strategy
from tests.trading.outside import STOCK, Outside
from trading import flow
from trading.analysis import proposals
from trading.analysis.own_proposals import propose_for
from trading.domain.events.incoming import parse_event
from trading.errors import BadEventError, ProposalError
from trading.models import AIDecision, Approval, Event, Order, TradeProposal


def propose(**overrides: Any) -> TradeProposal:
    values: dict[str, Any] = {
        "symbol": STOCK,
        "action": "buy",
        "confidence": Decimal("0.9"),
        "reasoning": "It looks cheap.",
        "strategy": "Balanced",
    }
    return propose_for("ada", **(values | overrides))


def taken_up() -> AIDecision:
    """Run the execution cycle that waits, and return its decision."""
    cycle = proposals.start_waiting(started_by="ada")
    assert cycle is not None
    flow.drive(flow.begin(cycle))
    return AIDecision.objects.get(cycle=cycle)


@pytest.fixture
def strategy(db: None) -> None:
    make_strategy(name="Balanced", is_active=True)
    make_asset(STOCK)


def test_proposal_is_stored_with_its_author_and_waits(strategy: None) -> None:
    row = propose()

    assert (row.source, row.status, row.confidence) == ("person ada", "waiting", Decimal("0.9"))
    told = Event.objects.get(type="proposal.made").payload
    assert (told["actor"], told["symbol"], told["reason"]) == ("ada", STOCK, "It looks cheap.")


@pytest.mark.parametrize(
    ("mode", "status", "reason"),
    [
        ("manual", "stored", "mode_manual"),
        ("semi_auto", "awaiting_approval", ""),
    ],
)
def test_it_goes_the_way_of_the_mode(
    account: Outside, strategy: None, mode: str, status: str, reason: str
) -> None:
    make_agent(mode=mode)
    propose()

    decision = taken_up()

    assert (decision.model, decision.status, decision.reason) == ("person ada", status, reason)
    assert Approval.objects.count() == (mode == "semi_auto")
    assert account.posts() == []


def test_gate_denies_it_as_it_would_a_models(account: Outside, strategy: None) -> None:
    make_agent(mode="autonomous")
    propose(confidence=Decimal("0.2"))

    decision = taken_up()

    assert (decision.status, decision.reason) == ("denied", "low_confidence")
    assert not Order.objects.exists()


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"symbol": "NOPE"}, "symbol"),
        ({"action": "hold"}, "action"),
        ({"strategy": "none"}, "strategy"),
        ({"reasoning": " "}, "reasoning"),
        ({"confidence": Decimal(2)}, "data"),
    ],
)
def test_what_cannot_be_traded_is_refused_with_its_field(
    strategy: None, changed: dict[str, Any], field: str
) -> None:
    with pytest.raises(ProposalError, match=f"^{field}: ") as refused:
        propose(**changed)

    assert refused.value.field == field
    assert not TradeProposal.objects.exists()


def test_under_the_kill_switch_nothing_is_proposed(strategy: None) -> None:
    make_engagement()

    with pytest.raises(ProposalError, match=r"^kill switch: is engaged"):
        propose()

    assert not TradeProposal.objects.exists()


def test_no_event_from_outside_bears_a_persons_name(strategy: None) -> None:
    body = {
        "specversion": "1.0",
        "id": "1",
        "source": "person ada",
        "type": "trade.proposed",
        "time": "2020-01-01T00:00:00Z",
        "data": {},
    }

    with pytest.raises(BadEventError, match=r"^source: "):
        proposals.propose(parse_event(json.dumps(body)))


def test_command_proposes_by_the_one_strategy_that_trades(account: Outside, strategy: None) -> None:
    said = StringIO()

    call_command(
        "propose", "buy", STOCK.lower(), "--confidence", "0.9", "--reason", "cheap", "--json", stdout=said
    )

    told = json.loads(said.getvalue())
    assert (told["symbol"], told["action"]) == (STOCK, "buy")
    assert TradeProposal.objects.get().strategy.name == "Balanced"
    with pytest.raises(CommandError, match="--confidence: was 'much', expected 0 to 1"):
        call_command("propose", "buy", STOCK, "--confidence", "much", "--reason", "cheap")
