"""The moment an order request is sent: what must hold then, and by when its last byte must be out.

Between the proof that an order may be sent and its bytes a process can be stopped for as long as somebody likes. Three
bounds hold all the same:

1. The proof is asked for when the connection stands, immediately before the first byte.
2. Before each piece of the request this process looks at how long ago that was, suspended time included.
3. A timer of the kernel runs from before the proof until the last byte is out. Where the process is stopped longer than
   that, the timer's signal waits for it and ends it when it is continued, before it runs another instruction.
"""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

LAST_BYTE_SECONDS = 5.0
ENDS_PROCESS_SECONDS = 6.0  # whoever waits longer than this for a sender knows that it sends no more
# Time that passes while the machine is suspended counts, where the system tells it.
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def elapsed_seconds() -> float:
    """Return a time that only goes on, whatever happens to any clock; time suspended included where it is known."""
    return time.clock_gettime(_CLOCK)


class TooLateError(TimeoutError):
    """The proof was given too long ago: nothing more of the request is sent."""


class Departure:
    """One order on its way out."""

    def __init__(self, permit: Callable[[], None]) -> None:
        self._permit = permit
        self._proved_at: float | None = None
        self.is_refused = False

    def allow(self) -> None:
        """Let the next bytes go.

        Raises:
            TooLateError: too long after the proof.
            Exception: what the permit raises; not a byte has left then.
        """
        if self._proved_at is None:
            _alarm.set(self)
            self._proved_at = elapsed_seconds()
            self.is_refused = True
            self._permit()
            self.is_refused = False
        if elapsed_seconds() - self._proved_at > LAST_BYTE_SECONDS:
            raise TooLateError("stopped too long between the proof and the request")

    def has_left(self) -> None:
        """Note that the last byte is out, or that none will follow."""
        _alarm.clear(self)


class _Alarm:
    """The process's one timer, for the departure that is due first."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._due: dict[Departure, float] = {}

    def set(self, departure: Departure) -> None:
        with self._guard:
            self._due[departure] = time.monotonic() + ENDS_PROCESS_SECONDS
            self._wind()

    def clear(self, departure: Departure) -> None:
        with self._guard:
            if self._due.pop(departure, None) is not None:
                self._wind()

    def _wind(self) -> None:
        left = min(self._due.values()) - time.monotonic() if self._due else 0.0
        signal.setitimer(signal.ITIMER_REAL, max(left, 0.001) if self._due else 0.0)


_alarm = _Alarm()
_current: ContextVar[Departure | None] = ContextVar("departure", default=None)


@contextmanager
def departing(permit: Callable[[], None] | None) -> Iterator[None]:
    """Have the request of this block leave only with ``permit``, called once, right before its first byte.

    Args:
        permit: raises where the request must not leave; None: nothing to prove, for tests of an adapter alone.
    """
    if permit is None:
        yield
        return
    departure = Departure(permit)
    token = _current.set(departure)
    try:
        yield
    finally:
        departure.has_left()
        _current.reset(token)


def current_departure() -> Departure | None:
    """Return what the request under way has to prove, None for one that has nothing to."""
    return _current.get()
