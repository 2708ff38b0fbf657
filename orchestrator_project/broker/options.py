"""How a process talks to Celery's queue, by what it does there."""

from typing import Any

CONSUMERS = frozenset({"worker", "io_worker", "analyst", "celery"})


def broker_options(process: str) -> dict[str, Any]:
    """Return the transport's options for a process of this name.

    A request that only publishes must not wait for a queue that hangs: what was not taken, the sweeper finds. Who
    consumes waits longer, because an idle connection is no broken one; it publishes from there, too.
    """
    consumes = process in CONSUMERS
    return {
        # Longer than any task may live, the longest analysis among them. What a dead worker had, the sweeper takes up
        # long before.
        "visibility_timeout": 900,
        "unacked_restore_interval": 5,
        "unacked_restore_throttle": 1,
        "socket_timeout": 30 if consumes else 1,
        "socket_connect_timeout": 3 if consumes else 1,
    }
