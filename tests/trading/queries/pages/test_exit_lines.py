"""The stop and the target that stood at each moment, of what changed them."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from trading.models import Position
from trading.queries.pages.exit_lines import ExitChange, exit_lines, in_force

START = datetime(2026, 11, 2, 15, tzinfo=UTC)
ONE, TWO = Decimal(95), Decimal(97)


def change(
    hours: int, kind: str, stop: Decimal | None = None, target: Decimal | None = None
) -> dict[str, Any]:
    return {"at": (START + timedelta(hours=hours)).isoformat(), "kind": kind, "stop": stop, "target": target}


def test_entry_sets_both_a_move_one_and_an_end_neither() -> None:
    rows = [
        change(3, "closed"),
        change(2, "moved", target=Decimal(120)),
        change(1, "moved", stop=TWO),
        change(0, "opened", ONE, Decimal(110)),
    ]

    found = exit_lines(rows, None)

    assert [(one.stop, one.target) for one in found] == [(ONE, 110), (TWO, 110), (TWO, 120), (None, None)]


def test_what_the_position_says_is_what_stands_now() -> None:
    position = Position(symbol="AAPL", stop_price=TWO, opened_at=START)

    assert exit_lines([], position) == [ExitChange(START, TWO, None)]
    assert exit_lines([change(0, "opened", TWO)], position) == [ExitChange(START, TWO, None)]
    assert exit_lines([change(0, "opened", ONE)], position)[-1] == ExitChange(START, TWO, None)
    assert exit_lines([], None) == []


def test_nothing_stands_before_the_first_change() -> None:
    changes = [ExitChange(START, ONE, None), ExitChange(START + timedelta(hours=1), TWO, None)]

    assert in_force(changes, START - timedelta(seconds=1)) is None
    assert in_force(changes, START) == changes[0]
    assert in_force(changes, START + timedelta(days=1)) == changes[1]
