"""Repeat what is read from providers as the runtime settings say, within the time of the stage that reads."""

import time
from collections.abc import Callable
from typing import TypeVar

from connectors.retry import call_with_retry
from connectors.transport import time_limit
from trading.core import settings

T = TypeVar("T")
SHORTEST_SECONDS = 1.0  # what a repeated read must have left: less brings no answer


def read_repeatedly(
    call: Callable[[float], T], *, within_seconds: float, retries: settings.Retries | None = None
) -> T:
    """Return what ``call`` reads, repeated while the provider is unavailable; all requests end within the time.

    So often, and after such pauses, as ``read_attempts``, ``retry_base``, ``retry_factor`` and ``retry_cap`` say.

    Args:
        call: reads once; it is given the seconds that are left, and must change nothing at the provider.
        retries: as the settings say; None: they are read here, with this thread's connection.

    Raises:
        ConnectorError: what the last attempt raised, when attempts or time ran out.
    """
    gives_up_at = time.monotonic() + within_seconds
    chosen = retries or settings.retries()

    def read() -> T:
        left = max(gives_up_at - time.monotonic(), 0.0)
        with time_limit(left):
            return call(left)

    return call_with_retry(
        read,
        deadline_seconds=within_seconds,
        attempt_seconds=SHORTEST_SECONDS,
        attempts=chosen.attempts,
        base_seconds=chosen.base,
        factor=chosen.factor,
        cap_seconds=chosen.cap,
    )
