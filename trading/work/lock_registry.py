"""Who holds which lock of the database, and who waits for whom; reads what PostgreSQL knows, and nothing else.

Advisory locks are those of the switch, the risk book, a symbol's exits, and of whoever works alone; row locks are
seen by those that wait for them. How long a lock is held PostgreSQL does not say: it is the age of the holder's
transaction, or of his last statement where a session's lock outlives it. Times are the database's.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.db import connection

from risk.services.locks import (
    ATTEMPT_LOCKS,
    BOOK_LOCK,
    FLATTEN_LOCK,
    PROCESS_LOCKS,
    PURSE_LOCK,
    STAGE_WORDS_LOCK,
    SWITCH_LOCK,
)

SWITCH, BOOK, WORDS, ALONE = "switch", "book", "words of the stages", "works alone"
FLATTEN, ATTEMPT, PURSE = "sale of everything", "an order", "purse of evaluations"
ROW, TRANSACTION = "row", "transaction"
# By class and number as pg_locks has them: a lock of one number is class 0, one of two has its own class.
_ONE_NUMBER: Mapping[int, str] = {
    SWITCH_LOCK: SWITCH,
    BOOK_LOCK: BOOK,
    FLATTEN_LOCK: FLATTEN,
    STAGE_WORDS_LOCK: WORDS,
    PURSE_LOCK: PURSE,
}
_TWO_NUMBERS: Mapping[int, str] = {PROCESS_LOCKS: ALONE, ATTEMPT_LOCKS: ATTEMPT}
# Seconds within which each is let go by what its holders do; a request to the broker ends within 10.
BOUNDS: Mapping[str, float] = {
    SWITCH: 15.0,
    FLATTEN: 15.0,
    ATTEMPT: 20.0,
    BOOK: 5.0,
    WORDS: 15.0,
    PURSE: 5.0,
    ROW: 5.0,
    TRANSACTION: 15.0,
}
OTHER_BOUND = 15.0
HELD_FOR_LIFE = frozenset({ALONE})  # by design: relay, consumer and notifier, as long as they run
LOCK_KINDS = tuple(BOUNDS)  # of which figures are kept
_TABLE = re.compile(r'(?:UPDATE|INTO|FROM)\s+"?(\w+)', re.IGNORECASE)
_SQL = """
SELECT l.locktype, l.classid::bigint, l.objid::bigint, l.objsubid, coalesce(c.relname, ''), l.mode, l.granted, l.pid,
       coalesce(a.application_name, ''), coalesce(a.state, ''), left(coalesce(a.query, ''), 2000),
       extract(epoch FROM clock_timestamp() - l.waitstart)::float,
       extract(epoch FROM clock_timestamp() - a.xact_start)::float,
       extract(epoch FROM clock_timestamp() - a.state_change)::float,
       CASE WHEN l.granted THEN '{}'::int[] ELSE pg_blocking_pids(l.pid) END
  FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid LEFT JOIN pg_class c ON c.oid = l.relation
 WHERE a.datname = current_database() AND l.pid <> pg_backend_pid()
   AND (l.locktype = 'advisory' OR NOT l.granted)
 ORDER BY l.pid
"""
_SESSIONS_SQL = """
SELECT pid, coalesce(application_name, ''), coalesce(state, '') FROM pg_stat_activity WHERE pid = ANY(%s)
"""
_IDLE_SQL = """
SELECT pid, coalesce(application_name, ''), state,
       extract(epoch FROM clock_timestamp() - state_change)::float
  FROM pg_stat_activity
 WHERE datname = current_database() AND pid <> pg_backend_pid() AND state LIKE 'idle in transaction%'
 ORDER BY pid
