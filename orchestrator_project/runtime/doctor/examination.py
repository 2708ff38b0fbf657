"""Runs the checks side by side, each bounded in time, and collects what they found."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection

from orchestrator_project.runtime.doctor import (
    configuration,
    locks,
    machine,
    market,
    model_speed,
    models,
    processes,
    records,
    running,
    servers,
)
from orchestrator_project.runtime.doctor.finding import Answer, Check, Finding, Status
from orchestrator_project.runtime.doctor.masking import masked

LIMIT_SECONDS = 10.0
CHECKS: tuple[Check, ...] = (
    *machine.CHECKS,
    *running.CHECKS,
    *servers.CHECKS,
    *locks.CHECKS,
    *processes.CHECKS,
    *market.CHECKS,
    *models.CHECKS,
    *model_speed.CHECKS,
    *records.CHECKS,
)


@dataclass(frozen=True, slots=True)
class Examination:
    """All findings in their fixed order, and the running configuration with secrets masked."""

    findings: tuple[Finding, ...]
    configuration: dict[str, Any]

    @property
    def ok(self) -> bool:
        """Whether a trading cycle could run: nothing has failed."""
        return not any(finding.status is Status.FAILED for finding in self.findings)


def examine(
    checks: Sequence[Check] = CHECKS,
    *,
    describe: Callable[[dict[str, Any]], None] = configuration.describe,
    limit_seconds: float = LIMIT_SECONDS,
) -> Examination:
    """Run all checks, those that need nothing first, then those that wait for them.

    Args:
        describe: adds the running configuration to a dict, the parts that need nothing first.
        limit_seconds: for each check; one that is late is left behind in its thread.
    """
    found: dict[str, Finding] = {}
    causes: dict[str, set[str]] = {}
    while left := [check for check in checks if check.name not in found]:
        ready = [check for check in left if all(name in found for name in check.needs)]
        running: list[tuple[Check, _Job]] = []
        for check in ready:
            cause = set().union(*(causes.get(name, set()) for name in check.needs))
            if cause:
                causes[check.name] = cause
                words = f"not checked: {' and '.join(sorted(cause))} failed"
                found[check.name] = Finding(check.name, Status.OFF, words, "", 0.0)
            else:
                running.append((check, _Job(check.look)))
        deadline = time.monotonic() + limit_seconds
        for check, job in running:
            found[check.name] = _finding(check, job, deadline, limit_seconds)
            if found[check.name].status is Status.FAILED:
                causes[check.name] = {check.name}
    facts: dict[str, Any] = {}
    _Job(lambda: describe(facts)).wait(time.monotonic() + limit_seconds)
    return Examination(tuple(found[check.name] for check in checks), dict(facts))


class _Job:
    """A call in a daemon thread of its own, so that what hangs cannot keep the doctor."""

    def __init__(self, work: Callable[[], Any]) -> None:
        self.result: Any = None
        self.error: BaseException | None = None
        self.seconds = 0.0
        self._began = time.monotonic()
        self._thread = threading.Thread(target=self._run, args=(work,), daemon=True)
        self._thread.start()

    def wait(self, deadline: float) -> bool:
        """Return whether the call ended before ``deadline`` (monotonic)."""
        self._thread.join(max(0.0, deadline - time.monotonic()))
        return not self._thread.is_alive()

    def _run(self, work: Callable[[], Any]) -> None:
        try:
            self.result = work()
        except BaseException as error:  # noqa: BLE001 - the finding says it; a doctor does not raise
            self.error = error
        finally:
            self.seconds = time.monotonic() - self._began
            connection.close()


def _finding(check: Check, job: _Job, deadline: float, limit_seconds: float) -> Finding:
    if not job.wait(deadline):
        answer = Answer(
            check.late, f"no answer within {limit_seconds:g} s", "try again; if it stays, see its log"
        )
        return _written(check, answer, limit_seconds)
    if job.error is not None:
        words = f"{type(job.error).__name__}: {job.error}"
        return _written(check, Answer(Status.FAILED, words, "see docs/operations.md"), job.seconds)
    return _written(check, job.result, job.seconds)


def _written(check: Check, answer: Answer, seconds: float) -> Finding:
    return Finding(check.name, answer.status, masked(answer.found), masked(answer.remedy), round(seconds, 3))
