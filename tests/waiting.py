"""Waiting for a condition with a deadline, instead of sleeping."""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_until(condition: Callable[[], T], *, seconds: float = 120.0, what: str = "the condition") -> T:
    """Return the condition's first true value.

    Raises:
        AssertionError: it did not become true in time.
    """
    give_up = time.monotonic() + seconds
    pause = threading.Event()
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > give_up:
            raise AssertionError(f"{what} did not come true within {seconds} s, last value {value!r}")
        pause.wait(0.02)
