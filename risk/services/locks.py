"""All advisory locks of the database: their numbers, and the one order in which locks are taken.

A transaction's lock ends with the transaction, a session's with the session: a killed process never keeps one, and
``risk.services.holders`` ends the session of one that was stopped. Senders use session locks, because they hold
them around a request to the broker and must not keep a transaction open that long.

Whoever takes several takes them in this order, so that no two wait for each other:

1. ``PROCESS_LOCKS``  session: the only process of its kind, for as long as it lives (``trading.core.process_lock``)
2. ``FLATTEN_LOCK``   session: the sale of everything
3. ``ATTEMPT_LOCKS``  session: the work on one order, from its claim to the record of the answer
4. ``SWITCH_LOCK``    session, shared: a request to the broker is on its way; nothing is waited for while it is held
5. ``BOOK_LOCK``      transaction: the account's risk book, from reading it to the reservation
6. rows: agent status or cycle, approval, order, saga, position (``trading.core.row_locks``)
7. ``STAGE_WORDS_LOCK`` transaction: the notes of changed facts are taken (``trading.queries.stage_words``); no other
   lock is held then but rows of decisions
8. ``PURSE_LOCK``     transaction: the day's purse of evaluations (``evaluation.services.purse``); no other is held then

Numbers 1 to 3 and 7 are only tried, never waited for: where another has it, this process leaves. Row locks of number 6
that one transaction never takes together have no order among themselves.
"""

import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from uuid import UUID

import structlog
from django.db import DatabaseError, InterfaceError, connection

from risk.services.soft_limit import soft_limit_held_off

log = structlog.get_logger(__name__)

# Of one number.
BOOK_LOCK = 0x7261_0001
SWITCH_LOCK = 0x7261_0002
FLATTEN_LOCK = 0x7261_0003
STAGE_WORDS_LOCK = 0x7472_0001
PURSE_LOCK = 0x4556_0001
# The first of two numbers; the second says which one of them.
ATTEMPT_LOCKS = 0x7261  # and a number made of the order's id
PROCESS_LOCKS = 0x4556  # and hashtext of the process's name
_TRIED = ("pg_try_advisory_lock", "pg_advisory_unlock")
_SHARED = ("pg_advisory_lock_shared", "pg_advisory_unlock_shared")
# The server would warn of one that is not held. A lock of one number has it in ``objid`` and 1 in ``objsubid``.
_GIVE_WHAT_IS_HELD = """
SELECT CASE objsubid WHEN 2 THEN pg_advisory_unlock(%(first)s, %(second)s)
    ELSE pg_advisory_unlock_shared(%(switch)s) END
FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid() AND granted
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND (classid = %(first)s AND objid = %(unsigned)s AND objsubid = 2
        OR classid = 0 AND objid = %(switch)s AND objsubid = 1 AND mode = 'ShareLock')
"""
NUMBERS = frozenset(
    {BOOK_LOCK, SWITCH_LOCK, FLATTEN_LOCK, ATTEMPT_LOCKS, PROCESS_LOCKS, STAGE_WORDS_LOCK, PURSE_LOCK}
)


# The statement by which the account's risk book is waited for, and held until the surrounding transaction ends, for
# who says it with what is read after it.
WAIT_FOR_BOOK = ("SELECT pg_advisory_xact_lock(%s)", (BOOK_LOCK,))


def lock_book() -> None:
    """Wait for the account's risk book and hold it until the surrounding transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute(*WAIT_FOR_BOOK)


def lock_purse() -> None:
    """Wait for the purse of evaluations and hold it until the surrounding transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [PURSE_LOCK])


@dataclass(slots=True)
class Held:
    """A session's lock during its block; false where another has it.

    Args:
        take: the call by which it is taken, and ``give`` the one by which it is given back, with ``values`` by name.
            Who makes the latter in a message of his own says so by ``is_given``.
    """

    take: str
    give: str
    values: Mapping[str, int]
    is_taken: bool = False
    is_given: bool = False

    def __bool__(self) -> bool:
        """Tell whether it was taken."""
        return self.is_taken


@contextmanager
def switch_shared() -> Iterator[Held]:
    """Be seen as a sender: whoever engages the switch waits for us, or ends our session.

    Nobody takes this lock alone, so nothing ever waits for it here.
    """
    with _session_lock(*_SHARED, [SWITCH_LOCK]) as held:
        yield held


