"""Tasks in threads end in time or end their process, and the loop hears at once of a thread that is free."""

import os
import subprocess
import sys
import threading
from typing import Any

import pytest
from celery import concurrency
from kombu.asynchronous import Hub

from orchestrator_project.thread_pool import EXIT_CODE, TaskPool
from tests.paths import ROOT

_POOL = """
import threading, time
from orchestrator_project.thread_pool import TaskPool
pool = TaskPool(2)
pool.start()
ended = threading.Event()
pool.apply_async(lambda: ended.wait({quick}), callback=print, accept_callback=lambda *_: None, timeout=0.5)
time.sleep({patience})
print("lives on")
pool.stop()
"""


@pytest.fixture
def pool() -> Any:
    pool = TaskPool(2)
    pool.start()
    yield pool
    pool.stop()


def run(*, quick: float, patience: float) -> subprocess.CompletedProcess[str]:
    program = _POOL.format(quick=quick, patience=patience)
    return subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )


def test_threads_are_ours_whoever_starts_a_worker_of_them() -> None:
    assert concurrency.get_implementation("threads") is TaskPool


def test_task_beyond_its_limit_ends_the_process_and_says_so() -> None:
    done = run(quick=3600, patience=60)

    assert done.returncode == EXIT_CODE
    assert "task_beyond_its_time" in done.stdout + done.stderr
    assert "lives on" not in done.stdout


def test_task_that_has_ended_in_time_ends_nothing() -> None:
    done = run(quick=0.01, patience=3)

    assert (done.returncode, done.stdout.split()) == (0, ["False", "lives", "on"]), done.stderr


def test_loop_that_sleeps_is_told_of_a_thread_that_is_free(pool: TaskPool) -> None:
    """All threads had a message, so the loop asked for none; the next may be long away."""
    hub, (silent, _) = Hub(), os.pipe()
    sleeps, awake = threading.Event(), threading.Event()
    handed_on: list[bool] = []
    hub.add_reader(silent, lambda: None)
    hub.call_later(3600, lambda: None)  # it sleeps for ten seconds then, its longest
    hub.on_tick.add(lambda: (awake if handed_on else sleeps).set())
    pool.register_with_event_loop(hub)
    go = threading.Event()
    pool.apply_async(go.wait, callback=handed_on.append, accept_callback=lambda *_: None, timeout=60)

    def loop() -> None:
        while not awake.is_set():
            hub.run_once()

    looping = threading.Thread(target=loop, daemon=True)
    looping.start()
    assert sleeps.wait(60)
    go.set()
    looping.join(8)

    assert awake.is_set()
    assert handed_on == [True]
