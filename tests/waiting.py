"""Waiting for a condition with a deadline, instead of sleeping."""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
SHORTEST_PAUSE, LONGEST_PAUSE = 0.02, 0.1  # seconds between two looks


def wait_until(condition: Callable[[], T], *, seconds: float = 120.0, what: str = "the condition") -> T:
    """Return the condition's first true value.

    What takes longer is asked less often: most conditions are queries, and the system waited for needs the cores.

    Raises:
        AssertionError: it did not become true in time.
    """
    began = time.monotonic()
    pause = threading.Event()
    while True:
        value = condition()
        if value:
            return value
        waited = time.monotonic() - began
        if waited > seconds:
            raise AssertionError(f"{what} did not come true within {seconds} s, last value {value!r}")
        pause.wait(min(max(SHORTEST_PAUSE, waited / 20), LONGEST_PAUSE))
