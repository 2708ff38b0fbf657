"""The steps that follow engaging the switch (cancels, flatten), recorded so that any process can continue them."""

from collections.abc import Sequence

import structlog
from django.db import connection, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from risk.models import KillSwitch
from trading.core import transitions
from trading.models import AgentStatus, SwitchFollowUp

log = structlog.get_logger(__name__)
AGGREGATE = "kill_switch"
STATUS_PATIENCE = "1s"


def announce(found: Sequence[KillSwitch] | None = None) -> None:
    """Bring status row and event log to what the flag says: each engagement and each release once, in order.

    Args:
        found: the rows of ``unannounced``, where the caller has just read them.

    Raises:
        OperationalError: somebody holds the status row; nothing was written, a later call does it.
    """
    for engagement in found if found is not None else unannounced():
        _say(engagement, "announced_at", "halted", "engaged")
        if engagement.released_at is not None:
            _say(engagement, "release_announced_at", "active", "released")


def note(engagement: KillSwitch, step: str) -> None:
    """Note that a step is done, once."""
    follow_up_of(engagement)
    undone = SwitchFollowUp.objects.filter(Q(**{f"{step}__isnull": True}), pk=engagement.pk)
    undone.update(**{step: timezone.now()})


def follow_up_of(engagement: KillSwitch) -> SwitchFollowUp:
    """Return how far an engagement has come."""
    return SwitchFollowUp.objects.get_or_create(pk=engagement.pk)[0]


def not_done(engagement: KillSwitch) -> list[str]:
    """Return what of an engagement in force is not done yet, in words; the sweeper is at it."""
    done = SwitchFollowUp.objects.filter(pk=engagement.pk).first() or SwitchFollowUp(pk=engagement.pk)
    owed = [
        (done.announced_at is None, "status and event say it"),
        (done.senders_ended_at is None, "wait for the orders that were leaving"),
        (done.cancelled_at is None, "cancel what opens positions, until the broker confirms it"),
        (bool(engagement.flatten_by) and done.flattened_at is None, "sell everything, until nothing is held"),
    ]
    return [words for is_owed, words in owed if is_owed] + list(done.problems)


def unannounced() -> QuerySet[KillSwitch]:
    """Return the engagements of which status row and log do not say all yet, the oldest first."""
    said = SwitchFollowUp.objects.filter(announced_at__isnull=False)
    all_said = said.filter(Q(engagement__released_at__isnull=True) | Q(release_announced_at__isnull=False))
    return KillSwitch.objects.exclude(pk__in=all_said.values("pk")).order_by("engaged_at")


def _say(engagement: KillSwitch, step: str, state: str, event: str) -> None:
    follow_up_of(engagement)
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('lock_timeout', %s, true)", [STATUS_PATIENCE])
        AgentStatus.objects.filter(pk=1).update(
            trading_state=state
        )  # its row's lock puts the events in sequence
        undone = SwitchFollowUp.objects.filter(Q(**{f"{step}__isnull": True}), pk=engagement.pk)
        if not undone.update(**{step: timezone.now()}):
            transaction.set_rollback(True)
            return
        transitions.append_event(
            aggregate_type=AGGREGATE,
            aggregate_id="1",
            event_type=f"kill_switch.{event}",
            payload=_facts(engagement, event),
            cycle_id=None,
        )


def _facts(engagement: KillSwitch, event: str) -> dict[str, str]:
    if event == "released":
        return {"actor": engagement.released_by, "reason": engagement.release_reason}
    return {"actor": engagement.engaged_by, "reason": engagement.reason, "trigger": engagement.trigger}
