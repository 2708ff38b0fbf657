"""Looks for the evaluation's work and has each piece done in a child that ends with it, so its memory does not stay.

Nothing of it is in the way of what trades. PostgreSQL says what is due, so any number of evaluators may look, and one
that is killed loses nothing but the piece at hand, which is due still.
"""

import itertools
import os
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

import structlog
from django.db import DatabaseError, InterfaceError, connection, connections

from evaluation.services.jobs import Job
from orchestrator_project.runtime.apart import Apart
from orchestrator_project.runtime.image import ONE_THREAD
from trading.core import heartbeats
from trading.core.process_lock import only_one

log = structlog.get_logger(__name__)
EVALUATOR = "evaluator"
LOOK_SECONDS = 5.0
CHILD_SECONDS = 0.25
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 10.0, 3600.0
BUSY_SECONDS = 30.0


class BusyElsewhereError(Exception):
    """Another evaluator does this piece, or one of a kind of which one at a time is done."""


class PieceError(Exception):
    """A piece took too long."""


@dataclass(frozen=True, slots=True)
class _Running:
    job: Job
    key: str
    child: Apart
    ends_at: float


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A piece that is not begun before ``again_at`` (monotonic), after so many failures."""

    again_at: float
    failures: int = 0
    error: str = ""


class Evaluator:
    """The loop, with what it knows of the pieces at hand and of those that failed."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        for name in ONE_THREAD:  # numpy's own threads would keep this process from forking
            os.environ.setdefault(name, "1")
        self._jobs = jobs
        self._running: dict[tuple[str, str], _Running] = {}
        self._waiting: dict[tuple[str, str], _Waiting] = {}
        self._done, self.failed = 0, 0

    def work(self, stop: threading.Event) -> None:
        """Look until ``stop`` is set; what is at hand then is done again after the next start."""
        look_at = 0.0
        try:
            while not stop.is_set():
                self._reap()
                if time.monotonic() >= look_at:
                    look_at = time.monotonic() + LOOK_SECONDS
                    self._look()
                stop.wait(CHILD_SECONDS if self._running else LOOK_SECONDS)
        finally:
            self._end()

    def work_once(self, stop: threading.Event) -> None:
        """Do what is due, each piece once, and what becomes due by it."""
        tried: set[tuple[str, str]] = set()
        try:
            while not stop.is_set():
                self._reap()
                tried |= self._begin(tried)
                if not self._running:
                    heartbeats.beat(EVALUATOR, self._words())
                    return
                stop.wait(CHILD_SECONDS)
        finally:
            self._end()

    def _look(self) -> None:
        try:
            heartbeats.beat(EVALUATOR, self._words())
            self._begin(set())
        except (DatabaseError, InterfaceError) as error:
            log.critical(
                "database_unreachable",
                error_type=type(error).__name__,
                error=str(error).strip(),
                operation="evaluate",
                state="waiting",
            )
            connection.close()

    def _begin(self, tried: set[tuple[str, str]]) -> set[tuple[str, str]]:
        """Begin of each kind as many pieces as may be at hand at once; return those that were begun."""
        found = [(job, key) for job in self._jobs for key in self._next(job, tried)]
        if found:
            connections.close_all()  # two would use it
        for job, key in found:
            self._start(job, key)
        return {(job.name, key) for job, key in found}

    def _next(self, job: Job, tried: set[tuple[str, str]]) -> list[str]:
        """Return the first pieces of a kind that are due and do not wait, as many as there is room for."""
        at_hand = [key for name, key in self._running if name == job.name]
        room = job.at_once - len(at_hand)
        if room <= 0 or self._waits(job.name, ""):
            return []
        try:
            keys = job.due()
        except (DatabaseError, InterfaceError):
            raise
        except Exception as error:  # noqa: BLE001 - one kind's fault keeps no other from its turn
            self._failed(job, "", error)
            return []
        for name, key in self._waiting.keys() - {(job.name, key) for key in keys}:
            if name == job.name:
                del self._waiting[name, key]
        ready = (
            key
            for key in keys
            if key not in at_hand and (job.name, key) not in tried and not self._waits(job.name, key)
        )
        return list(itertools.islice(ready, room))

    def _waits(self, name: str, key: str) -> bool:
        waiting = self._waiting.get((name, key))
        return waiting is not None and time.monotonic() < waiting.again_at

    def _start(self, job: Job, key: str) -> None:
        try:
            child = Apart(lambda: _do(job, key))
        except Exception as error:  # noqa: BLE001 - where nothing can be forked it was done here
            self._failed(job, key, error)
            return
        self._running[job.name, key] = _Running(job, key, child, time.monotonic() + job.timeout_seconds)

    def _reap(self) -> None:
        """Note what came of the children that have ended, and end those that take too long."""
        for place, piece in list(self._running.items()):
            try:
                if piece.child.is_over:
                    del self._running[place]
                    piece.child.finish()
                elif time.monotonic() >= piece.ends_at:
                    del self._running[place]
                    piece.child.end()
                    raise PieceError(f"it took more than {piece.job.timeout_seconds:g} s")
                else:
                    continue
            except BusyElsewhereError:
                self._waiting[place] = _Waiting(time.monotonic() + BUSY_SECONDS)
            except Exception as error:  # noqa: BLE001 - whatever the piece raised
                self._failed(piece.job, piece.key, error)
            else:
                self._done += 1
                self._waiting.pop(place, None)

    def _failed(self, job: Job, key: str, error: Exception) -> None:
        failures = self._failures(job.name, key) + 1
        pause = min(FIRST_PAUSE_SECONDS * 2 ** (failures - 1), LONGEST_PAUSE_SECONDS)
        words = f"{type(error).__name__}: {error}".strip()
        log.error(
            "evaluation_failed",
            job=job.name,
            key=key,
            error=words,
            failures=failures,
            again_in_seconds=pause,
            exc_info=error,
        )
        self.failed += 1
        self._waiting[job.name, key] = _Waiting(time.monotonic() + pause, failures, words)

    def _failures(self, name: str, key: str) -> int:
        waiting = self._waiting.get((name, key))
        return waiting.failures if waiting else 0

    def _words(self) -> str:
        words = [f"{self._done} pieces of work done, {self.failed} failed since its start"]
        words += [f"at work: {name}" for name in dict.fromkeys(name for name, _ in self._running)]
        words += [
            f"{name} {key}".strip() + f" failed {waiting.failures} times: {waiting.error}"
            for (name, key), waiting in self._waiting.items()
            if waiting.failures
        ]
        return "; ".join(words)

    def _end(self) -> None:
        for piece in self._running.values():
            piece.child.end()
        self._running.clear()


def _do(job: Job, key: str) -> None:
    """Do a piece, unless it is another's, or done by now."""
    alone = f"evaluation {job.name}" if job.at_once == 1 else f"evaluation {job.name} {key}"
    with only_one(alone) as is_one:
        if not is_one:
            raise BusyElsewhereError(alone)
        if key in job.due():
            log.info("evaluation_begins", job=job.name, key=key)
            began = time.monotonic()
            job.run(key)
            log.info("evaluation_done", job=job.name, key=key, seconds=round(time.monotonic() - began, 3))
