"""The sweeper's own looks: the loss limit without cycles, and troubles of the system told once each way."""

import threading
from collections.abc import Callable
from threading import Thread
from typing import Any

import pytest
from django_celery_beat.models import PeriodicTask

from orchestrator_project.management.commands.sweeper import Command
from orchestrator_project.runtime.prepare import seed
from tests.factories import make_agent, make_engagement
from tests.risk.threads import THREAD_SECONDS
from tests.trading.lock_holders import held, hold_agent
from tests.trading.outside import Outside
from tests.trading.scenes import ago
from tests.waiting import wait_until
from trading.core.settings import CYCLE_SCHEDULE, set_runtime_setting
from trading.execution.portfolio import sync_portfolio
from trading.models import AgentStatus, EquitySnapshot, Event
from trading.work import conditions, disk_space, lock_registry, lookout
from trading.work.lookout import Lookout

pytestmark = pytest.mark.django_db


class Clock:
    """Steady seconds, moved by hand."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


class Rounds:
    """A sweeper's rounds of looks, each in the round itself; ``looks`` counts those at the account."""

    def __init__(self, work: Callable[[], None] | None = None) -> None:
        self.clock = Clock()
        self.looks = 0
        self._work = work
        self.lookout = Lookout(clock=self.clock, start=self._start)

    def _start(self, look: Callable[[], None]) -> Thread | None:
        self.looks += 1
        (self._work or look)()
        return None

    def after(self, seconds: float) -> int:
        """Do a round so much later; return how many looks at the account there were by then."""
        self.clock.seconds += seconds
        self.lookout.look()
        return self.looks


