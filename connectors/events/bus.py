"""The publishing side: one durable topic exchange; an event's type is its routing key.

On RabbitMQ a publish returns with the broker's confirm. On Redis it returns when the message is in the list of every
queue that was bound at that moment, which the append-only file keeps; nobody expires or bounds such a list by itself,
so that ``trim`` has to.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, cast
from urllib.parse import urlsplit

from kombu import Connection, Exchange, Producer, Queue
from kombu.exceptions import KombuError
from redis import Redis
from redis.exceptions import RedisError

from connectors.errors import UnavailableError
from connectors.redis_schemes import use_our_transport

PROVIDER = "events"
EXCHANGE = "orchestrator.events"
CONTENT_TYPE = "application/cloudevents+json"
# Some 30 MB in Redis for a queue that nobody reads; a queue of decisions of 140 symbols fills in two hours.
MOST_WAITING = 20_000
BINDINGS = f"_kombu.binding.{EXCHANGE}"  # kombu's name for the bindings on Redis
SEPARATOR = b"\x06\x16"
HEARTBEAT_SECONDS = 30
SOCKET_SECONDS = 10.0
PERSISTENT = 2


def connection_to(url: str) -> Connection:
    """Return an unopened connection; publishing over AMQP waits for the broker's confirm."""
    options: dict[str, Any] = {"confirm_publish": True, "read_timeout": SOCKET_SECONDS}
    if is_redis(url):
        options = {"socket_timeout": SOCKET_SECONDS, "socket_connect_timeout": 3.0}
    use_our_transport()
    known = url.replace("unix://", "redis+socket://", 1)
    heartbeat = 0 if is_redis(url) else HEARTBEAT_SECONDS
    return Connection(known, transport_options=options, connect_timeout=5, heartbeat=heartbeat)


def is_redis(url: str) -> bool:
    """Return whether the address is of Redis or Valkey."""
    return urlsplit(url).scheme in ("redis", "rediss", "unix")


def exchange() -> Exchange:
    """Return the exchange all events go through."""
    return Exchange(EXCHANGE, type="topic", durable=True, delivery_mode="persistent")


def queues_of(name: str, topics: Sequence[str]) -> list[Queue]:
    """Return a durable queue with its bindings; over AMQP the broker itself drops the oldest of too many."""
    return [
        Queue(name, exchange(), routing_key=topic, durable=True, max_length=MOST_WAITING) for topic in topics
    ]


@contextmanager
def as_unavailable(operation: str) -> Iterator[None]:
    """Turn whatever the transport raises into the one error its callers wait on.

    Raises:
        UnavailableError: the transport failed; what was under way may or may not have been taken.
    """
    try:
        yield
    except (KombuError, RedisError, OSError) as error:
        raise UnavailableError(PROVIDER, operation, f"{type(error).__name__}: {error}"[:300]) from error
    except Exception as error:
        if type(error).__module__.split(".")[0] != "amqp":
            raise
        raise UnavailableError(PROVIDER, operation, f"{type(error).__name__}: {error}"[:300]) from error


def reach(url: str) -> None:
    """Connect and leave again, declaring nothing.

    Raises:
        UnavailableError: the transport cannot be reached.
    """
    with as_unavailable("connect"), connection_to(url) as connection:
        connection.ensure_connection(max_retries=1, interval_start=0, timeout=3)


class EventBus:
    """An open connection to publish by; not for several threads.

    Args:
        queues: durable queues to declare with their topics, so that what is published before their first
            consumer ran is kept for it.

    Raises:
        UnavailableError: the transport cannot be reached.
    """

    def __init__(self, url: str, *, queues: Mapping[str, Sequence[str]]) -> None:
        self._url = url
        self._queues = dict(queues)
        self._connection = connection_to(url)
        with as_unavailable("connect"):
            self._connection.ensure_connection(max_retries=1, interval_start=0, timeout=5)
            self._channel = cast("Any", self._connection.channel())  # kombu's types know no more
            self._producer = Producer(self._channel, exchange=exchange())
            self.declare()

    def declare(self) -> None:
        """Declare exchange and queues; on Redis again what was forgotten when it was emptied."""
        with as_unavailable("declare"):
            if is_redis(self._url):
                self._channel.connection.state.clear()  # or a binding it once made is not made again
            exchange()(self._channel).declare()
            for name, topics in self._queues.items():
                for queue in queues_of(name, topics):
                    queue(self._channel).declare()

    def publish(self, event: Mapping[str, Any]) -> None:
        """Publish a CloudEvent; on return every bound queue has it.

        Raises:
            UnavailableError: it may or may not have been taken; publish it again.
        """
        with as_unavailable("publish"):
            self._producer.publish(
                json.dumps(event, separators=(",", ":"), ensure_ascii=False).encode(),
                routing_key=str(event["type"]),
                content_type=CONTENT_TYPE,
                content_encoding="utf-8",
                delivery_mode=PERSISTENT,
                message_id=str(event["id"]),
            )

    def keep_alive(self) -> None:
        """Answer the broker's heartbeats; call every few seconds."""
        if not is_redis(self._url):
            with as_unavailable("heartbeat"):
                self._connection.heartbeat_check()

    def trim(self) -> dict[str, int]:
        """Drop the oldest messages of queues that have grown too long; return how many of which queue.

        RabbitMQ does so by itself for our queues.
        """
        if not is_redis(self._url):
            return {}
        with as_unavailable("trim"):
            client = cast("Redis", self._channel.client)
            bound = cast("set[bytes]", client.smembers(BINDINGS))
            names = {member.split(SEPARATOR)[-1].decode() for member in bound}
            dropped = {}
            for name in names:
                extra = client.llen(name) - MOST_WAITING
                if extra > 0:
                    client.ltrim(name, 0, MOST_WAITING - 1)  # new ones are put in front
                    dropped[name] = extra
            return dropped

    def close(self) -> None:
        """Close the connection; it may be broken already."""
        self._connection.release()

    def __enter__(self) -> "EventBus":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
