"""Steps stand on the axis where they were, and what took a good part of a cycle is marked."""

from datetime import UTC, datetime, timedelta

import pytest

from trading.queries.pages.cycle_steps import Step, drawn, joined, step_of

START = datetime(2026, 11, 2, 15, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("first", "last", "left", "width", "is_slow"),
    [
        (0, 10, 0, 100, True),
        (2, 5, 20, 30, True),
        (2, 4, 20, 20, False),  # two seconds are not slow
        (0, 3, 0, 30, True),
        (9, 15, 90, 10, True),  # it went on after the end
        (12, 13, 99.5, 0.5, False),
        (-1, 0, 0, 10, False),
    ],
)
def test_bar_stays_on_the_axis(first: float, last: float, left: float, width: float, is_slow: bool) -> None:
    (one,) = drawn([Step("x", at(first), at(last))], START, at(10))

    assert (round(one.left, 3), round(one.width, 3), one.is_slow) == (left, width, is_slow)


def test_step_of_no_length_is_still_seen() -> None:
    (one,) = drawn([Step("x", START, START)], START, START)

    assert one.width > 0


def test_parts_of_one_step_are_one() -> None:
    parts = [
        Step("Prices", at(2), at(4), "50 prices"),
        Step("Prices", at(1), at(3), "20 prices"),
        Step("News", at(0), at(1)),
    ]

    assert joined(parts) == [Step("News", at(0), at(1)), Step("Prices", at(1), at(4), "20 prices; 50 prices")]


@pytest.mark.parametrize("payload", [{}, {"seconds": None}, {"seconds": "2"}])
def test_event_without_a_length_is_no_step(payload: dict[str, object]) -> None:
    assert step_of("cycle.step.held", payload, START, "") is None
    assert step_of("cycle.pause", {"seconds": 1}, START, "") is None