@pytest.fixture(autouse=True)
def room(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The disk, as full as a test wants it."""
    found = {"free": 10 * disk_space.LOW_BYTES}
    monkeypatch.setattr(disk_space, "free_bytes", lambda: found["free"])
    return found


def nothing() -> None:
    """Look at the account, and have no answer."""


def synced() -> None:
    AgentStatus.objects.filter(pk=1).update(positions_as_of=ago(seconds=0))


def told(condition: conditions.Condition) -> list[str]:
    found = Event.objects.filter(aggregate_type=conditions.AGGREGATE, aggregate_id=condition.name)
    return list(found.order_by("sequence").values_list("type", flat=True))


def test_two_silent_intervals_and_the_sweeper_looks_itself_once_an_interval() -> None:
    make_agent(positions_as_of=ago(seconds=0))
    rounds = Rounds(nothing)

    assert [rounds.after(seconds) for seconds in (0, 119, 1, 1, 58, 1, 60)] == [0, 0, 1, 1, 1, 2, 3]


def test_a_cycle_that_syncs_keeps_the_sweeper_from_looking() -> None:
    make_agent()
    rounds = Rounds(nothing)
    for _ in range(10):
        rounds.after(60)
        synced()

    assert rounds.after(60) == 0


def test_its_own_sync_is_one_and_the_next_comes_two_intervals_later() -> None:
    make_agent()
    rounds = Rounds(synced)

    assert [rounds.after(seconds) for seconds in (0, 120, 1, 119, 1, 119)] == [0, 1, 1, 1, 2, 2]


def test_intervals_follow_the_setting() -> None:
    make_agent()
    set_runtime_setting(name="cycle_interval", value="300", actor="test")
    rounds = Rounds(nothing)

    assert [rounds.after(seconds) for seconds in (0, 599, 1)] == [0, 0, 1]


@pytest.mark.parametrize("hours", [-2, 2])
def test_a_clock_that_was_set_neither_delays_a_look_nor_brings_one(hours: int) -> None:
    """A sync is known by its mark, silence by the steady clock: what time it says does not matter."""
    make_agent(positions_as_of=ago(hours=hours))
    rounds = Rounds(nothing)
    assert rounds.after(0) == rounds.after(119) == 0

    assert rounds.after(1) == 1
    AgentStatus.objects.filter(pk=1).update(positions_as_of=ago(hours=-hours))
    assert [rounds.after(seconds) for seconds in (1, 118, 1, 1)] == [1, 1, 1, 2]


def test_a_look_that_hangs_keeps_no_round_and_is_not_begun_again() -> None:
    make_agent()
    may_go = threading.Event()
    looks: list[Thread] = []

    def start(_: Callable[[], None]) -> Thread:
        looks.append(Thread(target=may_go.wait, args=(THREAD_SECONDS,), daemon=True))
        looks[-1].start()
        return looks[-1]

    clock = Clock()
    watched = Lookout(clock=clock, start=start)
    for _ in range(6):
        watched.look()
        clock.seconds += 60
    begun = len(looks)
    may_go.set()
    looks[0].join(THREAD_SECONDS)
    watched.look()

    assert (begun, len(looks)) == (1, 2)
    assert told(conditions.SYNC) == ["sync.overdue"]


def test_an_engaged_switch_does_not_end_the_looks(account: Outside) -> None:
    sync_portfolio(None)
    make_engagement()
    rounds = Rounds()
    rounds.after(0)

    rounds.after(120)
    rounds.after(1)
    rounds.after(120)

    assert EquitySnapshot.objects.count() == 3


def test_a_broker_that_is_away_is_counted_and_ends_no_round(account: Outside) -> None:
    make_agent(positions_as_of=ago(minutes=4))
    account.venue.fault(kind="error", route="GET /v2/account")
    rounds = Rounds()
    rounds.after(0)

    rounds.after(120)

    assert Event.objects.filter(type="critical_error.account_sync").count() == 1
    assert rounds.after(60) == 2


def test_where_no_broker_is_configured_the_round_goes_on() -> None:
    make_agent()
    rounds = Rounds()

    assert [rounds.after(0), rounds.after(120)] == [0, 1]


@pytest.mark.django_db(transaction=True)
def test_beside_the_round_with_a_connection_of_its_own(threaded_account: Outside) -> None:
    sync_portfolio(None)
    clock = Clock()
    watched = Lookout(clock=clock)
    watched.look()
    clock.seconds += 120

    watched.look()

    wait_until(lambda: EquitySnapshot.objects.count() == 2, what="the look beside the round")


def test_a_silence_is_told_once_and_its_end_once() -> None:
    make_agent()
    rounds = Rounds(nothing)
    for seconds in (0, 120, 29):
        rounds.after(seconds)
    before = told(conditions.SYNC)
    for seconds in (1, 60, 60):
        rounds.after(seconds)
    during = told(conditions.SYNC)
    synced()
    for seconds in (6, 6):
        rounds.after(seconds)

    assert (before, during) == ([], ["sync.overdue"])
    assert told(conditions.SYNC) == ["sync.overdue", "sync.recovered"]


def test_a_sweeper_that_starts_anew_does_not_call_it_over() -> None:
    make_agent()
    rounds = Rounds(nothing)
    for seconds in (0, 120, 60):
        rounds.after(seconds)

    Rounds(nothing).after(0)

    assert told(conditions.SYNC) == ["sync.overdue"]
    assert conditions.has_begun(conditions.SYNC)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"enabled": False}, "disabled: Trading cycle"),
        ({"task": "trading.other"}, "set to another task (trading.other): Trading cycle"),
        ({"kwargs": '{"cycle_type": "maintenance"}'}, "set to maintenance cycles: Trading cycle"),
        ({"start_time": "2099-01-01T00:00:00Z"}, "not to start before 2099-01-01 00:00 UTC: Trading cycle"),
        ({"expires": "2020-01-01T00:00:00Z"}, "past its expiry: Trading cycle"),
        ({"name": "Another name"}, None),
        (None, "the schedule 'Trading cycle' is missing"),
    ],
)
def test_a_schedule_that_starts_no_cycle_is_told_once_and_its_end_once(
    change: dict[str, Any] | None, reason: str | None
) -> None:
    seed()
    rounds = Rounds(nothing)
    rounds.after(0)
    row = PeriodicTask.objects.get(name=CYCLE_SCHEDULE)
    if change is None:
        PeriodicTask.objects.filter(pk=row.pk).delete()
    else:
        PeriodicTask.objects.filter(pk=row.pk).update(**change)

    for _ in range(3):
        rounds.after(5)
    during = told(conditions.SCHEDULE)
    row.save(force_insert=change is None)
    for _ in range(3):
        rounds.after(5)

    if reason is None:
        assert (during, told(conditions.SCHEDULE)) == ([], [])
        return
    assert (during, told(conditions.SCHEDULE)) == (
        ["schedule.disabled"],
        ["schedule.disabled", "schedule.enabled"],
    )
    begun = Event.objects.get(type="schedule.disabled")
    assert (begun.payload, begun.public_sequence) == ({"reason": reason}, 1)


def test_a_disk_that_fills_up_is_told_once_and_again_when_it_has_room(room: dict[str, Any]) -> None:
    make_agent()
    rounds = Rounds(nothing)
    heard = []
    for free in (2**40, disk_space.LOW_BYTES - 1, 0, disk_space.LOW_BYTES, None, disk_space.LOW_ENDS_BYTES):
        room["free"] = free
        rounds.after(5)
        heard.append(len(told(conditions.DISK)))

    assert heard == [0, 1, 1, 1, 1, 2]
    assert Event.objects.get(type="disk.low").payload["free_megabytes"] == 1023


@pytest.mark.django_db(transaction=True)
def test_a_lock_that_is_stuck_is_told_once_and_its_end_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    make_agent()
    monkeypatch.setattr(lock_registry, "BOUNDS", dict.fromkeys(lock_registry.BOUNDS, -1.0))
    rounds = Rounds(nothing)

    with held(hold_agent):
        for _ in range(3):
            rounds.after(5)
        during = told(conditions.LOCKS)
    wait_until(lambda: not lock_registry.read_locks().holds, what="the end of the holder")
    rounds.after(5)
    soon = told(conditions.LOCKS)
    rounds.after(29)
    rounds.after(5)

    assert (during, soon) == (["lock.stuck"], ["lock.stuck"])
    assert told(conditions.LOCKS) == ["lock.stuck", "lock.freed"]
    stuck = Event.objects.get(type="lock.stuck").payload
    assert (stuck["lock"], "has left a transaction open since 0 s" in stuck["reason"]) == (
        "transaction",
        True,
    )


def test_what_fails_in_a_look_never_ends_the_round(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails() -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(lookout, "_lookout", Rounds(nothing).lookout)
    monkeypatch.setattr(lookout, "read_locks", fails)
    make_agent()

    lookout.look()


def test_each_round_of_the_sweeper_looks_with_the_switch_engaged_or_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    make_agent()
    rounds = Rounds(nothing)
    monkeypatch.setattr(lookout, "_lookout", rounds.lookout)
    sweeper = Command()
    sweeper._round({})
    make_engagement()

    rounds.clock.seconds += 120
    sweeper._round({})

    assert rounds.looks == 1
