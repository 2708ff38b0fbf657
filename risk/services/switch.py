"""The kill switch's flag; the procedure around it is in trading.

Each change of the flag is one statement that commits itself: no process that is stopped between two statements can
keep it from being set, and none keeps a row of this table locked.
"""

import json
from collections.abc import Mapping

from django.db import connection, transaction
from django.db.models import QuerySet
from django.utils import timezone

from risk.errors import SwitchStateError
from risk.models import KillSwitch

_ENGAGE = """
INSERT INTO kill_switch
    (id, engaged_at, engaged_by, trigger, reason, figures, flatten_by, released_by, release_reason)
VALUES (%s, %s, %s, %s, %s, %s, %s, '', '') ON CONFLICT DO NOTHING
"""


def current_engagement() -> KillSwitch | None:
    """Return the engagement in force, None when the switch is released."""
    return engagements().first()


def engagements() -> "QuerySet[KillSwitch]":
    """Return the engagement in force as a query set, for who reads it together with more; empty when released."""
    return KillSwitch.objects.filter(released_at__isnull=True)


def is_engaged() -> bool:
    """Return whether the switch is engaged, as committed."""
    return KillSwitch.objects.filter(released_at__isnull=True).exists()


def commit_flag(
    *, actor: str, trigger: str, reason: str, figures: Mapping[str, str], flatten: bool = False
) -> KillSwitch:
    """Engage: insert the engagement row, committed when this returns.

    Args:
        flatten: everything is to be sold as well.

    Raises:
        SwitchStateError: it is engaged already.
        RuntimeError: called within a transaction, which could be kept open.
    """
    _require_no_transaction()
    engagement = KillSwitch(
        engaged_at=timezone.now(),
        engaged_by=actor,
        trigger=trigger,
        reason=reason,
        figures=dict(figures),
        flatten_by=actor if flatten else "",
    )
    with connection.cursor() as cursor:
        cursor.execute(
            _ENGAGE,
            [
                engagement.pk,
                engagement.engaged_at,
                actor,
                trigger,
                reason,
                json.dumps(engagement.figures),
                engagement.flatten_by,
            ],
        )
        if cursor.rowcount == 0:
            raise SwitchStateError("the kill switch is already engaged")
    engagement.refresh_from_db()
    return engagement


def ask_to_flatten(engagement: KillSwitch, *, actor: str) -> None:
    """Note that everything is to be sold; whoever dies afterwards, the sweeper goes on.

    Raises:
        SwitchStateError: the engagement has been released.
    """
    _require_no_transaction()
    asked = KillSwitch.objects.filter(pk=engagement.pk, released_at__isnull=True)
    if not asked.update(flatten_by=actor):
        raise SwitchStateError("the kill switch was released meanwhile")
    engagement.flatten_by = actor


def clear_flag(*, actor: str, reason: str) -> KillSwitch:
    """Release: end the engagement in force, committed when this returns.

    Raises:
        SwitchStateError: it is not engaged.
        ValueError: the reason or the actor is empty.
        RuntimeError: called within a transaction, which could be kept open.
    """
    if not reason.strip() or not actor.strip():
        raise ValueError("a release needs its author and a reason")
    _require_no_transaction()
    engagement = current_engagement()
    released = engagement is not None and KillSwitch.objects.filter(
        pk=engagement.pk, released_at__isnull=True
    ).update(released_at=timezone.now(), released_by=actor, release_reason=reason)
    if engagement is None or not released:
        raise SwitchStateError("the kill switch is not engaged")
    engagement.refresh_from_db()
    return engagement


def _require_no_transaction() -> None:
    with transaction.atomic(durable=True):  # opens none: it only refuses to be inside another
        pass
