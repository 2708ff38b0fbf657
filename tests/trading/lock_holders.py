"""Sessions that hold a lock of the database while a test looks."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.db import transaction

from risk.services import locks
from tests.risk.threads import THREAD_SECONDS, beside
from trading.core.process_lock import only_one
from trading.models import AgentStatus


@contextmanager
def held(take: Callable[[threading.Event, threading.Event], None]) -> Iterator[threading.Event]:
    """Have another session take something, and hold it until the event that is given is set, or the block ends."""
    has_it, may_go = threading.Event(), threading.Event()
    with beside(lambda: take(has_it, may_go)):
        try:
            assert has_it.wait(THREAD_SECONDS)
            yield may_go
        finally:
            may_go.set()


def hold_switch(has_it: threading.Event, may_go: threading.Event) -> None:
    with locks.switch_shared():
        has_it.set()
        may_go.wait(THREAD_SECONDS)


def hold_book(has_it: threading.Event, may_go: threading.Event) -> None:
    with transaction.atomic():
        locks.lock_book()
        has_it.set()
        may_go.wait(THREAD_SECONDS)


def hold_agent(has_it: threading.Event, may_go: threading.Event) -> None:
    with transaction.atomic():
        AgentStatus.objects.select_for_update().get(pk=1)
        has_it.set()
        may_go.wait(THREAD_SECONDS)


def hold_alone(has_it: threading.Event, may_go: threading.Event) -> None:
    with only_one("relay"):
        has_it.set()
        may_go.wait(THREAD_SECONDS)
