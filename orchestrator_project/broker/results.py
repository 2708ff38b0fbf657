"""Celery's Redis backend without anybody who waits for a result: chords are counted by it, and that is all.

Our tasks have no results. Celery subscribed to that of each message all the same, and kept an object for it: who had
published a chord of 140 listened to 140 channels on which nothing is ever said.
"""

from typing import Any

from celery.backends.redis import RedisBackend


class Backend(RedisBackend):
    """What chords count by."""

    def add_pending_result(self, result: Any, weak: bool = False, start_drainer: bool = True) -> Any:
        """Expect nothing."""
        return result

    def remove_pending_result(self, result: Any) -> Any:
        """Have nothing to forget."""
        return result

    def on_task_call(self, producer: Any, task_id: str) -> None:
        """Listen to nothing."""
