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
pool.apply_async(threading.Event().wait, callback=print, accept_callback=lambda *_: None, timeout=0.5)
time.sleep(60)
print("lives on")
pool.stop()
"""


@pytest.fixture
def pool() -> Any:
    pool = TaskPool(2)
    pool.start()
    yield pool
    pool.stop()


def test_threads_are_ours_whoever_starts_a_worker_of_them() -> None:
    assert concurrency.get_implementation("threads") is TaskPool


def test_task_beyond_its_limit_ends_the_process_and_says_so() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _POOL], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )

    assert done.returncode == EXIT_CODE
    assert "task_beyond_its_time" in done.stdout + done.stderr
    assert "lives on" not in done.stdout


def test_task_that_has_ended_is_looked_at_no_longer(pool: TaskPool) -> None:
    ended, watched = threading.Event(), []
    pool.apply_async(
        lambda: watched.extend(pool._ends.values()),
        callback=lambda _: ended.set(),
        accept_callback=lambda *_: None,
        timeout=60,
    )

    assert ended.wait(120)
    assert len(watched) == 1
    assert pool._ends == {}


def test_loop_that_sleeps_is_told_of_a_thread_that_is_free(pool: TaskPool) -> None:
    """All threads had a message, so the loop asked for none; the next may be long away."""
    hub, (silent, _) = Hub(), os.pipe()
    sleeps, awake = threading.Event(), threading.Event()
    handed_on: list[bool] = []
    hub.add_reader(silent, lambda: None)
    asked = hub.poller.poll
    hub.poller.poll = lambda _: asked(None)  # it sleeps until it is woken; kombu's longest is ten seconds
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

    assert awake.wait(120)
    hub.call_soon(lambda: None)  # it may sleep again
    looping.join(120)
    assert handed_on == [True]
