"""A soak: cycles one after the other, at full speed, and what each of them leaves behind."""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import psutil
import redis

from orchestrator_project import queues
from tests.chaos.arena import Arena
from tests.chaos.rest import CYCLE_SECONDS, Rest
from tests.chaos.weather import WEATHER
from tests.memory import KILOBYTE, proportional_kilobytes
from tests.waiting import wait_until

STANDS_STILL = frozenset({"hang", "drip"})  # they cost time, which is not what a soak is about
WARM_UP = 0.3  # of the cycles: pools fill, children are made, caches find their size
ENDED = "SELECT count(*), count(ended_at) FROM cycles"
CONNECTIONS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
TABLES = (
    "SELECT relname, pg_total_relation_size(oid) / 1024 FROM pg_class"
    " WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
)


@dataclass(frozen=True, slots=True)
class Sample:
    """What there is after so many cycles: memory and tables in kilobytes, all else counted; keys without an end."""

    cycles: int
    memory: dict[str, int]
    descriptors: dict[str, int]
    connections: int
    queued: int
    keys: int
    tables: dict[str, int]


@dataclass
class Soak:
    """A soak of a running system that starts no cycles by itself."""

    arena: Arena
    say: Callable[[str], None]
    samples: list[Sample] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rest = Rest(self.arena)

    def run(self, cycles: int, *, sample_every: int) -> None:
        """Run so many cycles while the venue misbehaves, looking after every few."""
        for rule in WEATHER:
            if rule["kind"] not in STANDS_STILL:
                self.arena.venue.fault(**rule)
        for number in range(1, cycles + 1):
            self._one_cycle()
            if number % sample_every == 0:
                self.samples.append(self._sample(number))
                self.say(f"soak: {number} cycles, {_line(self.samples[-1])}")
        self.arena.venue.clear_faults()

    def settled(self) -> list[Sample]:
        """Return the samples after the warm-up."""
        return self.samples[int(len(self.samples) * WARM_UP) :]

    def _one_cycle(self) -> None:
        self.rest.start_cycle({})

        def has_ended() -> bool:
            ((count, ended),) = self.arena.rows(ENDED)
            return bool(count == ended)

        wait_until(has_ended, seconds=CYCLE_SECONDS, what="the end of a cycle")

    def _sample(self, cycles: int) -> Sample:
        with redis.Redis.from_url(self.arena.redis_url) as queue:
            queued, keys = (
                sum(int(queue.llen(name)) for name in queues.ALL),
                sum(queue.ttl(key) < 0 for key in queue.scan_iter(count=1_000)),
            )
        trees = {name: self.arena.tree(name) for name in self.arena.names}
        return Sample(
            cycles=cycles,
            memory={
                name: sum(proportional_kilobytes(process.pid) for process in tree)
                for name, tree in trees.items()
            },
            descriptors={name: _descriptors(tree) for name, tree in trees.items()},
            connections=int(self.arena.rows(CONNECTIONS)[0][0]),
            queued=queued,
            keys=keys,
            tables={name: int(size) for name, size in self.arena.rows(TABLES)},
        )


def growth(samples: Sequence[Sample], value: Callable[[Sample], float]) -> float:
    """Return by how much a value grows in 100 cycles: the slope of the line of least squares."""
    cycles = [sample.cycles for sample in samples]
    values = [value(sample) for sample in samples]
    mean_cycles, mean_value = sum(cycles) / len(cycles), sum(values) / len(values)
    spread = sum((n - mean_cycles) ** 2 for n in cycles)
    if not spread:
        return 0.0
    together = sum((n - mean_cycles) * (v - mean_value) for n, v in zip(cycles, values, strict=True))
    return 100 * together / spread


def _descriptors(tree: Sequence[psutil.Process]) -> int:
    """Count those of a process and of the child that has most.

    A child that follows another is born with its parent's connections, some 10: the sum of all has a step for each
    child that is followed for the first time, which may be after hundreds of cycles.
    """
    parent, *children = map(_open_in, tree) if tree else [0]
    return parent + max(children, default=0)


def _open_in(process: psutil.Process) -> int:
    with contextlib.suppress(psutil.Error):
        return int(process.num_fds())
    return 0


def _line(sample: Sample) -> str:
    return (
        f"{sum(sample.memory.values()) // KILOBYTE} MB, {sum(sample.descriptors.values())} descriptors,"
        f" {sample.connections} connections, {sample.queued} queued, {sample.keys} keys,"
        f" tables {sum(sample.tables.values()) // KILOBYTE} MB"
    )
