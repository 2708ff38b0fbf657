"""The pool of a worker whose tasks mostly wait: Celery's threads, with the hard time limits that it keeps for children.

A thread cannot be ended, so a task beyond its hard limit ends its process, as an order request that is stopped does
(``connectors.departure``). Who supervises starts it again; what was under way is acknowledged late, and claimed anew
under its lease. Soft limits are not kept: nothing is raised in the middle of a task here.
"""

import itertools
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import structlog
from celery.concurrency import thread
from kombu.asynchronous import Hub

log = structlog.get_logger(__name__)
LOOK_SECONDS = 1.0
EXIT_CODE = 70  # the software's own fault


class TaskPool(thread.TaskPool):
    """Celery's pool of threads, whose tasks end or end the process."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._hub: Hub | None = None
        self._numbers = itertools.count()
        self._ends: dict[int, tuple[float, float, str]] = {}

    def on_start(self) -> None:
        """Begin to look at the time."""
        threading.Thread(target=self._watch, name="time-limits", daemon=True).start()

    def register_with_event_loop(self, loop: Hub) -> None:
        """Be told which loop fetches messages: it sleeps while every thread has one."""
        self._hub = loop

    def on_apply(
        self,
        target: Callable[..., Any],
        args: tuple[Any, ...] | None = None,
        kwargs: dict[str, Any] | None = None,
        callback: Callable[..., Any] | None = None,
        accept_callback: Callable[..., Any] | None = None,
        *,
        timeout: float | None = None,
        **options: Any,
    ) -> Any:
        """Have a thread do it; beyond ``timeout`` seconds from its begin the process ends."""

        def limited(*args: Any, **kwargs: Any) -> Any:
            with self._within(timeout, str(args[:2])):
                return target(*args, **kwargs)

        def done(result: Any) -> None:
            try:
                if callback is not None:
                    callback(result)
            finally:
                self._fetch_more()

        return super().on_apply(limited, args, kwargs, done, accept_callback, **options)

    @contextmanager
    def _within(self, seconds: float | None, task: str) -> Iterator[None]:
        if seconds is None:
            yield
            return
        number = next(self._numbers)
        self._ends[number] = (time.monotonic() + seconds, seconds, task)
        try:
            yield
        finally:
            del self._ends[number]

    def _watch(self) -> None:
        while True:
            time.sleep(LOOK_SECONDS)
            now = time.monotonic()
            for ends_at, seconds, task in list(self._ends.values()):
                if now > ends_at:
                    log.critical(
                        "task_beyond_its_time", task=task, limit_seconds=seconds, state="process ends"
                    )
                    os._exit(EXIT_CODE)

    def _fetch_more(self) -> None:
        if self._hub is not None:
            self._hub.call_soon(_nothing)


def _nothing() -> None:
    """Wake the loop: each of its rounds looks whether a thread is free for a message."""
