"""Work in threads that each have a database connection of their own."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import TypeVar

from django.db import DatabaseError, InterfaceError, connection

from tests.waiting import wait_until

T = TypeVar("T")
THREAD_SECONDS = 120.0


def at_once(count: int, work: Callable[[int], T]) -> list[T]:
    """Run ``work(0)`` to ``work(count - 1)`` at the same time; return their results in order.

    Raises:
        Exception: what the first failing one raised.
    """
    barrier = threading.Barrier(count)

    def begin(number: int) -> T:
        try:
            connection.ensure_connection()
            barrier.wait(THREAD_SECONDS)
            return work(number)
        finally:
            connection.close()

    with ThreadPoolExecutor(count) as pool:
        futures = [pool.submit(begin, number) for number in range(count)]
        return [future.result(THREAD_SECONDS) for future in futures]


@contextmanager
def beside(work: Callable[[], T]) -> Iterator[Future[T]]:
    """Run ``work`` in a thread while the block runs; wait for its end after it."""

    def begin() -> T:
        try:
            return work()
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(begin)
        yield future
        future.result(THREAD_SECONDS)


def waiters() -> int:
    """Return how many sessions wait for the end of this one's transaction."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'"
            " AND transactionid = pg_current_xact_id()::xid"
        )
        return int(cursor.fetchone()[0])


@contextmanager
def held_beside(hold: Callable[[], AbstractContextManager[object]]) -> Iterator[threading.Event]:
    """Hold something in a thread of its own, which says nothing, during the block; the event ends it earlier."""
    inside, done = threading.Event(), threading.Event()

    def work() -> None:
        with suppress(DatabaseError, InterfaceError), hold():
            inside.set()
            done.wait(THREAD_SECONDS)

    with beside(work):
        try:
            assert inside.wait(THREAD_SECONDS)
            yield done
        finally:
            done.set()


def blocked_backends() -> int:
    """Return how many lock requests wait in this database; beside it the server has those of other processes' tests.

    A lock of a row or a transaction names no database, but who waits for one has the row's table open.
    pg_stat_activity would be frozen within a transaction.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_locks w WHERE NOT granted AND EXISTS (SELECT FROM pg_locks o, pg_database d"
            " WHERE o.pid = w.pid AND o.database = d.oid AND d.datname = current_database())"
        )
        return int(cursor.fetchone()[0])


def wait_for_blocked(count: int = 1) -> None:
    """Wait until ``count`` connections wait for a lock."""
    wait_until(lambda: blocked_backends() >= count, what=f"{count} blocked connections")
