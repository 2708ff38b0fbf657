"""A breaker for one model: after failures in a row it is left alone for a while, then tried with one call."""

import enum
from datetime import datetime, timedelta

FAILURES_TO_OPEN = 3
# Longer than an analysis, shorter than a cycle's default interval: each cycle tries a failed model once.
COOL_DOWN = timedelta(seconds=45)

# A provider's own Retry-After is obeyed up to this; a longer one is tried again then.
LONGEST_RETRY_AFTER = timedelta(minutes=10)

# A pause with more left than any is long was set before a clock stepped back: it is over.
SLACK = timedelta(seconds=30)


class Admission(enum.Enum):
    """Whether a model may be asked: now, once the call that tries it has ended, or not."""

    GRANTED = "granted"
    WAIT = "wait"
    REFUSED = "refused"


class Breaker:
    """Closed: everybody may ask. Open: nobody, until ``open_until``. Then one call tries it."""

    def __init__(self, *, failures: int = 0, open_until: datetime | None = None) -> None:
        self._failures = failures
        self.open_until = open_until
        self._is_tried = False

    def admit(self, now: datetime) -> Admission:
        """Return whether the model may be asked; the first to be let in after the pause is the one that tries."""
        if self.open_until is None:
            return Admission.GRANTED
        if now < self.open_until <= now + LONGEST_RETRY_AFTER + SLACK:
            return Admission.REFUSED
        if self._is_tried:
            return Admission.WAIT
        self._is_tried = True
        return Admission.GRANTED

    def let_go(self) -> None:
        """Note that a call which was let in says nothing about the model, or was not made after all."""
        self._is_tried = False

    def succeeded(self) -> None:
        """Note an answer that can be used."""
        self._failures, self.open_until, self._is_tried = 0, None, False

    def failed(self, now: datetime, retry_after: timedelta | None) -> None:
        """Note a failure; ``retry_after`` is the provider's word and opens the breaker by itself."""
        self._failures += 1
        self._is_tried = False
        self.open_until = opened_until(self._failures, now, retry_after) or self.open_until


def opened_until(failures: int, last: datetime, retry_after: timedelta | None) -> datetime | None:
    """Return until when ``failures`` in a row, the last at ``last``, keep a model from being asked."""
    if retry_after is not None and retry_after > timedelta(0):
        return last + min(retry_after, LONGEST_RETRY_AFTER)
    return last + COOL_DOWN if failures >= FAILURES_TO_OPEN else None
