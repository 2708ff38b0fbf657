"""The room each limit leaves, from the figures the gate stored."""

from decimal import Decimal

from risk.domain.types import LimitValues
from trading.domain.headroom import closest, headrooms

LIMITS = LimitValues(1, Decimal(10), Decimal(50), 15, Decimal(5))
FIGURES = {
    "equity": "100000",
    "open_positions": "12",
    "daily_loss_percent": "-1.5",
    "room_position_too_large": "10000",
    "room_exposure_limit_exceeded": "8000",
    "room_insufficient_buying_power": "60000",
}


def test_room_is_what_the_order_leaves() -> None:
    rooms = headrooms(FIGURES, LIMITS, Decimal(3000))

    assert {room.name: (room.left, room.percent) for room in rooms} == {
        "position_too_large": (7000, 70),
        "exposure_limit_exceeded": (5000, 10),
        "max_positions_reached": (3, 20),
        "daily_loss_limit": (5, 100),
        "insufficient_buying_power": (57000, 57),
    }


def test_closest_is_the_least_in_percent() -> None:
    found = closest(headrooms(FIGURES, LIMITS, Decimal(3000)))

    assert found is not None
    assert found.name == "exposure_limit_exceeded"


def test_limit_that_is_passed_leaves_nothing() -> None:
    (room,) = headrooms({"equity": "100000", "room_position_too_large": "-5"}, LIMITS)

    assert (room.left, room.percent) == (-5, 0)


def test_figures_the_gate_did_not_come_to_are_left_out() -> None:
    """docs/lessons.md#lesson-29: what is not known is not shown as room."""
    assert headrooms({"price": "1", "equity": "None", "open_positions": "NaN"}, LIMITS) == ()
    assert closest(()) is None


def test_no_equity_leaves_no_room() -> None:
    (room,) = headrooms({"equity": "0", "room_exposure_limit_exceeded": "1"}, LIMITS)

    assert room.percent == 0
