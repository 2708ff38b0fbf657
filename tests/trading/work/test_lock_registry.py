"""The lock registry: who holds and who waits, by name, and for how long."""

import os
import threading
from collections.abc import Callable

import pytest
from django.db import connection, transaction

from risk.services import locks
from tests.factories import make_agent
from tests.risk.threads import beside, wait_for_blocked
from tests.trading.lock_holders import held, hold_agent, hold_alone, hold_book, hold_switch
from trading.models import AgentStatus
from trading.work import lock_registry
from trading.work.lock_registry import Hold, Locks, Session, Wait, bound_of, read_locks, words_of

pytestmark = pytest.mark.django_db(transaction=True)


def test_connections_say_which_process_opened_them() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SHOW application_name")
        name = cursor.fetchone()[0]

    assert name.startswith("orchestrator ")
    assert name.endswith(f" {os.getpid()}")


def test_at_rest_nothing_is_held_and_nobody_waits() -> None:
    found = read_locks()

    assert (found.holds, found.waits, found.long_ones) == ((), (), ())


@pytest.mark.parametrize(
    ("hold", "name", "is_shared", "state"),
    [
        (hold_switch, "switch", True, "idle"),
        (hold_book, "book", False, "idle in transaction"),
        (hold_alone, "works alone", False, "idle"),
    ],
)
def test_each_lock_has_its_name_its_holder_and_its_age(
    hold: Callable[[threading.Event, threading.Event], None], name: str, is_shared: bool, state: str
) -> None:
    with held(hold):
        found = read_locks()

    mine = [entry for entry in found.holds if entry.lock == name]
    assert [(entry.is_shared, entry.session.state) for entry in mine] == [(is_shared, state)]
    assert mine[0].seconds >= 0
    assert mine[0].session.application.startswith("orchestrator ")
    assert found.longest_hold(name) == mine[0].seconds


def test_who_waits_for_the_book_and_behind_whom() -> None:
    def judge() -> None:
        with transaction.atomic():
            locks.lock_book()

    with held(hold_book) as may_go, beside(judge):
        wait_for_blocked()
        found = read_locks()
        may_go.set()

    (hold,), (wait,) = [entry for entry in found.holds if entry.lock == "book"], found.waits
    assert (wait.lock, wait.blocked_by) == ("book", (hold.session,))
    assert found.longest_wait("book") == wait.seconds
    assert "waits for book since 0 s, behind orchestrator " in words_of(wait)


def test_a_row_that_somebody_waits_for_has_its_tables_name() -> None:
    make_agent()

    def write() -> None:
        AgentStatus.objects.filter(pk=1).update(position_count=1)

    with held(hold_agent) as may_go, beside(write):
        wait_for_blocked()
        found = read_locks()
        may_go.set()

    (wait,) = found.waits
    assert wait.lock == "row of agent_status"
    assert wait.blocked_by[0].state == "idle in transaction"
    assert found.longest_hold("transaction") >= 0
    assert [entry.lock for entry in found.holds] == ["transaction"]


SOMEBODY = Session(7, "orchestrator worker 12", "idle in transaction")


@pytest.mark.parametrize(
    ("entry", "is_long"),
    [
        (Hold("switch", SOMEBODY, 14.0), False),
        (Hold("switch", SOMEBODY, 16.0), True),
        (Hold("book", SOMEBODY, 6.0), True),
        (Hold("transaction", SOMEBODY, 14.0), False),
        (Hold("transaction", SOMEBODY, 16.0), True),
        (Hold("works alone", SOMEBODY, 10_000.0), False),
        (Hold("advisory 5", SOMEBODY, 16.0), True),
        (Wait("row of agent_status", SOMEBODY, 4.0, ()), False),
        (Wait("row of agent_status", SOMEBODY, 6.0, ()), True),
    ],
)
def test_each_lock_has_its_bound(entry: Hold | Wait, is_long: bool) -> None:
    assert entry.is_long is is_long
    assert bool(Locks(*(((entry,), ()) if isinstance(entry, Hold) else ((), (entry,)))).long_ones) is is_long


def test_the_longest_comes_first_and_all_rows_are_one_kind() -> None:
    row, book = Wait("row of orders", SOMEBODY, 20.0, ()), Hold("book", SOMEBODY, 30.0)

    found = Locks((book,), (row,))

    assert found.long_ones == (book, row)
    assert found.longest_wait(lock_registry.ROW) == 20.0
    assert bound_of("row of orders") == bound_of("row")
    assert words_of(book) == "orchestrator worker 12 (backend 7, idle in transaction) holds book since 30 s"
