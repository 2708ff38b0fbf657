"""The event being handled now; its id becomes the causation id of every event written meanwhile."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

LONGEST = 200
_cause: ContextVar[str] = ContextVar("cause", default="")


@contextmanager
def caused_by(message_id: str) -> Iterator[None]:
    """Name the event or message that causes what is written in this block."""
    token = _cause.set(message_id[:LONGEST])
    try:
        yield
    finally:
        _cause.reset(token)


def current_cause() -> str:
    """Return the id of what is being answered to; "" where a person or a clock began it."""
    return _cause.get()
