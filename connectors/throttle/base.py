"""Types of the throttle: what an HTTP session asks before each request, and reports after its answer."""

import enum
from dataclasses import dataclass
from typing import Protocol


class Priority(enum.IntEnum):
    """Who goes first: reads leave the reserve alone, orders may use it but for the switch's part, cancels do not
    wait for a pause; and what the switch asks and sells waits for nothing of ours.

    Only reads stop at an open breaker: a broken provider must not cost a cycle its time, while an order has
    its own few tries, and a cancel that leaves in vain costs nothing. The switch's requests count, but are never
    held back: where the provider itself has had enough, it says so.
    """

    READ = 0
    ORDER = 1
    CANCEL = 2
    SWITCH = 3


class RequestOutcome(enum.StrEnum):
    """How a request ended, as far as limit and breaker care; one that was withdrawn says nothing of the provider."""

    ANSWERED = "answered"
    LIMITED = "limited"
    FAILED = "failed"
    UNSENT = "unsent"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class Report:
    """What the answer said.

    ``remaining`` requests are left until ``reset_at`` (unix seconds), None where the provider does not say.
    """

    outcome: RequestOutcome
    detail: str = ""
    retry_after_seconds: float | None = None
    remaining: int | None = None
    reset_at: float | None = None


class NoSlotError(Exception):
    """No request may leave now; provably nothing was sent.

    Args:
        detail: which of limit, pause and breaker, in words.
        retry_after_seconds: when it is worth asking again.
        is_own_limit: our own requests have used up the limit; the provider has not said anything.
    """

    def __init__(self, detail: str, retry_after_seconds: float, *, is_own_limit: bool = False) -> None:
        super().__init__(detail)
        self.detail = detail
        self.retry_after_seconds = retry_after_seconds
        self.is_own_limit = is_own_limit


class Slot(Protocol):
    """One admitted request."""

    def close(self, report: Report) -> None:
        """Tell how it ended; never raises."""
        ...


class Throttle(Protocol):
    """The door every request of one provider and key goes through."""

    def admit(self, priority: Priority, *, patience_seconds: float, lease_seconds: float) -> Slot:
        """Wait for a slot.

        Args:
            patience_seconds: the longest wait; where it will not do, nothing is waited for.
            lease_seconds: the longest the request may take, for a caller that dies meanwhile.

        Raises:
            NoSlotError: none came in time.
        """
        ...


class _NoSlot:
    def close(self, report: Report) -> None:
        """Nothing counts."""


class Unthrottled:
    """Lets everything pass: for tests of an adapter alone."""

    def admit(self, priority: Priority, *, patience_seconds: float, lease_seconds: float) -> Slot:
        """Return a slot at once."""
        return _NoSlot()
