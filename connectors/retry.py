"""Repeat reads that failed for a passing reason, within a budget of time."""

import time
from collections.abc import Callable
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt, stop_before_delay
from tenacity.wait import wait_exponential_jitter

from connectors.errors import UnavailableError

T = TypeVar("T")


def call_with_retry(
    operation: Callable[[], T],
    *,
    deadline_seconds: float,
    attempts: int = 3,
    base_seconds: float = 1,
    factor: float = 2,
    cap_seconds: float = 30,
    attempt_seconds: float = 0,
    sleep: Callable[[float], None] = time.sleep,
) -> T:
    """Return the result of a read, repeated while it is unavailable. Never for order requests.

    Waits ``base * factor ** n`` plus up to ``base`` of jitter, at most ``cap``, or as long as the
    provider asked where that is longer.

    Args:
        deadline_seconds: no attempt starts later than this; a wait that would end later is not begun.
        attempts: how often to try in total, from 1 up.
        attempt_seconds: how long one attempt may take; none but the first starts unless it ends in time.

    Raises:
        UnavailableError: the last one, when attempts or time ran out.
    """
    back_off = wait_exponential_jitter(
        multiplier=base_seconds, max=cap_seconds, exp_base=factor, jitter=base_seconds
    )

    def wait(state: RetryCallState) -> float:
        failure = state.outcome.exception() if state.outcome else None
        asked = failure.retry_after_seconds if isinstance(failure, UnavailableError) else None
        return max(back_off(state), asked or 0.0)

    retrying = Retrying(
        stop=stop_after_attempt(attempts) | stop_before_delay(max(0.0, deadline_seconds - attempt_seconds)),
        wait=wait,
        retry=retry_if_exception_type(UnavailableError),
        sleep=sleep,
        reraise=True,
    )
    return retrying(operation)
