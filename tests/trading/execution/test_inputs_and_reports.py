"""What the gate is told of sizing and mode, and what a person is told remains."""

import io
import json
from decimal import Decimal
from typing import Any

import pytest
from django.core.management import call_command

from risk.services import book as risk_book
from tests.factories import (
    make_agent,
    make_decision,
    make_engagement,
    make_order,
    make_position,
    make_snapshot,
    make_strategy,
)
from tests.trading.outside import STOCK, Outside
from tests.trading.scenes import ago, claimed_and_posted, open_cycle, order_of, passed
from trading.execution import gate_inputs
from trading.execution.portfolio import sync_portfolio
from trading.models import Order, Position, Saga
from trading.safety.flatten import flatten_positions

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("indicators", "volatility"),
    [({"volatility_percent": 31.25}, Decimal("31.25")), ({}, None), (None, None)],
)
def test_intent_carries_the_strategys_rule_and_the_snapshots_volatility(
    indicators: dict[str, Any] | None, volatility: Decimal | None
) -> None:
    make_agent(mode="autonomous")
    decision = make_decision(strategy=make_strategy(sizing="volatility_scaled"))

    intent = gate_inputs.order_intent(decision, make_snapshot(indicators=indicators))

    assert (intent.sizing, intent.volatility_percent) == ("volatility_scaled", volatility)


@pytest.mark.parametrize(
    ("mode", "change", "needed"),
    [
        ("autonomous", {}, False),
        ("semi_auto", {}, True),
        ("semi_auto", {"action": "sell"}, True),
        ("semi_auto", {"action": "sell", "confidence": Decimal("0.1")}, False),
        ("semi_auto", {"action": "sell", "approved": True}, False),
        ("semi_auto", {"confidence": Decimal("0.1")}, False),
        ("semi_auto", {"approved": True}, False),
        ("manual", {"action": "sell"}, True),
        ("manual", {"approved": True}, False),
    ],
)
def test_mode_says_whether_a_person_is_needed(mode: str, change: dict[str, Any], needed: bool) -> None:
    make_agent(mode=mode)

    assert gate_inputs.order_intent(make_decision(**change), None).needs_person is needed


def test_status_tells_what_is_open_from_the_database_alone() -> None:
    make_agent()
    make_engagement()
    resting = make_order(symbol="AAPL", status="accepted")
    make_position("AAPL")
    held = make_position("MSFT")
    stop = {"symbol": "MSFT", "side": "sell", "purpose": "stop_loss", "status": "accepted"}
    make_order(**stop, quantity=held.quantity, broker_order_id="stop")
    out = io.StringIO()

    call_command("kill_switch", "status", "--json", stdout=out)

    told = json.loads(out.getvalue())
    assert told["engaged"] is True
    assert told["open_orders"][0] == resting.client_order_id
    assert told["unprotected_positions"] == ["AAPL"]


def test_flatten_reports_what_is_still_held(account: Outside) -> None:
    account.hold(STOCK, "2")
    account.venue.fault(kind="partial_fill", fraction=0.5)

    report = flatten_positions(make_engagement())

    assert report.remaining == {STOCK: 1}


def test_fill_nobody_has_heard_of_counts_once(account: Outside) -> None:
    """The sync asks the broker how much has filled: else the position and the whole reservation both count."""
    open_cycle()
    saga = passed(size_percent=4)
    order = sagas_order(saga)
    account.wait_filled(order.client_order_id)
    assert order.filled_quantity == 0

    sync_portfolio(None)

    assert Position.objects.get().quantity == order.quantity
    assert risk_book.reserved_by_symbol() == {STOCK: 0}
    assert risk_book.read_reserved().symbols == {STOCK}


def sagas_order(saga: Saga) -> Order:
    """Post the saga's order and return it before anything was heard of its fill."""
    post = claimed_and_posted(saga.order)
    Order.objects.filter(pk=saga.order_id).update(
        status="accepted", broker_order_id=post.broker_order_id, acknowledged_at=ago(seconds=0)
    )
    return order_of(saga)
