"""The switch's advisory lock: submits share it, an engage has it alone, the dead do not hold it."""

import threading

import pytest
from django.db import connection, transaction

from risk.services import locks
from tests.risk.threads import THREAD_SECONDS, at_once, beside, wait_for_blocked

pytestmark = pytest.mark.django_db(transaction=True)


def test_shared_holders_do_not_wait_for_each_other() -> None:
    all_inside = threading.Barrier(8)

    def work(_: int) -> int:
        with locks.switch_shared():
            return all_inside.wait(THREAD_SECONDS)

    assert sorted(at_once(8, work)) == list(range(8))


def take_exclusive() -> str:
    with locks.switch_exclusive():
        return "had it"


def test_exclusive_waits_for_a_shared_holder() -> None:
    locked = locks.switch_shared()
    locked.__enter__()

    with beside(take_exclusive) as other:
        wait_for_blocked()
        waited = not other.done()
        locked.__exit__(None, None, None)
        assert other.result(THREAD_SECONDS) == "had it"

    assert waited


def test_new_shared_holder_waits_behind_an_exclusive_one() -> None:
    def take_shared() -> str:
        with locks.switch_shared():
            return "had it"

    with locks.switch_exclusive(), beside(take_shared) as other:
        wait_for_blocked()
        assert not other.done()
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [locks.SWITCH_LOCK])
        assert other.result(THREAD_SECONDS) == "had it"


def test_lock_dies_with_its_connection() -> None:
    held, done = threading.Event(), threading.Event()

    def hold_and_die() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock_shared(%s)", [locks.SWITCH_LOCK])
        held.set()
        done.wait(THREAD_SECONDS)
        connection.close()  # without unlocking: what the kernel does for a killed process

    with beside(hold_and_die):
        assert held.wait(THREAD_SECONDS)
        with beside(take_exclusive) as engage:
            wait_for_blocked()
            assert not engage.done()
            done.set()
            assert engage.result(THREAD_SECONDS) == "had it"


def test_lock_is_given_back_when_the_request_fails() -> None:
    with pytest.raises(RuntimeError, match="broker"), locks.switch_shared():
        raise RuntimeError("broker")

    with beside(take_exclusive) as other:
        assert other.result(THREAD_SECONDS) == "had it"


def test_book_lock_is_held_until_the_transaction_ends() -> None:
    def take_book() -> str:
        with transaction.atomic():
            locks.lock_book()
            return "had it"

    with transaction.atomic():
        locks.lock_book()
        waiting = beside(take_book)
        other = waiting.__enter__()
        wait_for_blocked()
        assert not other.done()
    assert other.result(THREAD_SECONDS) == "had it"
    waiting.__exit__(None, None, None)
