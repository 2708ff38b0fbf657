"""Load: events of many aggregates, some in transactions that commit late, and proposals from outside, some twice."""

import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any

from django.db import connection, transaction

from connectors.errors import UnavailableError
from connectors.events import EventBus
from trading.core import transitions

AGGREGATES = 12
OUTSIDE = "urn:test:decision-service"


def write_event(aggregate_id: str) -> str:
    """Append a published event in the transaction under way; return its id."""
    event = transitions.append_event(
        aggregate_type="kill_switch",
        aggregate_id=aggregate_id,
        event_type="kill_switch.engaged",
        payload={"actor": "load", "reason": "test", "trigger": "operator"},
        cycle_id=None,
    )
    return str(event.pk)


def proposal(number: int | str, **changes: Any) -> dict[str, Any]:
    """Return a proposal of another service to buy AAPL."""
    data = {
        "symbol": "AAPL",
        "action": "buy",
        "confidence": 0.9,
        "reasoning": "It looks cheap.",
        "strategy": "Outside",
    }
    event = {
        "specversion": "1.0",
        "id": f"proposal-{number}",
        "source": OUTSIDE,
        "type": "ai-decision.decision.generated",
        "time": datetime.now(UTC).isoformat(),
        "data": data | changes.pop("data", {}),
    }
    return event | changes


class Load:
    """Writers that work until ``stop``; ``events`` and ``proposals`` are the ids of what was committed or confirmed."""

    def __init__(self, events_url: str) -> None:
        self.events: list[str] = []
        self.proposals: list[str] = []
        self._url = events_url
        self._over = threading.Event()

    @contextmanager
    def running(self) -> Iterator["Load"]:
        """Work while the block runs."""
        threads = [
            threading.Thread(target=work, daemon=True)
            for work in (self._write, self._write_late, self._propose)
        ]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self._over.set()
            for thread in threads:
                thread.join(120)

    def _write(self) -> None:
        for n in itertools.count():
            if self._over.wait(0.1):
                break
            with transaction.atomic():
                pk = write_event(f"quick{n % AGGREGATES}")
            self.events.append(pk)
        connection.close()

    def _write_late(self) -> None:
        """Write an event and commit it only after many later ones are committed and published."""
        for n in itertools.count():
            if self._over.is_set():
                break
            with transaction.atomic():
                pk = write_event(f"late{n % 3}")
                self._over.wait(0.7)
            self.events.append(pk)
        connection.close()

    def _propose(self) -> None:
        with EventBus(self._url, queues={}) as bus:
            for n in itertools.count():
                if self._over.wait(0.4):
                    break
                with suppress(UnavailableError):
                    for _ in range(1 + n % 2):
                        bus.publish(proposal(n))
                    self.proposals.append(f"proposal-{n}")
