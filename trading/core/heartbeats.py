"""Heartbeats of the long-running processes beside the workers; doctor, readiness and metrics show their age."""

from django.utils import timezone

from trading.models import Heartbeat

LONGEST_DETAIL = 500


def beat(process: str, detail: str = "") -> None:
    """Note that a process lives now (wall time), and how it is doing in a few words.

    Raises:
        DatabaseError, InterfaceError: the database is away.
    """
    Heartbeat.objects.update_or_create(
        process=process, defaults={"beaten_at": timezone.now(), "detail": detail[:LONGEST_DETAIL]}
    )


def forget(process: str) -> None:
    """Take the sign of a process away that is not meant to run any more: it would be missed for ever."""
    Heartbeat.objects.filter(process=process).delete()
