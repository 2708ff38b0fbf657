"""One rule for what a stop at the broker protects, wherever it is shown."""

from decimal import Decimal
from typing import Any

import pytest

from orchestrator_project.observability.metric_readings import database_readings
from tests.factories import make_agent, make_engagement, make_order, make_position
from trading.protection.coverage import unprotected_positions
from trading.queries import agent_status, overview
from trading.safety import kill_switch

pytestmark = pytest.mark.django_db


def make_stop(**overrides: Any) -> None:
    """Put a stop for ten AAPL to the broker."""
    values = {"symbol": "AAPL", "side": "sell", "purpose": "stop_loss", "status": "accepted"}
    make_order(**(values | {"quantity": Decimal(10), "broker_order_id": "stop-1"} | overrides))


def test_stop_for_all_of_a_position_protects_it() -> None:
    make_position("AAPL", quantity=Decimal(10))
    make_stop()

    assert unprotected_positions() == []


def test_two_stops_protect_together() -> None:
    make_position("AAPL", quantity=Decimal(10))
    make_stop(quantity=Decimal(6))
    make_stop(quantity=Decimal(4), broker_order_id="stop-2")

    assert unprotected_positions() == []


@pytest.mark.parametrize(
    "stop",
    [
        {"quantity": Decimal(4)},
        {"filled_quantity": Decimal(1)},
        {"broker_order_id": None},
        {"status": "canceled"},
        {"purpose": "exit"},
        {"symbol": "MSFT"},
        {"side": "buy"},
    ],
    ids=lambda stop: next(iter(stop)),
)
def test_stop_that_leaves_some_of_a_position_does_not_protect_it(stop: dict[str, Any]) -> None:
    """docs/lessons.md#lesson-37."""
    make_position("AAPL", quantity=Decimal(10))
    make_stop(**stop)

    assert unprotected_positions() == ["AAPL"]


def test_every_place_that_names_unprotected_positions_names_the_same() -> None:
    make_agent()
    make_engagement()
    for symbol in ("TSLA", "AAPL", "NVDA"):
        make_position(symbol, quantity=Decimal(10))
    make_stop(symbol="NVDA")
    make_stop(symbol="TSLA", quantity=Decimal(4), broker_order_id="stop-2")
    readings = {reading.name: reading.value for reading in database_readings()}

    assert kill_switch.remaining().unprotected_positions == ["AAPL", "TSLA"]
    assert agent_status.switch_report()["unprotected_positions"] == ["AAPL", "TSLA"]
    assert agent_status.agent_report()["unprotected_positions"] == ["AAPL", "TSLA"]
    assert overview.agent_standing().unprotected == ("AAPL", "TSLA")
    assert readings["unprotected_positions"] == 2
