"""The API's request limit: whoever asks too often gets 429 and Retry-After."""

from typing import TYPE_CHECKING

from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from trading.access.api_limits import seconds_to_wait

if TYPE_CHECKING:
    from rest_framework.views import APIView  # which imports this module through its settings


class CallerThrottle(BaseThrottle):
    """Counts by user; who is unknown is told so before anything is counted."""

    def __init__(self) -> None:
        self._wait = 0

    def allow_request(self, request: Request, view: "APIView") -> bool:
        """Count the request; return whether it is answered."""
        self._wait = seconds_to_wait(f"user:{request.user.pk}")
        return self._wait == 0

    def wait(self) -> float | None:
        """Return what Retry-After says."""
        return self._wait or None
