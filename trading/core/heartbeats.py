"""Heartbeats of the long-running processes beside the workers; doctor, readiness and metrics show their age."""

from django.utils import timezone

from trading.core.statements.message import Message
from trading.models import Heartbeat

LONGEST_DETAIL = 500
# One statement and no transaction around it: every loop gives its sign each second or two.
_BEAT = """
INSERT INTO heartbeats (process, beaten_at, detail) VALUES (%s, %s, %s)
ON CONFLICT (process) DO UPDATE SET beaten_at = excluded.beaten_at, detail = excluded.detail
"""


def beat(process: str, detail: str = "") -> None:
    """Note that a process lives now (wall time), and how it is doing in a few words.

    Raises:
        DatabaseError, InterfaceError: the database is away.
    """
    beating(process, detail).say()


def beating(process: str, detail: str = "") -> Message:
    """Return the message that does so, for who asks something with it."""
    message = Message()
    message.add(_BEAT, [process, timezone.now(), detail[:LONGEST_DETAIL]])
    return message


def forget(process: str) -> None:
    """Take the sign of a process away that is not meant to run any more: it would be missed for ever."""
    Heartbeat.objects.filter(process=process).delete()
