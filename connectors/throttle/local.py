"""The rate limit while Redis is away: a sliding window of this process alone."""

import threading
from collections import deque
from time import monotonic

from connectors.throttle.base import NoSlotError, Priority


class LocalWindow:
    """A sliding window of one process, safe for its threads.

    Reads get a share of the limit, for there are other processes; orders the whole of it, and cancels pass:
    a limiter that is away must never be what keeps an order from being cancelled (ADR 0010).

    Args:
        limit: requests in a window; 0: no limit.
        share: the part of it that this process's reads may use, above 0 and at most 1.
    """

    def __init__(self, limit: int, window_seconds: float, share: float) -> None:
        self._limit = limit
        self._share = max(1, int(limit * share))
        self._window_seconds = window_seconds
        self._taken: deque[float] = deque()
        self._lock = threading.Lock()

    def take(self, priority: Priority) -> None:
        """Count a request.

        Raises:
            NoSlotError: the window is full for this priority.
        """
        if not self._limit:
            return
        allowed = self._share if priority is Priority.READ else self._limit
        now = monotonic()
        with self._lock:
            while self._taken and self._taken[0] <= now - self._window_seconds:
                self._taken.popleft()
            if len(self._taken) >= allowed and priority < Priority.CANCEL:
                words = "this process's part of the limit is used up, Redis is away"
                wait = self._taken[-allowed] + self._window_seconds - now
                raise NoSlotError(words, wait, is_own_limit=True)
            self._taken.append(now)
