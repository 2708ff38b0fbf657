"""The reserve of connections: when every other one is taken, the kill switch still gets through.

PostgreSQL keeps some connections for a role of its own (``reserved_connections``). Ours is tried only after the
ordinary role was refused for want of connections, and only by who has said that it is the switch's work: its command
and the sweeper for their whole life, a request for as long as it lasts.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from django.db import connection

# What libpq says; it hands over no SQLSTATE (53300) for a connection that was refused.
REFUSALS = (
    "remaining connection slots are reserved",
    "sorry, too many clients already",
    "too many connections for",
    "53300",
)

_allowed: ContextVar[bool] = ContextVar("allowed", default=False)
_always = False


def use_always() -> None:
    """Let this process use the reserve from now on, in every thread."""
    global _always
    _always = True


@contextmanager
def for_the_switch() -> Iterator[None]:
    """Let this thread's block use the reserve, and give back what it took."""
    token = _allowed.set(True)
    try:
        yield
    finally:
        _allowed.reset(token)
        if getattr(connection, "is_of_reserve", False) and not connection.in_atomic_block:
            connection.close()


def is_allowed() -> bool:
    """Return whether the reserve may be used here and now."""
    return _always or _allowed.get()


def is_refusal(words: str) -> bool:
    """Return whether a connection was refused because all that this role may have are taken."""
    return any(refusal in words for refusal in REFUSALS)
