"""Celery's soft time limit, held off where its exception would come between taking a lock and giving it back."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SOFT_LIMIT = signal.SIGUSR1  # what billiard sends a child past its soft limit


@contextmanager
def soft_limit_held_off() -> Iterator[None]:
    """Let a soft time limit that comes during the block be raised at its end.

    The handler is exchanged rather than the signal blocked: another thread of the process could take a blocked
    signal, and Python would run the handler in this one all the same. Does nothing outside the main thread, which
    alone runs handlers, and where nobody handles the signal.
    """
    handler = signal.getsignal(SOFT_LIMIT)
    if threading.current_thread() is not threading.main_thread() or not callable(handler):
        yield
        return
    came: list[tuple[int, FrameType | None]] = []
    signal.signal(SOFT_LIMIT, lambda number, frame: came.append((number, frame)))
    try:
        yield
    finally:
        signal.signal(SOFT_LIMIT, handler)
        if came:
            handler(*came[0])
