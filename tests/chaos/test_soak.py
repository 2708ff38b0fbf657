"""Nothing grows over many cycles but the record of what was done, and book and venue never part.

``pytest tests/chaos/test_soak.py --long -s``: 1,000 cycles at full speed with provider faults (``--chaos-cycles N``: so
many).
"""

from collections.abc import Iterator

import pytest

from tests.chaos.arena import Arena, opened_arena
from tests.chaos.conftest import Length, Say
from tests.chaos.monitors import Monitors
from tests.chaos.resting import come_to_rest, judged_at_rest
from tests.chaos.soaking import Sample, Soak, growth
from tests.memory import KILOBYTE

pytestmark = [pytest.mark.system, pytest.mark.timeout(20_000)]
SHORT_CYCLES, SAMPLES = 8, 40
FEWEST_CYCLES = 300  # of which a slope says something: children are replaced meanwhile, and pools fill
# In 100 cycles, after the warm-up. Memory is of a process with its children, some of which are replaced each 500 tasks.
MOST_MEMORY_KILOBYTES = 2 * KILOBYTE
MOST_DESCRIPTORS = 1.0
MOST_CONNECTIONS = 0.5
MOST_KEYS = 2.0  # without an end: results of tasks end after an hour
MOST_QUEUED = 10.0
# In the short form: pools still fill, and a child that follows another is born with its parent's connections, some 10.
SPARE_DESCRIPTORS = 40
# What a table may gain in the second half of a soak, against its first: as many cycles, as many rows.
MOST_BENT, SPARE_TABLE_KILOBYTES = 1.5, 2 * KILOBYTE


@pytest.fixture
def arena() -> Iterator[Arena]:
    """The system, started; no cycle but those that the soak asks for."""
    with opened_arena(workers=2, is_stepped=False, partial_rate=0.1) as arena:
        arena.hold_all(("beat",))
        yield arena


def test_nothing_grows_but_the_record(arena: Arena, length: Length, say: Say) -> None:
    cycles = length.cycles or (1_000 if length.is_long else SHORT_CYCLES)
    soak = Soak(arena, say)
    ((before,),) = arena.rows("SELECT count(*) FROM cycles")

    soak.run(cycles, sample_every=max(1, cycles // SAMPLES))
    arena.go_on(("beat",))
    come_to_rest(arena, patient=length.is_long)

    findings = (
        judged_at_rest(arena, Monitors(arena.database_url, arena.venue)).all() + soak.rest.server_errors
    )
    ((ran, ended),) = arena.rows("SELECT count(*), count(ended_at) FROM cycles")
    _report(soak, say)
    for words in findings[:40]:
        say(f"soak: {words}")
    assert findings == []
    assert ran == ended >= before + cycles
    if cycles >= FEWEST_CYCLES:
        assert _grows(soak.settled()) == []
    else:
        first, last = soak.samples[0], soak.samples[-1]
        assert sum(last.descriptors.values()) <= sum(first.descriptors.values()) + SPARE_DESCRIPTORS


def _grows(samples: list[Sample]) -> list[str]:
    """Return what grows, a sentence each."""
    found = []
    for name in samples[0].memory:
        kilobytes = growth(samples, lambda sample, name=name: sample.memory[name])  # type: ignore[misc]  # a default binds the loop's name
        descriptors = growth(samples, lambda sample, name=name: sample.descriptors[name])  # type: ignore[misc]  # likewise
        if kilobytes > MOST_MEMORY_KILOBYTES:
            found.append(f"{name} grows by {kilobytes:.0f} kB in 100 cycles")
        if descriptors > MOST_DESCRIPTORS:
            found.append(f"{name} opens {descriptors:.1f} more descriptors in 100 cycles")
    if (more := growth(samples, lambda sample: sample.connections)) > MOST_CONNECTIONS:
        found.append(f"{more:.1f} more connections in 100 cycles")
    if (more := growth(samples, lambda sample: sample.queued)) > MOST_QUEUED:
        found.append(f"{more:.1f} more messages in 100 cycles")
    if (more := growth(samples, lambda sample: sample.keys)) > MOST_KEYS:
        found.append(f"{more:.1f} more keys in the queue's server in 100 cycles")
    return found + _bends(samples)


def _bends(samples: list[Sample]) -> list[str]:
    """Return the tables that gain more and more: all others gain what a cycle records."""
    begin, middle, end = samples[0].tables, samples[len(samples) // 2].tables, samples[-1].tables
    return [
        f"{name} gained {middle[name] - begin[name]} kB in the first half, {end[name] - middle[name]} in the second"
        for name in begin
        if end[name] - middle[name] > MOST_BENT * (middle[name] - begin[name]) + SPARE_TABLE_KILOBYTES
    ]


def _report(soak: Soak, say: Say) -> None:
    samples = soak.settled()
    first, last = samples[0], samples[-1]
    say(f"soak: from cycle {first.cycles} to {last.cycles}, growth in 100 cycles:")
    for name in first.memory:
        kilobytes = growth(samples, lambda sample, name=name: sample.memory[name])  # type: ignore[misc]  # a default binds the loop's name
        descriptors = growth(samples, lambda sample, name=name: sample.descriptors[name])  # type: ignore[misc]  # likewise
        say(
            f"soak: {name:<9} {first.memory[name] // KILOBYTE:>4} -> {last.memory[name] // KILOBYTE:>4} MB"
            f" ({kilobytes:+.0f} kB), descriptors {first.descriptors[name]} -> {last.descriptors[name]}"
            f" ({descriptors:+.1f})"
        )
    say(
        f"soak: connections {first.connections} -> {last.connections}, queued {first.queued} -> {last.queued},"
        f" keys {first.keys} -> {last.keys}"
    )
    gained = {name: last.tables[name] - size for name, size in first.tables.items()}
    largest = sorted(gained.items(), key=lambda item: -item[1])[:8]
    say("soak: tables gained, kB: " + ", ".join(f"{name} {size}" for name, size in largest))
