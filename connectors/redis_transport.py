"""kombu's Redis transport, in which a message costs a worker's loop little more than half; for tasks and events.

kombu makes a client for each command that does not block, and notes what a worker has in hand by transactions of two
commands. Half of what the loop computed for a message was that. Here a channel keeps its client, and says both commands
in one packet on a connection of its own.

What a worker has in hand is kept where kombu keeps it and as kombu does: workers of either kind take up what one of the
other had. See docs/adr/0060-what-a-message-costs.md.
"""

from collections.abc import Sequence
from threading import Lock
from time import time
from typing import Any

import redis
from kombu.transport import redis as kombu_redis
from kombu.transport import virtual
from kombu.utils.json import dumps

# Its name, the key and the rest.
Command = tuple[str | float, ...]


class QoS(kombu_redis.QoS):
    """What a worker has in hand: a hash of messages, and an index of them by time, from which they come back.

    No transaction holds the two together, but their order: the index hears of a message first, and forgets it last. A
    tag that is in the index alone is taken out when its time is up; a message in the hash alone would stay for good.
    """

    channel: Any

    def append(self, message: Any, delivery_tag: str) -> None:
        """Note a message that was fetched."""
        sent = message.delivery_info
        kept = dumps([message._raw, sent["exchange"], sent["routing_key"]])
        self.channel.say(
            ("ZADD", self.unacked_index_key, time(), delivery_tag),
            ("HSET", self.unacked_key, delivery_tag, kept),
        )
        virtual.QoS.append(self, message, delivery_tag)

    def ack(self, delivery_tag: str) -> None:
        """Strike off a message whose work is done."""
        self.channel.say(
            ("HDEL", self.unacked_key, delivery_tag),
            ("ZREM", self.unacked_index_key, delivery_tag),
        )
        virtual.QoS.ack(self, delivery_tag)


class Channel(kombu_redis.Channel):
    """A channel that keeps its client, and a connection for what it notes, for as long as its pool."""

    QoS = QoS
    _kept_client: Any = None
    _kept_connection: Any = None

    def __init__(self, *args: Any, **options: Any) -> None:
        self._saying = Lock()
        super().__init__(*args, **options)

    def say(self, *commands: Command) -> None:
        """Say commands in one packet and wait for all answers; what a broken connection took along is said again.

        So only what may be said twice, and by any thread.

        Raises:
            redis.RedisError: there is no connection, no answer in time, or one of the commands was refused.
        """
        whole = [(name, f"{self.global_keyprefix}{key}", *rest) for name, key, *rest in commands]
        with self._saying:
            if self._kept_connection is None:
                self._kept_connection = self.pool.get_connection()
            try:
                _said(self._kept_connection, whole)
            except redis.ConnectionError:
                _said(self._kept_connection, whole)  # it connects anew

    def _create_client(self, asynchronous: bool = False) -> Any:
        if asynchronous:
            return super()._create_client(asynchronous=True)  # type: ignore[misc]  # not in its stubs
        if self._kept_client is None:
            self._kept_client = super()._create_client()  # type: ignore[misc]  # not in its stubs
        return self._kept_client

    def _disconnect_pools(self) -> None:
        """Let go of what came from them, too: in a fork, and at the end."""
        self._kept_client = self._kept_connection = None
        super()._disconnect_pools()  # type: ignore[misc]  # not in its stubs


class Transport(kombu_redis.Transport):
    """The transport whose channels these are."""

    Channel = Channel


def _said(connection: Any, commands: Sequence[Command]) -> None:
    refused = None
    try:
        connection.send_packed_command(connection.pack_commands(commands))
        for _ in commands:  # each answer is read, so that the next command's is its own
            try:
                connection.read_response()
            except redis.ResponseError as error:
                refused = refused or error
    except BaseException:
        connection.disconnect()  # an answer may be under way that nobody waits for
        raise
    if refused:
        raise refused
