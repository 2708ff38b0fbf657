"""Approvals: answered once, by a person, or expired by time."""

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from trading.models import Approval
from trading.services import transitions


def answer(approval: Approval, *, granted: bool, user: User, reason: str = "") -> bool:
    """Grant or reject; return False when somebody or time answered first.

    A granted decision becomes pending again and passes the gate anew when it is executed.
    """
    status = Approval.Status.GRANTED if granted else Approval.Status.REJECTED
    now = timezone.now()
    with transaction.atomic():
        answered = Approval.objects.filter(
            pk=approval.pk, status=Approval.Status.REQUESTED, expires_at__gt=now
        ).update(status=status, answered_at=now, answered_by=user, reason=reason)
        if not answered:
            return False
        if granted:
            changes: dict[str, object] = {"approved": True}
            transitions.apply(approval.decision, "approve", changes=changes, actor=user.get_username())
        else:
            changes = {"reason": "approval_rejected", "reason_detail": reason[:500], "settled_at": now}
            transitions.apply(approval.decision, "reject", changes=changes, actor=user.get_username())
    return True


def expire(approval: Approval) -> bool:
    """Expire an approval past its time; return whether this call did it."""
    now = timezone.now()
    with transaction.atomic():
        expired = Approval.objects.filter(
            pk=approval.pk, status=Approval.Status.REQUESTED, expires_at__lte=now
        ).update(status=Approval.Status.EXPIRED, answered_at=now)
        if expired:
            changes = {"reason": "approval_expired", "settled_at": now}
            transitions.apply(approval.decision, "expire", changes=changes)
    return bool(expired)
