"""The senders' locks: seen by whoever engages, never leaked, never kept by the dead or by one that was shut out."""

import os
import signal
import threading
from uuid import uuid4

import pytest
from django.db import DatabaseError, InterfaceError, OperationalError, connection, transaction

from risk.services import holders, locks
from risk.services.holders import Silence, end_session
from tests.risk.threads import THREAD_SECONDS, at_once, beside, held_beside, wait_for_blocked
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)


def nobody_holds() -> bool:
    return holders.holders() == {}


def test_shared_holders_do_not_wait_for_each_other() -> None:
    all_inside = threading.Barrier(8)

    def work(_: int) -> int:
        with locks.switch_shared():
            return all_inside.wait(THREAD_SECONDS)

    assert sorted(at_once(8, work)) == list(range(8))


def test_sender_is_seen_until_it_ends() -> None:
    with held_beside(locks.switch_shared):
        seen = list(holders.holders().values())

    assert [(held.is_sender, held.is_selling_all) for held in seen] == [(True, False)]
    wait_until(nobody_holds, what="the lock is given back")


def test_own_session_is_no_holder_to_wait_for() -> None:
    with locks.switch_shared():
        assert nobody_holds()


def test_silence_counts_by_our_own_clock_and_begins_anew_with_each_statement() -> None:
    now, speak, spoken, done = [100.0], threading.Event(), threading.Event(), threading.Event()
    inside = threading.Event()

    def hold() -> None:
        with locks.switch_shared():
            inside.set()
            speak.wait(THREAD_SECONDS)
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")
            spoken.set()
            done.wait(THREAD_SECONDS)

    silence = Silence(clock=lambda: now[0])
    with beside(hold):
        assert inside.wait(THREAD_SECONDS)
        first = [seconds for _, seconds in silence.look().values()]
        now[0] = 107.5
        later = [seconds for _, seconds in silence.look().values()]
        speak.set()
        assert spoken.wait(THREAD_SECONDS)
        anew = [seconds for _, seconds in silence.look().values()]
        done.set()

    assert (first, later, anew) == ([0.0], [7.5], [0.0])


def test_ended_session_has_nothing_and_can_say_nothing_any_more() -> None:
    inside, go_on = threading.Event(), threading.Event()

    def hold() -> str:
        with locks.switch_shared():
            inside.set()
            go_on.wait(THREAD_SECONDS)
            try:
                with connection.cursor() as cursor:
                    cursor.execute("SELECT 1")
            except (DatabaseError, InterfaceError):
                return "shut out"
        return "spoke"

    with beside(hold) as held:
        assert inside.wait(THREAD_SECONDS)
        [session] = holders.holders()
        assert end_session(session)
        wait_until(nobody_holds, what="the lock is free")
        go_on.set()
        assert held.result(THREAD_SECONDS) == "shut out"


def test_giving_back_a_lock_that_went_with_its_session_is_no_error() -> None:
    with held_beside(locks.switch_shared) as done:
        [session] = holders.holders()
        end_session(session)
        done.set()  # leaving the block raises in the thread, were it an error


def test_session_that_spoke_meanwhile_is_not_ended() -> None:
    speak, spoken, done, inside = (threading.Event() for _ in range(4))

    def hold() -> int:
        with locks.switch_shared():
            inside.set()
            speak.wait(THREAD_SECONDS)
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")
            spoken.set()
            done.wait(THREAD_SECONDS)
            with connection.cursor() as cursor:
                cursor.execute("SELECT 2")
                return int(cursor.fetchone()[0])

    with beside(hold) as held:
        assert inside.wait(THREAD_SECONDS)
        [session] = holders.holders()
        speak.set()
        assert spoken.wait(THREAD_SECONDS)
        end_session(session)
        done.set()
        assert held.result(THREAD_SECONDS) == 2


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
        assert not nobody_holds()
        done.set()
        wait_until(nobody_holds, what="the lock dies")


def test_lock_is_given_back_when_the_request_fails() -> None:
    def fail() -> None:
        with pytest.raises(RuntimeError, match="broker"), locks.switch_shared():
            raise RuntimeError("broker")
        assert connection.connection is not None  # in order: the session is kept

    with beside(fail):
        pass
    wait_until(nobody_holds, what="the lock is given back")


def test_lock_that_was_granted_to_an_interrupted_caller_ends_with_its_session(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    really = locks._call

    def granted_then_interrupted(function: str, keys: list[int]) -> object:
        really(function, keys)
        raise TimeoutError("the soft limit, right after the grant")

    def take() -> bool:
        monkeypatch.setattr(locks, "_call", granted_then_interrupted)
        with pytest.raises(TimeoutError), locks.switch_shared():
            pass
        return connection.connection is None

    with beside(take) as taking:
        assert taking.result(THREAD_SECONDS)
    wait_until(nobody_holds, what="the session ends, and its lock")


def test_soft_limit_is_held_off_until_the_lock_is_given_back() -> None:
    class SoftLimitError(Exception):
        pass

    def raise_it(*_: object) -> None:
        raise SoftLimitError

    seen: list[str] = []

    def go_on_under_the_locks() -> None:
        with locks.attempt_alone(uuid4()), locks.switch_shared():
            os.kill(os.getpid(), signal.SIGUSR1)
            seen.append("went on")

    before = signal.signal(signal.SIGUSR1, raise_it)
    try:
        with pytest.raises(SoftLimitError):
            go_on_under_the_locks()
    finally:
        signal.signal(signal.SIGUSR1, before)

    assert seen == ["went on"]
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()")
        assert cursor.fetchone()[0] == 0


def test_one_at_a_time_is_at_an_order_and_others_are_at_others() -> None:
    mine, another = uuid4(), uuid4()

    def attempt(order_id: object) -> bool:
        with locks.attempt_alone(order_id) as is_alone:  # type: ignore[arg-type]
            return bool(is_alone)

    with locks.attempt_alone(mine) as is_alone:
        assert is_alone
        with beside(lambda: attempt(mine)) as same, beside(lambda: attempt(another)) as other:
            assert (same.result(THREAD_SECONDS), other.result(THREAD_SECONDS)) == (False, True)
    with beside(lambda: attempt(mine)) as later:
        assert later.result(THREAD_SECONDS)


def test_attempt_is_seen_by_the_key_of_its_order() -> None:
    order_id = uuid4()

    with held_beside(lambda: locks.attempt_alone(order_id)):
        [held] = holders.holders().values()

    assert held.attempts == {locks.attempt_key(order_id)}


def test_patience_with_locks_ends_and_is_as_before_afterwards() -> None:
    def wait_a_moment() -> str:
        with locks.patience(0.2), pytest.raises(OperationalError, match="lock timeout"), transaction.atomic():
            locks.lock_book()
        with connection.cursor() as cursor:
            cursor.execute("SHOW lock_timeout")
            return str(cursor.fetchone()[0])

    with transaction.atomic():
        locks.lock_book()
        with beside(wait_a_moment) as other:
            assert other.result(THREAD_SECONDS) == "15s"


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