"""


@dataclass(frozen=True, slots=True)
class Session:
    """A connection to the database: ``application`` names the process, ``state`` what its backend does."""

    pid: int
    application: str
    state: str

    def __str__(self) -> str:
        return f"{self.application or 'somebody'} (backend {self.pid}, {self.state or 'state unknown'})"


@dataclass(frozen=True, slots=True)
class Hold:
    """A lock that is held; ``TRANSACTION``: one that is open and does nothing. ``is_shared``: others may, too."""

    lock: str
    session: Session
    seconds: float
    is_shared: bool = False

    @property
    def is_long(self) -> bool:
        """Whether it is held longer than what its holders do can take."""
        return self.lock not in HELD_FOR_LIFE and self.seconds > bound_of(self.lock)


@dataclass(frozen=True, slots=True)
class Wait:
    """Somebody who waits for a lock (``row of TABLE`` where it is a row's), and those before it."""

    lock: str
    session: Session
    seconds: float
    blocked_by: tuple[Session, ...]

    @property
    def is_long(self) -> bool:
        """Whether it waits longer than those before it should take."""
        return self.seconds > bound_of(self.lock)


@dataclass(frozen=True, slots=True)
class Locks:
    """The locks at one moment."""

    holds: tuple[Hold, ...]
    waits: tuple[Wait, ...]

    @property
    def long_ones(self) -> tuple[Hold | Wait, ...]:
        """What is held or waited for past its bound, the longest first."""
        entries: tuple[Hold | Wait, ...] = (*self.holds, *self.waits)
        found = [each for each in entries if each.is_long]
        return tuple(sorted(found, key=lambda each: -each.seconds))

    def longest_hold(self, lock: str) -> float:
        """Return for how many seconds a lock of this name is held the longest, 0 where none is."""
        return max((hold.seconds for hold in self.holds if hold.lock == lock), default=0.0)

    def longest_wait(self, lock: str) -> float:
        """Return for how many seconds somebody waits the longest for a lock of this name (or kind)."""
        return max((wait.seconds for wait in self.waits if kind_of(wait.lock) == lock), default=0.0)


def read_locks() -> Locks:
    """Read who holds and who waits."""
    with connection.cursor() as cursor:
        cursor.execute(_SQL)
        rows = [_Row(*row) for row in cursor.fetchall()]
        cursor.execute(_SESSIONS_SQL, [[pid for row in rows for pid in row.blocked_by]])
        sessions = {pid: Session(pid, application, state) for pid, application, state in cursor.fetchall()}
        cursor.execute(_IDLE_SQL)
        idle = [
            Hold(TRANSACTION, Session(pid, application, state), seconds or 0.0)
            for pid, application, state, seconds in cursor.fetchall()
        ]
    return Locks((*_holds(rows), *idle), tuple(_waits(rows, sessions)))


def kind_of(lock: str) -> str:
    """Return the name by which locks are counted: all rows are one kind."""
    return ROW if lock.startswith(ROW) else lock


def bound_of(lock: str) -> float:
    """Return the seconds after which holding or waiting is too long."""
    return BOUNDS.get(kind_of(lock), OTHER_BOUND)


def words_of(entry: Hold | Wait) -> str:
    """Return a sentence of it, with the backends that it is about."""
    if isinstance(entry, Wait):
        behind = " and ".join(str(session) for session in entry.blocked_by) or "nobody any more"
        return f"{entry.session} waits for {entry.lock} since {entry.seconds:.0f} s, behind {behind}"
    if entry.lock == TRANSACTION:
        return f"{entry.session} has left a transaction open since {entry.seconds:.0f} s"
    return f"{entry.session} holds {entry.lock} since {entry.seconds:.0f} s"


@dataclass(frozen=True, slots=True)
class _Row:
    kind: str
    class_id: int | None
    number: int | None
    key_form: int | None
    relation: str
    mode: str
    granted: bool
    pid: int
    application: str
    state: str
    query: str
    waited: float | None
    transaction_age: float | None
    state_age: float | None
    blocked_by: Any

    @property
    def session(self) -> Session:
        return Session(self.pid, self.application, self.state)

    @property
    def name(self) -> str:
        if self.kind == "relation":
            return f"table {self.relation}"
        if self.kind != "advisory":
            if self.relation:
                return f"{ROW} of {self.relation}"
            table = _TABLE.search(self.query)
            return f"{ROW} of {table.group(1)}" if table else ROW
        if self.key_form == 1:
            number = ((self.class_id or 0) << 32) | (self.number or 0)
            return _ONE_NUMBER.get(number, f"advisory {number}")
        return _TWO_NUMBERS.get(self.class_id or 0, f"advisory {self.class_id}, {self.number}")


def _holds(rows: list[_Row]) -> Iterator[Hold]:
    for row in rows:
        if row.granted:
            # A session's lock outlives its statement: since that ended it is held at least.
            age = row.transaction_age if row.transaction_age is not None else row.state_age
            yield Hold(row.name, row.session, max(age or 0.0, 0.0), is_shared=row.mode == "ShareLock")


def _waits(rows: list[_Row], sessions: Mapping[int, Session]) -> Iterator[Wait]:
    for row in rows:
        if not row.granted:
            before = tuple(sessions.get(pid, Session(pid, "", "")) for pid in dict.fromkeys(row.blocked_by))
            yield Wait(row.name, row.session, max(row.waited or 0.0, 0.0), before)
