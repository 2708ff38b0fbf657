"""Whether the process lives, whether the system can work, and whether its first start is done.

The looks are the doctor's where it has them. Anybody may ask, so what is said here names no account, no address
and no figure; ``manage.py doctor`` says more.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from connectors.errors import ConnectorError
from orchestrator_project.runtime.doctor import processes, servers
from orchestrator_project.runtime.doctor.examination import examine
from orchestrator_project.runtime.doctor.finding import Answer, Check, Finding, Status, failed, ok, warning
from orchestrator_project.runtime.prepare import is_seeded
from trading.api.serializers import ApiSerializer
from trading.api.views.base import ApiView
from trading.core.providers import current_providers
from trading.errors import NotConfiguredError
from trading.work import disk_space
from trading.work.lock_registry import kind_of, read_locks

LOOK_SECONDS = 2.5  # a wave of looks; there are three, so a probe is answered within 8 s
PROBE_KEPT_SECONDS = 2.0
BROKER_KEPT_SECONDS = 5.0
WORKERS_KEPT_SECONDS = 5.0


class Kept:
    """A look whose answer serves everybody for a while: a storm of probes is one question."""

    def __init__(self, look: Callable[[], Any], seconds: float) -> None:
        self._look = look
        self._seconds = seconds
        self._lock = threading.Lock()
        self._answer: Any = None
        self._until = 0.0

    def __call__(self) -> Any:
        """Return the answer, asking at most one question at a time."""
        with self._lock:
            if time.monotonic() >= self._until:
                self._answer = self._look()
                self._until = time.monotonic() + self._seconds
            return self._answer

    def forget(self) -> None:
        """Ask anew the next time."""
        self._until = 0.0


def _database() -> Answer:
    answer = servers.database()
    return answer if answer.status is not Status.FAILED else failed("no answer", "")


def _queue() -> Answer:
    answer = servers.queue()
    return answer if answer.status is not Status.FAILED else failed("no answer", "")


def _broker() -> Answer:
    """Ask for the time: the smallest question."""
    try:
        current_providers().broker.clock()
    except NotConfiguredError:
        return failed("not configured, or the local venue does not run", "")
    except ConnectorError as error:
        return failed(f"no answer ({type(error).__name__})", "")
    return ok("answers")


def _sync() -> Answer:
    """Not ready where nobody reads the account: its loss is then nobody's either."""
    return processes.sync(overdue=failed)


def _locks() -> Answer:
    """Say which lock is stuck, and not whose it is."""
    stuck = {kind_of(entry.lock): entry.seconds for entry in reversed(read_locks().long_ones)}
    if not stuck:
        return ok("none is held too long")
    return warning("; ".join(f"{name} for {seconds:.0f} s" for name, seconds in stuck.items()), "")


def _disk() -> Answer:
    """Where the database is ours it needs the room; elsewhere only our logs do."""
    free = disk_space.free_bytes()
    if free is None or free >= disk_space.LOW_BYTES:
        return ok("has room")
    if free < disk_space.FULL_BYTES and servers.postgres_is_embedded():
        return failed("full: the database can take no more", "")
    return warning("nearly full", "")


def _seeds() -> Answer:
    return ok("the first rows are there") if is_seeded() else failed("the first rows are missing", "")


broker = Kept(_broker, BROKER_KEPT_SECONDS)
workers = Kept(processes.workers, WORKERS_KEPT_SECONDS)
READY = (
    Check("database", _database),
    Check("redis", _queue),
    Check("migrations", servers.migrations, needs=("database",)),
    Check("broker", broker, needs=("database",)),
    Check("worker", workers, needs=("redis",)),
    Check("sweeper", processes.sweeper, needs=("migrations",)),
    Check("schedule", processes.schedule_of_cycles, needs=("migrations",)),
    Check("sync", _sync, needs=("migrations",)),
    Check("locks", _locks, needs=("database",), late=Status.WARNING),
    Check("disk", _disk, late=Status.WARNING),
)
STARTUP = (
    Check("database", _database),
    Check("migrations", servers.migrations, needs=("database",)),
    Check("seeds", _seeds, needs=("migrations",)),
)


@dataclass(frozen=True, slots=True)
class Health:
    """The results of all checks, and the time they were made."""

    findings: tuple[Finding, ...]
    checked_at: datetime

    @property
    def is_ok(self) -> bool:
        """Whether nothing failed and everything was looked at."""
        return all(finding.status in (Status.OK, Status.WARNING) for finding in self.findings)


def _examined(checks: Sequence[Check]) -> Health:
    examination = examine(checks, describe=lambda _: None, limit_seconds=LOOK_SECONDS)
    return Health(examination.findings, timezone.now())


ready = Kept(lambda: _examined(READY), PROBE_KEPT_SECONDS)
startup = Kept(lambda: _examined(STARTUP), PROBE_KEPT_SECONDS)


class CheckSerializer(ApiSerializer):
    """The result of one check."""

    name = serializers.CharField()
    ok = serializers.BooleanField()
    reason = serializers.CharField(help_text="What was found, or why it was not looked at.")
    seconds = serializers.FloatField(help_text="Time the look took.")
    checked_at = serializers.DateTimeField()


class HealthSerializer(ApiSerializer):
    """Whether all is well, and the result of each check."""

    status = serializers.ChoiceField(["ok", "failed"])
    checks = CheckSerializer(many=True)


class LiveSerializer(ApiSerializer):
    """The answer of a process that serves requests."""

    status = serializers.ChoiceField(["ok"])


class OpenView(ApiView):
    """Anybody may ask; nothing is counted."""

    authentication_classes = ()
    permission_classes = ()
    throttle_classes = ()


class LiveView(OpenView):
    """Serve the liveness probe."""

    @extend_schema(summary="Whether the process serves", responses=LiveSerializer)
    def get(self, request: Request) -> Response:
        """Asks neither database nor queue nor broker: it only shows that the process answers."""
        return Response({"status": "ok"})


class ReadyView(OpenView):
    """Serve the readiness probe."""

    @extend_schema(
        summary="Whether the system can work", responses={200: HealthSerializer, 503: HealthSerializer}
    )
    def get(self, request: Request) -> Response:
        """Each check has a time limit; results are kept for a few seconds, so that probes cost the broker nothing."""
        return _answer(ready())


class StartupView(OpenView):
    """Serve the startup probe."""

    @extend_schema(
        summary="Whether the first start is done", responses={200: HealthSerializer, 503: HealthSerializer}
    )
    def get(self, request: Request) -> Response:
        """503 until migrations and first rows are there."""
        return _answer(startup())


def _answer(health: Health) -> Response:
    checks = [
        {
            "name": finding.name,
            "ok": finding.status in (Status.OK, Status.WARNING),
            "reason": finding.found,
            "seconds": finding.seconds,
            "checked_at": health.checked_at,
        }
        for finding in health.findings
    ]
    body = {"status": "ok" if health.is_ok else "failed", "checks": checks}
    return Response(HealthSerializer(body).data, status=200 if health.is_ok else 503)