@contextmanager
def attempt_alone(order_id: UUID) -> Iterator[Held]:
    """Be the only one at work on an order; false where somebody else is, and nothing is held then."""
    with _session_lock(*_TRIED, [ATTEMPT_LOCKS, attempt_key(order_id)]) as held:
        yield held


@contextmanager
def attempt_begun(order_id: UUID, claim: Callable[[Held, Held], bool]) -> Iterator[tuple[Held, Held]]:
    """Be the only one at work on an order, and be seen as a sender: both are taken by one message of the caller's.

    Args:
        claim: says a message that takes the first lock, claims the order where that was taken, and takes the switch's
            where it was claimed; returns whether it was. What the session holds where it was not, or raised, is looked
            up and given back.
    """
    alone = _unheld(*_TRIED, [ATTEMPT_LOCKS, attempt_key(order_id)])
    sends = _unheld(*_SHARED, [SWITCH_LOCK])
    with soft_limit_held_off():
        is_certain = False
        try:
            alone.is_taken = sends.is_taken = is_certain = claim(alone, sends)
        finally:
            if not is_certain:
                _give_back_what_is_held(order_id)
        with given_back(alone), given_back(sends):
            yield alone, sends


@contextmanager
def given_back(held: Held) -> Iterator[Held]:
    """Give a lock that is held back at the end of the block, where it was not before."""
    try:
        yield held
    finally:
        if held.is_taken and not held.is_given:
            held.is_given = True
            _give_back(held)


def _give_back_what_is_held(order_id: UUID) -> None:
    """Give back what this session has of the lock on an attempt and the switch's; only its end is surer."""
    key = attempt_key(order_id)
    values = {"first": ATTEMPT_LOCKS, "second": key, "unsigned": key % (1 << 32), "switch": SWITCH_LOCK}
    try:
        with connection.cursor() as cursor:
            cursor.execute(_GIVE_WHAT_IS_HELD, values)
    except (DatabaseError, InterfaceError) as error:
        log.warning("session_ended_with_its_locks", error=str(error).strip())
        connection.close()


@contextmanager
def flatten_alone() -> Iterator[Held]:
    """Be the only one who sells everything; false where somebody else is at it."""
    with _session_lock(*_TRIED, [FLATTEN_LOCK]) as held:
        yield held


@contextmanager
def patience(seconds: float) -> Iterator[None]:
    """Wait for no lock longer than ``seconds`` during the block; what waits longer raises ``OperationalError``."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('lock_timeout', %s, false)", [f"{int(seconds * 1000)}ms"])
    try:
        yield
    finally:
        with suppress(DatabaseError, InterfaceError), connection.cursor() as cursor:
            cursor.execute("RESET lock_timeout")  # a session that ended begins anew with its own


def attempt_key(order_id: UUID) -> int:
    """Return an order's second key, a signed 32 bit number; two orders that share one only wait a little."""
    unsigned = zlib.crc32(order_id.bytes)
    return unsigned - (1 << 32) if unsigned >= 1 << 31 else unsigned


@contextmanager
def _session_lock(take: str, give: str, keys: Sequence[int]) -> Iterator[Held]:
    """Hold a session's lock during the block; yield it, taken or not.

    It cannot leak: where taking it ended in an exception, it may have been granted all the same, and only the
    session's end is sure to give it back. A session that was ended meanwhile has given it back already.
    """
    with soft_limit_held_off():
        is_certain = False
        held = _unheld(take, give, keys)
        try:
            held.is_taken = _call(take, keys) is not False  # void where it waits, a boolean where it tries
            is_certain = True
            with given_back(held):
                yield held
        finally:
            if not is_certain:
                connection.close()


def _unheld(take: str, give: str, keys: Sequence[int]) -> Held:
    values = {f"lock_{keys[0]}_{number}": key for number, key in enumerate(keys)}
    marks = ", ".join(f"%({name})s" for name in values)
    return Held(take=f"{take}({marks})", give=f"{give}({marks})", values=values)


def _give_back(held: Held) -> None:
    try:
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT {held.give}", held.values)
    except (DatabaseError, InterfaceError) as error:
        operation = held.give.partition("(")[0]
        log.warning("session_ended_with_its_lock", error=str(error).strip(), operation=operation)
        connection.close()


def _call(function: str, keys: Sequence[int]) -> object:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {function}({', '.join(['%s'] * len(keys))})", list(keys))
        return cursor.fetchone()[0]
