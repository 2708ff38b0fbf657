"""Alpaca's rate limit: so many requests a minute and key, counted apart for trading and for data."""

import time
from collections.abc import Callable


class RateLimits:
    """Fixed windows, of one minute unless said otherwise.

    Args:
        per_minute: requests allowed in a window; 0: no limit.
        window_seconds: the window's length; short ones are for tests.
    """

    def __init__(
        self, per_minute: int, wall_time: Callable[[], float] = time.time, *, window_seconds: int = 60
    ) -> None:
        self.per_minute = per_minute
        self._window_seconds = window_seconds
        self._wall_time = wall_time
        self._windows: dict[str, tuple[int, int]] = {}

    def take(self, key: str) -> tuple[bool, dict[str, str]]:
        """Count a request; return whether it may pass, and the headers that say how things stand."""
        if not self.per_minute:
            return True, {}
        minute = int(self._wall_time() // self._window_seconds)
        started, count = self._windows.get(key, (minute, 0))
        count = count + 1 if started == minute else 1
        self._windows[key] = (minute, count)
        reset = (minute + 1) * self._window_seconds
        headers = {
            "X-RateLimit-Limit": str(self.per_minute),
            "X-RateLimit-Remaining": str(max(self.per_minute - count, 0)),
            "X-RateLimit-Reset": str(reset),
        }
        if count <= self.per_minute:
            return True, headers
        headers["Retry-After"] = str(max(1, round(reset - self._wall_time())))
        return False, headers
