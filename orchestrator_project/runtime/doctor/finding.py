"""What a check is and what it finds."""

import enum
from collections.abc import Callable
from dataclasses import dataclass

START = "start the system: `manage.py up`"


class Status(enum.StrEnum):
    """How a check ended; ``FAILED``: no trading cycle can do its work like this.

    ``OFF``: not configured, or not checked because what it needs has failed.
    """

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a check says: the remedy is empty only where all is well or nothing is to be done."""

    status: Status
    found: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """One look at one thing.

    Args:
        needs: names of checks that must not have failed before this one makes sense.
        late: the status when it does not end in time.
    """

    name: str
    look: Callable[[], Answer]
    needs: tuple[str, ...] = ()
    late: Status = Status.FAILED


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of a check, as it is printed."""

    name: str
    status: Status
    found: str
    remedy: str
    seconds: float


def ok(found: str) -> Answer:
    """All is well."""
    return Answer(Status.OK, found)


def warning(found: str, remedy: str) -> Answer:
    """A cycle can run, but not as it should."""
    return Answer(Status.WARNING, found, remedy)


def failed(found: str, remedy: str) -> Answer:
    """No trading cycle can do its work."""
    return Answer(Status.FAILED, found, remedy)


def off(found: str, remedy: str = "") -> Answer:
    """Not configured."""
    return Answer(Status.OFF, found, remedy)
