"""Not again for so many hours: what a person says at a rejection stands before the setting."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone

from tests.factories import make_agent, make_approval, make_user
from tests.trading.outside import STOCK, Outside
from tests.trading.scenes import ago, change, wish
from trading.core.settings import set_runtime_setting
from trading.execution import approvals, decision_execution
from trading.execution.approvals import LONGEST_HOLD_HOURS
from trading.models import AIDecision, Approval, Cycle


@pytest.fixture
def rejected(account: Outside) -> Callable[..., Approval]:
    """Return a function that has a person reject a question."""

    def _reject(**answer: Any) -> Approval:
        approval = make_approval(decision=wish(STOCK, status="awaiting_approval"))
        approvals.answer(approval, granted=False, user=make_user("ada"), reason="thin book", **answer)
        approval.refresh_from_db()
        return approval

    return _reject


def asked_again(approval: Approval) -> AIDecision:
    """Return what came of the same wish in the next cycle, in semi_auto mode."""
    make_agent(mode="semi_auto")
    Cycle.objects.open().update(status="completed", stage="ended", ended_at=ago(seconds=0))
    again = wish(STOCK, strategy=approval.decision.strategy)
    decision_execution.execute_decision(again.pk)
    again.refresh_from_db()
    return again


@pytest.mark.parametrize("setting", ["session", "off", "hour"])
def test_hours_of_a_rejection_hold_whatever_the_setting_says(
    rejected: Callable[..., Approval], setting: str
) -> None:
    set_runtime_setting(name="rejection_holds", value=setting, actor="test")
    approval = rejected(hold_hours=48)
    assert approval.held_until is not None
    assert approval.answered_at is not None
    assert (approval.held_until - approval.answered_at).total_seconds() == 48 * 3600
    change(approval, answered_at=ago(hours=47), answered_market_time=None)

    held = asked_again(approval)
    change(approval, held_until=timezone.now())
    over = asked_again(approval)

    assert (held.status, held.reason) == ("stored", "rejected_earlier")
    assert re.search(
        r"ada rejected the same at .*not asked again before .* UTC, as they said", held.reason_detail
    )
    assert over.status == "awaiting_approval"


@pytest.mark.parametrize("setting", ["session", "day"])
def test_rejection_for_no_time_at_all_is_asked_again_at_once(
    rejected: Callable[..., Approval], setting: str
) -> None:
    set_runtime_setting(name="rejection_holds", value=setting, actor="test")

    assert asked_again(rejected(hold_hours=0)).status == "awaiting_approval"


def test_rejection_without_hours_holds_as_the_setting_says(rejected: Callable[..., Approval]) -> None:
    set_runtime_setting(name="rejection_holds", value="off", actor="test")

    approval = rejected()

    assert approval.held_until is None
    assert asked_again(approval).status == "awaiting_approval"


@pytest.mark.parametrize(
    ("granted", "hours", "expected"),
    [
        (False, -1, "from 0 to"),
        (False, LONGEST_HOLD_HOURS + 1, "from 0 to"),
        (True, 1, "none beside an approval"),
    ],
)
def test_hours_that_cannot_be_are_refused(granted: bool, hours: int, expected: str, db: None) -> None:
    approval, ada = make_approval(), make_user("ada")

    with pytest.raises(ValueError, match=f"hold_hours: was {hours}, expected .*{expected}"):
        approvals.answer(approval, granted=granted, user=ada, reason="no", hold_hours=hours)

    approval.refresh_from_db()
    assert approval.status == "requested"
