"""The storm: kill -9 at random and at each step of a saga, while the venue is hostile and messages come twice."""

import contextlib
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPException

import psycopg2
from celery import Celery
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from risk.services.locks import BOOK_LOCK, SWITCH_LOCK
from tests.chaos.arena import Arena
from tests.chaos.freezing import Freezer
from tests.chaos.monitors import Monitors
from tests.chaos.weather import ONE_ORDER, ORDERS, WEATHER, WORSE

STEP_SECONDS = 4.0  # as long as a step is waited for before the kill comes anyway
STEP_SHARE = 0.35  # of the kills wait for a step of a saga
SAMPLE_SECONDS = 0.4
DUPLICATE_SECONDS = 3.0
NEVER_MIND = (
    psycopg2.Error,
    HTTPException,
    RuntimeError,
    OSError,
    ValueError,
)  # a judge or a helper met the storm itself

# What may be killed at random, and how often of all: a child is back at once, an analyst takes seconds.
VICTIMS = {
    "child": 40,
    "worker": 3,
    "io_worker": 24,
    "sweeper": 9,
    "listener": 9,
    "relay": 4,
    "consumer": 3,
    "analyst": 2,
    "beat": 4,
    "web": 4,
    "valkey": 2,
    "postgres": 2,
}
LOCKS = {
    "gate": f"SELECT pg_advisory_lock({BOOK_LOCK})",
    "before the request": f"SELECT pg_advisory_lock({SWITCH_LOCK})",
    "recording the order": "LOCK TABLE fills IN EXCLUSIVE MODE",
    "closing the saga": "LOCK TABLE trades IN EXCLUSIVE MODE",
}
SLOW = {
    "in the request": {"kind": "drip", "route": ORDERS, "seconds": 2},
    "confirming the fill": {"kind": "latency", "route": ONE_ORDER, "seconds": 3},
    "updating the position": {"kind": "latency", "route": "GET /v2/positions", "seconds": 3},
}


