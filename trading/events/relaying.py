"""Publish the outbox to the message transport: at least once, in order per aggregate.

One relay publishes at a time (core/process_lock.py). A crash between publishing and marking publishes the batch's rest
again, with the same ids; consumers drop repeats.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import structlog

from trading.core import heartbeats
from trading.events import outbox
from trading.models import Event

log = structlog.get_logger(__name__)
PROCESS = "relay"
SIGN_SECONDS = 2.0
DECLARE_SECONDS = 5.0
LATE_SECONDS = 30.0
LATE_AGAIN_SECONDS = 60.0


class Bus(Protocol):
    """What the relay needs of the transport."""

    def publish(self, event: Mapping[str, Any]) -> None:
        """Publish; on return the transport has it."""
        ...

    def declare(self) -> None:
        """Declare what must be there."""
        ...

    def keep_alive(self) -> None:
        """Keep the connection."""
        ...

    def trim(self) -> dict[str, int]:
        """Bound the queues."""
        ...


class Relay:
    """Publishes batch by batch; ``published`` counts since the start."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.published = 0
        self._source = ""
        self._clock = clock
        self._sign_at = self._declare_at = self._complain_at = clock()

    def publish_batch(self, bus: Bus) -> int:
        """Publish what is next and mark it; return how many there were.

        Raises:
            UnavailableError: the transport failed; what it confirmed is marked.
        """
        batch, taken = outbox.next_batch(), []
        if batch and not self._source:  # of a database it never changes
            self._source = outbox.our_source()
        try:
            for row in batch:
                self._publish(bus, row)
                taken.append(row)
        finally:
            if taken:
                outbox.mark_published(taken)
        self.published += len(batch)
        return len(batch)

    def _publish(self, bus: Bus, row: Event) -> None:
        try:
            event = outbox.published_form(row, source=self._source)
        except ValueError as error:
            # A mistake of ours: it must not hold up what comes after, and nobody else can mend it.
            log.critical("event_not_publishable", event_id=str(row.pk), type=row.type, error=str(error))
            return
        bus.publish(event)

    def look_after(self, bus: Bus) -> None:
        """Do what is due beside publishing: the sign of life, the bindings, the queues nobody reads."""
        now = self._clock()
        bus.keep_alive()
        if now >= self._declare_at:
            self._declare_at = now + DECLARE_SECONDS
            bus.declare()
            for queue, count in bus.trim().items():
                log.error("events_dropped", queue=queue, dropped=count, remedy="read the queue, or unbind it")
        self.give_sign("")

    def give_sign(self, trouble: str) -> None:
        """Say that the relay lives and how far behind it is; a backlog that grows old is logged, too."""
        now = self._clock()
        if now < self._sign_at:
            return
        self._sign_at = now + SIGN_SECONDS
        behind = outbox.backlog()
        oldest = behind.oldest.total_seconds()
        words = f"{self.published} published, {behind.count} waiting, the oldest for {oldest:.0f} s"
        heartbeats.beat(PROCESS, f"{words}; {trouble}" if trouble else words)
        if oldest > LATE_SECONDS and now >= self._complain_at:
            self._complain_at = now + LATE_AGAIN_SECONDS
            log.error("events_wait", waiting=behind.count, oldest_seconds=round(oldest), trouble=trouble)
