"""The kill switch's flag; the procedure around it is in trading."""

from collections.abc import Mapping

from django.db import IntegrityError, transaction
from django.utils import timezone

from risk.errors import SwitchStateError
from risk.models import KillSwitch


def current_engagement() -> KillSwitch | None:
    """Return the engagement in force, None when the switch is released."""
    return KillSwitch.objects.filter(released_at__isnull=True).first()


def is_engaged() -> bool:
    """Return whether the switch is engaged, as committed."""
    return KillSwitch.objects.filter(released_at__isnull=True).exists()


def commit_flag(*, actor: str, trigger: str, reason: str, figures: Mapping[str, str]) -> KillSwitch:
    """Engage: insert the engagement row.

    Raises:
        SwitchStateError: it is engaged already.
    """
    try:
        with transaction.atomic():
            return KillSwitch.objects.create(
                engaged_by=actor, trigger=trigger, reason=reason, figures=dict(figures)
            )
    except IntegrityError as error:
        raise SwitchStateError("the kill switch is already engaged") from error


def clear_flag(*, actor: str, reason: str) -> KillSwitch:
    """Release: end the engagement in force.

    Raises:
        SwitchStateError: it is not engaged.
        ValueError: the reason or the actor is empty.
    """
    if not reason.strip() or not actor.strip():
        raise ValueError("a release needs its author and a reason")
    engagement = current_engagement()
    released = engagement is not None and KillSwitch.objects.filter(
        pk=engagement.pk, released_at__isnull=True
    ).update(released_at=timezone.now(), released_by=actor, release_reason=reason)
    if engagement is None or not released:
        raise SwitchStateError("the kill switch is not engaged")
    engagement.refresh_from_db()
    return engagement
