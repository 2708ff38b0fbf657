"""What a decision and its replay would have earned: of what the gate let through, by what the symbol did."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from evaluation.models import ReplayItem
from evaluation.services.replay.profits import earned_by, profits_of
from tests.factories import make_outcome, make_replay_item, make_run
from trading.market.exchange_calendar import session_closes

pytestmark = pytest.mark.django_db
PASSED = {"allowed": True, "reason": "", "quantity": "3"}
DENIED = {"allowed": False, "reason": "low_confidence", "quantity": "0"}


def known(item: ReplayItem, *, sessions: int, earned: str | None, **more: Any) -> None:
    """Have an outcome of the item's decision on record, at a price of 100 USD and costs of 0.1 %; None: it is open."""
    values: dict[str, Any] = {"symbol_return": earned, "excess_return": earned}
    if earned is None:
        values |= {"resolved_at": None, "members": None}
    make_outcome(
        decision_id=item.decision_id, horizon=sessions, label_spec=f"excess-{sessions}s-v1", **values, **more
    )


def item_of(was: tuple[str, Any], now: tuple[str | None, Any]) -> ReplayItem:
    item = make_replay_item(run=make_run())
    item.before |= {"action": was[0], "verdict": was[1]}
    item.after |= {"action": now[0], "verdict": now[1]}
    item.save()
    return item


@pytest.mark.parametrize(
    ("was", "now", "amounts"),
    [
        (("buy", PASSED), ("hold", None), ("14.70", "0", "-14.70")),
        (("hold", None), ("buy", PASSED), ("0", "14.70", "14.70")),
        (("sell", PASSED), ("hold", None), ("-15.30", "0", "15.30")),
        (("buy", PASSED), ("buy", DENIED), ("14.70", "0", "-14.70")),
        (("buy", PASSED), ("buy", {**PASSED, "quantity": "6"}), ("14.70", "29.40", "14.70")),
        (("buy", PASSED), ("buy", None), ("14.70", None, None)),
        (("buy", PASSED), (None, None), ("14.70", None, None)),
    ],
)
def test_profit_is_of_what_passed(was: Any, now: Any, amounts: tuple[str | None, ...]) -> None:
    item = item_of(was, now)
    known(item, sessions=5, earned="0.05")

    [profit] = profits_of([item])[item.pk]

    assert profit.sessions == 5
    assert (profit.was, profit.would_be, profit.change) == tuple(
        None if amount is None else Decimal(amount) for amount in amounts
    )


def test_nearest_horizon_comes_first_and_what_is_open_is_left_out() -> None:
    item, other = item_of(("buy", PASSED), ("hold", None)), item_of(("buy", PASSED), ("hold", None))
    for sessions, earned in ((20, None), (5, "0.01"), (1, "-0.02")):
        known(item, sessions=sessions, earned=earned)

    found = profits_of([item, other])

    assert [(each.sessions, each.was) for each in found[item.pk]] == [
        (1, Decimal("-6.30")),
        (5, Decimal("2.70")),
    ]
    assert found[other.pk] == ()


def test_over_all_the_change_is_paired_and_has_its_interval() -> None:
    run, days = make_run(), [day for day, _ in session_closes(date(2026, 1, 5), date(2026, 3, 31))][:40]
    for number, day in enumerate(days):
        item = make_replay_item(run=run)
        item.before |= {"action": "buy", "verdict": PASSED}
        item.after |= {"action": "hold", "verdict": None}
        item.save()
        known(item, sessions=1, earned="0.05" if number % 2 else "0.03", session=day)
    unanswered = make_replay_item(run=run)
    unanswered.after |= {"action": None}
    unanswered.save()
    known(unanswered, sessions=1, earned="0.05", session=days[0])

    [earned] = earned_by(run)

    assert (earned.sessions, earned.change.n) == (1, 40)
    assert (earned.was, earned.would_be) == (Decimal("468.00"), Decimal("0.00"))
    assert earned.total_change == Decimal("-468.00")
    assert earned.change.value == pytest.approx(-11.7)
    assert earned.change.low is not None
    assert earned.change.high is not None
    assert -15 < earned.change.low < -11.7 < earned.change.high < -8


def test_few_sessions_have_a_sum_and_no_interval() -> None:
    run = make_run()
    item = make_replay_item(run=run)
    item.before |= {"action": "hold", "verdict": None}
    item.after |= {"action": "buy", "verdict": PASSED}
    item.save()
    known(item, sessions=5, earned="0.05")

    [earned] = earned_by(run)

    assert (earned.total_change, earned.change.value) == (Decimal("14.70"), None)
    assert "of at least" in earned.change.reason
    assert earned.to_json()["meanChangeUsd"]["reason"] == earned.change.reason
