"""List who holds the senders' locks and for how long in silence, and end the session of one that does not end.

A sender's session says nothing while its request is under way: the statement before it was the proof that it may
send. The same session with the same last statement is the same request; any later statement of it was begun after
we looked, and meets what is committed by then.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from django.db import connection

from risk.services.locks import ATTEMPT_LOCKS, FLATTEN_LOCK, SWITCH_LOCK

# Within a transaction, and two in one message are one, activity is frozen otherwise.
_HOLDERS = """
SELECT pg_stat_clear_snapshot();
SELECT l.classid::bigint, l.objid::bigint, l.pid, a.application_name, a.backend_start, a.query_start
FROM pg_locks l JOIN pg_stat_activity a USING (pid)
WHERE l.locktype = 'advisory' AND l.granted AND l.pid <> pg_backend_pid()
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND ((l.classid = 0 AND l.objid IN (%s, %s) AND l.objsubid = 1) OR (l.classid = %s AND l.objsubid = 2))
"""
_END = """
SELECT pg_terminate_backend(pid, 1000) FROM pg_stat_activity
WHERE pid = %s AND backend_start = %s AND query_start IS NOT DISTINCT FROM %s
"""


@dataclass(frozen=True, slots=True)
class Session:
    """A session as its last statement left it."""

    pid: int
    application: str
    began_at: datetime
    last_statement_at: datetime | None


@dataclass(frozen=True, slots=True)
class Holds:
    """What a session holds: the switch's lock, the flatten's, and the keys of the orders it is at."""

    is_sender: bool
    is_selling_all: bool
    attempts: frozenset[int]


class Silence:
    """How long each holder has been silent, by this process's own clock: no other clock is asked."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since: dict[Session, float] = {}

    def look(self) -> dict[Session, tuple[Holds, float]]:
        """Return all holders with what they hold, and for how many seconds we have seen them so."""
        now, found = self._clock(), holders()
        self._since = {session: self._since.get(session, now) for session in found}
        return {session: (holds, now - self._since[session]) for session, holds in found.items()}


def holders() -> dict[Session, Holds]:
    """Return the other sessions that hold a sender's lock now."""
    with connection.cursor() as cursor:
        cursor.execute(_HOLDERS, [SWITCH_LOCK, FLATTEN_LOCK, ATTEMPT_LOCKS])
        rows = cursor.fetchall()
    held: dict[Session, list[tuple[int, int]]] = {}
    for classid, objid, *session in rows:
        held.setdefault(Session(*session), []).append((classid, objid))
    return {
        session: Holds(
            is_sender=(0, SWITCH_LOCK) in keys,
            is_selling_all=(0, FLATTEN_LOCK) in keys,
            attempts=frozenset(_signed(objid) for classid, objid in keys if classid == ATTEMPT_LOCKS),
        )
        for session, keys in held.items()
    }


def end_session(session: Session) -> bool:
    """End a session that has said nothing since we saw it; return whether it is gone.

    Its locks are free then. What it held it can never use again: no statement of it is answered any more.
    """
    with connection.cursor() as cursor:
        cursor.execute(_END, [session.pid, session.began_at, session.last_statement_at])
        row = cursor.fetchone()
    return row is None or bool(row[0])


def _signed(key: int) -> int:
    return key - (1 << 32) if key >= 1 << 31 else key
