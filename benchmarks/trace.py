"""One cycle as a picture: ``python -m benchmarks.trace [file.svg]`` (default docs/observability/trace.svg).

Real beat, workers, sweeper and listener, the local venue, and a collector on loopback in this process.
"""

import os
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

from benchmarks.world import measured_world

TARGET = Path(__file__).resolve().parent.parent / "docs" / "observability" / "trace.svg"
PATIENCE_SECONDS = 240


def main() -> int:
    """Wait for a cycle that traded, draw its trace, and say where the picture is."""
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else TARGET
    with measured_world():
        from django.utils import timezone
        from django_celery_beat.models import PeriodicTask

        from benchmarks.waterfall import draw
        from tests.e2e.system import System
        from tests.otlp import Collector
        from tests.waiting import wait_until
        from trading.core.settings import CYCLE_SCHEDULE, set_runtime_setting
        from trading.models import AgentStatus

        AgentStatus.objects.update(mode="autonomous")
        schedule = PeriodicTask.objects.filter(name=CYCLE_SCHEDULE)
        schedule.update(last_run_at=timezone.now() - timedelta(hours=1))  # beat sends one at its start
        set_runtime_setting(name="confidence_threshold", value="0.5", actor="benchmark")
        with Collector() as collector:
            system = System(
                Path(os.environ["ORCHESTRATOR_HOME"]),
                variables={"OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint},
                also=frozenset({"beat"}),
            )
            try:
                system.start()
                system.start_one("beat")
                cycle = wait_until(traded, seconds=PATIENCE_SECONDS, what="a cycle of beat that traded")
                spans = wait_until(
                    lambda: whole(collector.trace_of(str(cycle.pk))), seconds=60, what="its last spans"
                )
            finally:
                system.stop()
    figures = cycle.metrics
    heading = (
        f"One cycle, from beat to the order and back: {len(cycle.symbols)} symbols,"
        f" {figures['decisions_count']} decisions, {figures['orders_count']} orders,"
        f" {figures['duration_seconds']:.1f} s"
    )
    target.write_text(draw(spans, heading=heading))
    sys.stdout.write(f"{target}: {len(spans)} spans, trace {spans[0].trace_id}, cycle {cycle.pk}\n")
    return 0


def traded() -> Any:
    """Return a cycle of beat's that completed with an order booked."""
    from trading.models import Cycle, Saga

    booked = Saga.objects.filter(status="completed").values_list("cycle_id", flat=True)
    return Cycle.objects.filter(pk__in=list(booked), status="completed", trigger="schedule").first()


def whole(spans: list[Any]) -> list[Any] | None:
    """Return the spans once every parent is there and the cycle's end is among them."""
    known = {span.span_id for span in spans}
    orphans = [span for span in spans if span.parent_id not in known]
    ended = {"finish_cycle", "update-position"} <= {span.name for span in spans}
    return spans if len(orphans) == 1 and ended else None


if __name__ == "__main__":
    sys.exit(main())