class Storm:
    """Kills and faults chosen by a seed; ``exceeded`` collects what the sampling judge saw."""

    def __init__(
        self,
        arena: Arena,
        monitors: Monitors,
        *,
        seed: int,
        say: Callable[[str], None],
        freezer: Freezer,
        stream: str = "usual",
    ) -> None:
        self.arena = arena
        self._weather = (*WORSE[stream], *WEATHER)
        self.freezer = freezer
        self.monitors = monitors
        self.kills: Counter[str] = Counter()
        self.exceeded: list[str] = []
        self.after_engage: list[str] = []
        self.samples = 0
        self.engagements = 0
        self._seed = seed
        self._chance = random.Random(seed)
        self._say = say
        self._over = threading.Event()

    @property
    def total(self) -> int:
        """How many kills there were."""
        return sum(self.kills.values())

    def rage(self, *, kills: int, stops: int, seconds: float, pause: float, engage_every: int) -> None:
        """Kill and stop until both numbers are reached or the time is up.

        Args:
            pause: seconds between two kills, on average.
            engage_every: engage and release the kill switch after so many kills; 0: never.
        """
        for rule in self._weather:
            self.arena.venue.fault(**rule)
        self._disconnect_stream()
        began = time.monotonic()
        with self._beside(self._sample), self._beside(self._duplicate), self._beside(self._freeze):
            while (self.total < kills or self.freezer.total < stops) and time.monotonic() - began < seconds:
                before = self.total
                self._strike()
                self._over.wait(pause * self._chance.uniform(0.4, 1.6))
                self._after_kill(before, began, engage_every)
            self._over.set()

    def _after_kill(self, before: int, began: float, engage_every: int) -> None:
        if self.total // 10 > before // 10:
            self._say(
                f"chaos: {self.total} kills, {self.freezer.total} stops in {time.monotonic() - began:.0f} s,"
                f" {self.arena.venue.state_report()['orders']} orders at the venue,"
                f" {self.samples} samples, {len(self.exceeded)} over a limit"
            )
            self._disconnect_stream()
            self._release_if_engaged()
        if engage_every and self.total // engage_every > before // engage_every:
            self.engage_and_release()

    def _disconnect_stream(self) -> None:
        fault = self.arena.venue.fault(kind="disconnect_stream", times=1)
        self.arena.venue.request("DELETE", f"/venue/faults/{fault}")

    def _strike(self) -> None:
        if self._chance.random() < STEP_SHARE:
            self._kill_at_a_step()
            return
        (victim,) = self._chance.choices(tuple(VICTIMS), weights=tuple(VICTIMS.values()))
        if victim == "child":
            done = self.arena.kill_child("worker", self._chance.randrange(8))
        else:
            done = self.arena.kill(victim)
        if done:
            self.kills[victim] += 1

    def _kill_at_a_step(self) -> None:
        """Hold one step of a saga still, wait until a process is in it, and kill that process."""
        step = self._chance.choice((*LOCKS, *SLOW))
        whole = self._chance.random() < 0.1
        with contextlib.suppress(*NEVER_MIND), self._held(step) as reached:
            give_up = time.monotonic() + STEP_SECONDS
            while not reached() and time.monotonic() < give_up:
                self._over.wait(0.05)
            name = step if reached() else "worker"
            for number in range(1 if whole else 2):
                done = self.arena.kill("worker") if whole else self.arena.kill_child("worker", number)
                self.kills[name] += done
            self.kills[name] += self.arena.kill("io_worker")

    @contextmanager
    def _held(self, step: str) -> Iterator[Callable[[], bool]]:
        if step in SLOW:
            fault = self.arena.venue.fault(**SLOW[step], times=2)
            yield lambda: any(rule["id"] == fault and rule["hits"] for rule in self.arena.venue.faults())
            self.arena.venue.request("DELETE", f"/venue/faults/{fault}")
            return
        session = psycopg2.connect(self.arena.database_url, connect_timeout=120)
        try:
            with session.cursor() as cursor:
                cursor.execute("SET lock_timeout = '3s'")
                cursor.execute(LOCKS[step])
            yield self._somebody_waits
        finally:
            session.close()

    def _somebody_waits(self) -> bool:
        return bool(self.arena.rows("SELECT 1 FROM pg_locks WHERE NOT granted LIMIT 1"))

    def engage_and_release(self) -> None:
        """Engage as an operator does and judge that nothing arrives after it; then let trading go on."""
        done = self.arena.manage("kill_switch", "engage", "--reason", "chaos", "--json")
        returned = time.time()
        if '"engaged": true' not in done.stdout:
            return  # the database was being started: the operator tries again
        self.engagements += 1
        self._over.wait(2.0)
        self.after_engage += self.monitors.orders_after(returned, time.time())
        self._release_if_engaged()

    def _release_if_engaged(self) -> None:
        with contextlib.suppress(*NEVER_MIND):
            if self.arena.rows("SELECT 1 FROM kill_switch WHERE released_at IS NULL"):
                self.arena.manage("kill_switch", "release", "--reason", "chaos goes on")

    @contextmanager
    def _beside(self, work: Callable[[], None]) -> Iterator[None]:
        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join(120)

    def _sample(self) -> None:
        while not self._over.wait(SAMPLE_SECONDS):
            with contextlib.suppress(*NEVER_MIND):
                self.exceeded += self.monitors.exceeded()
                self.samples += 1

    def _freeze(self) -> None:
        self.freezer.work(self._over)

    def _duplicate(self) -> None:
        """Deliver messages a second time, and start cycles beside beat."""
        chance = random.Random(self._seed + 1)
        client = Celery(broker=self.arena.redis_url, set_as_current=False)
        client.conf.broker_transport_options = {"socket_timeout": 2, "socket_connect_timeout": 1}
        client.conf.task_publish_retry = False
        while not self._over.wait(DUPLICATE_SECONDS):
            with contextlib.suppress(*NEVER_MIND, OperationalError, RedisError):
                self._send(client, "trading.start_cycle")
                for task, statement in _AGAIN.items():
                    found = [row[0] for row in self.arena.rows(statement)]
                    for pk in chance.sample(found, min(3, len(found))):
                        self._send(client, task, pk)
        client.close()

    def _send(self, client: Celery, task: str, *arguments: str) -> None:
        client.send_task(task, arguments, queue=_QUEUE_OF.get(task, "default"))


_QUEUE_OF = {"trading.analyse": "analysis", "trading.advance_saga": "orders"}
_AGAIN = {
    "trading.risk_and_execute": "SELECT id::text FROM ai_decisions WHERE status IN ('pending', 'claimed', 'executing')",
    "trading.advance_saga": "SELECT id::text FROM sagas WHERE status IN ('running', 'compensating')",
    "trading.finish_cycle": "SELECT id::text FROM cycles WHERE ended_at IS NULL",
    "trading.analyse": "SELECT id::text FROM cycles WHERE stage = 'analysing'",
}
