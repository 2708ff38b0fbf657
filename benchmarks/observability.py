"""What full logging and tracing cost a cycle: ``python -m benchmarks.observability [pairs]`` (default 4).

The real processes on one database, started anew for each half of a pair: with every line written and every span sent
to a collector on loopback in this process; and with neither. Pairs alternate which half goes first, so that
whatever else the machine does falls on both. The first cycle of a start is not counted. 140 symbols, the built-in
analyst, a venue without latency: the less the cycle waits for, the larger the share.
"""

import os
import statistics
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.world import measured_world

LIMIT = 1.5  # of the median cycle without
PAIRS, CYCLES_EACH = 4, 3
SILENT = {"DJANGO_SETTINGS_MODULE": "benchmarks.silent_settings"}


def main() -> int:
    """Measure and print; return 1 when the limit was passed."""
    pairs = int(sys.argv[1]) if len(sys.argv) > 1 else PAIRS
    seconds: dict[bool, list[float]] = {True: [], False: []}
    cpu: dict[bool, list[float]] = {True: [], False: []}
    with measured_world():
        from tests.otlp import Collector
        from trading.models import AgentStatus

        AgentStatus.objects.update(mode="autonomous")
        with Collector() as collector:
            for number in range(pairs):
                for is_observed in (True, False) if number % 2 == 0 else (False, True):
                    took, used = _half(collector.endpoint, is_observed=is_observed)
                    seconds[is_observed] += took
                    cpu[is_observed] += used
            spans = len(collector.spans())
    return _report(seconds, cpu, spans / max(len(seconds[True]) + pairs, 1))


def _half(endpoint: str, *, is_observed: bool) -> tuple[list[float], list[float]]:
    """Return the durations of some cycles, and the processes' CPU seconds in each."""
    from tests.e2e.system import run_cycle_json

    with _system({"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint} if is_observed else SILENT) as system:
        run_cycle_json()
        took, used = [], []
        for _ in range(CYCLES_EACH):
            before = _cpu_seconds(system)
            done = run_cycle_json()
            assert done["status"] == "completed", done
            assert len(done["symbols"]) == 140, len(done["symbols"])
            took.append(done["duration_seconds"])
            used.append(_cpu_seconds(system) - before)
    return took, used


@contextmanager
def _system(variables: dict[str, str]) -> Iterator[Any]:
    from tests.e2e.system import System

    system = System(Path(os.environ["ORCHESTRATOR_HOME"]), variables=variables)
    for name in system.names:  # what an earlier half has written would look like this one's start
        (Path(os.environ["ORCHESTRATOR_HOME"]) / "logs" / f"{name}.log").unlink(missing_ok=True)
    try:
        system.start()
        yield system
    finally:
        system.stop()


def _cpu_seconds(system: Any) -> float:
    return sum(sum(p.cpu_times()[:2]) for name in ("worker", "analyst") for p in system.processes(name))


def _report(seconds: dict[bool, list[float]], cpu: dict[bool, list[float]], spans: float) -> int:
    sys.stdout.write(f"{'':34}{'median':>10}{'least':>10}{'most':>10}{'CPU':>10}\n")
    for is_observed, words in ((False, "without"), (True, f"with (about {spans:,.0f} spans a cycle)")):
        figures = seconds[is_observed]
        line = [statistics.median(figures), min(figures), max(figures), statistics.median(cpu[is_observed])]
        sys.stdout.write(f"{words:34}" + "".join(f"{figure:8.2f} s" for figure in line) + "\n")
    ratio = statistics.median(seconds[True]) / statistics.median(seconds[False])
    of_cpu = statistics.median(cpu[True]) / statistics.median(cpu[False])
    sys.stdout.write(
        f"ratio on/off {ratio:.2f} (limit {LIMIT:g}), of CPU {of_cpu:.2f}, {len(seconds[True])} cycles each\n"
    )
    return 0 if ratio <= LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())
