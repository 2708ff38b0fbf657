"""No number without its interval, its n and its window."""

import json
from datetime import date

import pytest

from evaluation.domain.figures import Figure, Window, joint_window, unknown, window_of

FIGURE = Figure(0.2, 0.1, 0.3, 100, 40.0, Window.CLEAN)


@pytest.mark.parametrize(
    "parts",
    [
        (0.2, None, None, 10, 5.0),
        (0.2, 0.1, None, 10, 5.0),
        (None, 0.1, 0.3, 10, 5.0),
        (float("nan"), 0.1, 0.3, 10, 5.0),
        (0.2, 0.1, float("inf"), 10, 5.0),
        (0.2, 0.3, 0.1, 10, 5.0),
        (0.2, 0.1, 0.3, 10, 11.0),
        (0.2, 0.1, 0.3, -1, 0.0),
        (None, None, None, 10, 5.0),
    ],
)
def test_a_number_without_its_doubt_cannot_be_made(parts: tuple[float, float, float, int, float]) -> None:
    with pytest.raises(ValueError, match=r"interval|n effective|reason"):
        Figure(*parts, window=Window.CLEAN)


def test_a_value_has_no_reason() -> None:
    with pytest.raises(ValueError, match="reason"):
        Figure(0.2, 0.1, 0.3, 10, 5.0, Window.CLEAN, reason="too few")


@pytest.mark.parametrize("figure", [FIGURE, unknown("fewer than 20 sessions", n=7, window=Window.GREY)])
def test_json_and_back_is_the_same(figure: Figure) -> None:
    assert Figure.from_json(json.loads(json.dumps(figure.to_json()))) == figure


def test_what_is_outside_the_interval_is_excluded() -> None:
    assert FIGURE.excludes(0.0)
    assert not FIGURE.excludes(0.1)
    assert not unknown("too few").excludes(0.0)


@pytest.mark.parametrize(
    ("as_of", "trained_until", "released_on", "window"),
    [
        (date(2026, 1, 1), date(2026, 1, 1), None, Window.INSIDE),
        (date(2026, 1, 2), date(2026, 1, 1), None, Window.GREY),
        (date(2026, 4, 1), date(2026, 1, 1), None, Window.GREY),
        (date(2026, 4, 2), date(2026, 1, 1), None, Window.CLEAN),
        (date(2026, 4, 2), None, date(2026, 4, 2), Window.GREY),
        (date(2026, 4, 3), None, date(2026, 4, 2), Window.CLEAN),
        (date(2026, 4, 3), None, None, Window.GREY),
    ],
)
def test_window_of_a_moment(
    as_of: date, trained_until: date | None, released_on: date | None, window: Window
) -> None:
    assert window_of(as_of, trained_until=trained_until, released_on=released_on) == window


def test_windows_that_differ_are_mixed() -> None:
    assert joint_window([Window.CLEAN, Window.CLEAN]) == Window.CLEAN
    assert joint_window([Window.CLEAN, Window.INSIDE]) == Window.MIXED
