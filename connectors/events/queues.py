"""The consuming side: one queue, one reader, one message at a time, gone only when its reader is done with it."""

import base64
import json
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast

from kombu import Consumer, Message

from connectors.events.bus import (
    BINDINGS,
    SEPARATOR,
    as_unavailable,
    connection_to,
    is_redis,
    queues_of,
)

PREFETCH = 50


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message as its sender wrote it; ``receipt`` is the transport's."""

    body: str
    receipt: Any


class EventQueue(Protocol):
    """A queue that one process reads."""

    def take(self, *, wait_seconds: float) -> Delivery | None:
        """Return the oldest message, None when none came in time; it stays ours until ``done``.

        Raises:
            UnavailableError: the transport failed; open the queue again, and what was not done comes again.
        """
        ...

    def done(self, delivery: Delivery) -> None:
        """Take a message out for good.

        Raises:
            UnavailableError: it may come again.
        """
        ...

    def close(self) -> None:
        """Close the connection."""
        ...


def open_queue(url: str, name: str, topics: Sequence[str]) -> EventQueue:
    """Declare a durable queue with its bindings and open it for reading.

    Two readers of one queue would take each other's messages: see to it that there is one.

    Raises:
        UnavailableError: the transport cannot be reached.
    """
    return RedisQueue(url, name, topics) if is_redis(url) else AmqpQueue(url, name, topics)


class RedisQueue:
    """Reads kombu's list directly: a message moves to a list beside it until it is done with; one at a time.

    kombu's own consumer takes a message out of Redis first and notes it as unacknowledged after that; killed
    between the two it loses the message.
    """

    def __init__(self, url: str, name: str, topics: Sequence[str]) -> None:
        self._name, self._taken = name, f"{name}.taken"
        self._topics = topics
        self._connection = connection_to(url)
        with as_unavailable("open_queue"):
            self._connection.ensure_connection(max_retries=1, interval_start=0, timeout=5)
            self._channel = cast("Any", self._connection.channel())  # kombu's types know no more
            self._client = cast("Any", self._channel.client)  # redis-py's own types refuse fractions below
            self._declare()
            self._put_back()

    def _put_back(self) -> None:
        """Put what a reader that died had taken back to where it came from; we hold nothing ourselves now."""
        while self._client.lmove(self._taken, self._name, "LEFT", "RIGHT") is not None:
            pass

    def _declare(self) -> None:
        self._channel.connection.state.clear()
        for queue in queues_of(self._name, self._topics):
            queue(self._channel).declare()
        self._bound = frozenset(self._bindings())

    def _bindings(self) -> list[bytes]:
        """Return this queue's bindings as Redis has them now; none where it was emptied."""
        name = self._name.encode()
        members = cast("set[bytes]", self._client.smembers(BINDINGS))
        return [member for member in members if member.split(SEPARATOR)[-1] == name]

    def take(self, *, wait_seconds: float) -> Delivery | None:
        """See ``EventQueue``."""
        with as_unavailable("take"):
            raw = self._client.lmove(self._name, self._taken, "RIGHT", "LEFT")
            if raw is None:
                if not self._bound.issubset(self._bindings()):  # Redis was emptied
                    self._declare()
                self._put_back()  # it may have served the dead reader once more after we opened the queue
                raw = self._client.blmove(self._name, self._taken, wait_seconds, "RIGHT", "LEFT")
        return None if raw is None else Delivery(_text_of(cast("bytes", raw)), raw)

    def done(self, delivery: Delivery) -> None:
        """See ``EventQueue``."""
        with as_unavailable("done"):
            self._client.lrem(self._taken, 1, delivery.receipt)

    def close(self) -> None:
        """See ``EventQueue``."""
        self._connection.release()


class AmqpQueue:
    """Reads over AMQP; what is not acknowledged when the connection ends is put back where it was."""

    def __init__(self, url: str, name: str, topics: Sequence[str]) -> None:
        self._connection = connection_to(url)
        self._waiting: deque[Message] = deque()
        with as_unavailable("open_queue"):
            self._connection.ensure_connection(max_retries=1, interval_start=0, timeout=5)
            channel = self._connection.channel()
            queues = [queue(channel) for queue in queues_of(name, topics)]
            for queue in queues:
                queue.declare()
            self._consumer = Consumer(
                channel, queues[:1], on_message=self._waiting.append, prefetch_count=PREFETCH
            )
            self._consumer.consume()

    def take(self, *, wait_seconds: float) -> Delivery | None:
        """See ``EventQueue``."""
        with as_unavailable("take"):
            self._connection.heartbeat_check()
            if not self._waiting:
                try:
                    self._connection.drain_events(timeout=wait_seconds)
                except TimeoutError:
                    return None
        if not self._waiting:
            return None
        message = self._waiting.popleft()
        body = message.body
        return Delivery(body.decode(errors="replace") if isinstance(body, bytes) else str(body), message)

    def done(self, delivery: Delivery) -> None:
        """See ``EventQueue``."""
        with as_unavailable("done"):
            delivery.receipt.ack()

    def close(self) -> None:
        """See ``EventQueue``."""
        self._connection.release()


def _text_of(raw: bytes) -> str:
    """Return the body inside kombu's message; what is no such message is returned as it is, to be parked."""
    try:
        message = json.loads(raw)
        body = message["body"]
        if message["properties"].get("body_encoding") == "base64":
            body = base64.b64decode(body).decode()
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return raw.decode(errors="replace")
    return str(body)
