"""Approvals: answered once, by a person with a name, or expired by time."""

import pytest
from django.contrib.auth.models import User

from tests.factories import make_approval, make_user
from tests.risk.threads import at_once
from tests.trading.scenes import ago, events_of
from trading.models import AIDecision, Approval
from trading.services import approvals


@pytest.fixture
def ada(db: None) -> User:
    return make_user("ada")


def test_granted_decision_wants_to_trade_again(ada: User) -> None:
    approval = make_approval()

    assert approvals.answer(approval, granted=True, user=ada)

    decision = AIDecision.objects.get()
    assert (decision.status, decision.approved) == ("pending", True)
    stored = Approval.objects.get()
    assert (stored.status, stored.answered_by) == ("granted", ada)
    assert stored.answered_at is not None
    assert events_of(decision) == ["decision.approve"]
    assert list(AIDecision.objects.approved_pending()) == [decision]


def test_rejected_decision_keeps_the_persons_reason(ada: User) -> None:
    approval = make_approval()

    assert approvals.answer(approval, granted=False, user=ada, reason="earnings tonight")

    decision = AIDecision.objects.get()
    assert (decision.status, decision.reason) == ("rejected", "approval_rejected")
    assert decision.reason_detail == "earnings tonight"
    assert decision.settled_at is not None


def test_answer_after_its_time_does_not_count(ada: User) -> None:
    """Lesson 31: approvals expire."""
    approval = make_approval(expires_at=ago(seconds=1))

    assert not approvals.answer(approval, granted=True, user=ada)

    assert AIDecision.objects.get().status == "awaiting_approval"


def test_expired_approval_settles_its_decision(ada: User) -> None:
    """Lesson 31."""
    approval = make_approval(expires_at=ago(seconds=1))

    assert approvals.expire(approval)
    assert not approvals.expire(approval)

    decision = AIDecision.objects.get()
    assert (decision.status, decision.reason) == ("expired", "approval_expired")
    assert Approval.objects.get().status == "expired"
    assert not approvals.answer(approval, granted=True, user=ada)


def test_approval_does_not_expire_before_its_time(ada: User) -> None:
    assert not approvals.expire(make_approval())


@pytest.mark.django_db(transaction=True)
def test_two_people_answer_once() -> None:
    people = [make_user() for _ in range(4)]
    approval = make_approval()

    answered = at_once(
        4, lambda number: approvals.answer(approval, granted=number % 2 == 0, user=people[number])
    )

    assert answered.count(True) == 1
    winner = answered.index(True)
    stored = Approval.objects.get()
    assert stored.answered_by == people[winner]
    assert AIDecision.objects.get().status == ("pending" if winner % 2 == 0 else "rejected")
    assert len(events_of(AIDecision.objects.get())) == 1
