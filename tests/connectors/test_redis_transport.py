"""What a worker has fetched is in hand until it is done, and comes back from one that died, as with kombu's own."""

import contextlib
import inspect
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest
import redis
from django.conf import settings
from kombu import Connection
from kombu.transport import redis as kombu_redis
from kombu.transport import virtual

from connectors import redis_transport
from orchestrator_project.celery import app
from orchestrator_project.observability.metric_readings import UNACKNOWLEDGED
from tests.paths import ROOT
from tests.waiting import wait_until

QUEUE = "test-transport"
INDEX = "unacked_index"
OURS, THEIRS = "connectors.redis_transport:Transport", "kombu.transport.redis:Transport"
# What is overridden, or called by its private name, with the parameters it must have.
RELIED_ON = {
    (kombu_redis.QoS, "append"): ["self", "message", "delivery_tag"],
    (kombu_redis.QoS, "ack"): ["self", "delivery_tag"],
    (virtual.QoS, "append"): ["self", "message", "delivery_tag"],
    (virtual.QoS, "ack"): ["self", "delivery_tag"],
    (kombu_redis.Channel, "_create_client"): ["self", "asynchronous"],
    (kombu_redis.Channel, "_disconnect_pools"): ["self"],
}


class Peer:
    """Somebody at the queue, with a channel as a worker has one."""

    def __init__(self, kind: str = OURS) -> None:
        self.name = f"test-{uuid4().hex}"
        options = {"visibility_timeout": 0, "client_name": self.name}
        self._connection = Connection(settings.REDIS_URL, transport=kind, transport_options=options)
        self.channel: Any = self._connection.channel()

    def publish(self, words: str) -> None:
        message = self.channel.prepare_message(json.dumps(words), content_type="application/json")
        self.channel.basic_publish(message, exchange="", routing_key=QUEUE)

    def fetch(self) -> Any:
        """Return the next message, which is in hand from then on; None where there is none."""
        return self.channel.basic_get(QUEUE)

    def restore(self) -> None:
        """Bring back what has been in hand for too long, by this peer's idea of it: at once."""
        self.channel.qos.restore_visible(num=None, interval=1)

    def die(self) -> None:
        """Be gone, without giving back what is in hand."""
        self.channel.qos._delivered.clear()
        self._connection.close()

    close = die


@pytest.fixture
def peer(queue: redis.Redis) -> Iterator[Peer]:
    with contextlib.closing(Peer()) as peer:
        yield peer


def in_hand(queue: redis.Redis) -> tuple[int, int]:
    """Return how many messages, and how many tags, are noted as being worked on."""
    return int(queue.hlen(UNACKNOWLEDGED)), int(queue.zcard(INDEX))


def cut_off(queue: redis.Redis) -> None:
    """End, by the queue, all connections to this database but the one that asks for it."""
    database = str(queue.connection_pool.connection_kwargs["db"])
    for client in queue.client_list():
        if client["db"] == database and int(client["id"]) != queue.client_id():
            queue.client_kill_filter(_id=client["id"])


def test_addresses_of_redis_mean_this_transport() -> None:
    for url in ("redis://localhost", "rediss://localhost"):
        assert isinstance(app.connection_for_read(url).transport, redis_transport.Transport)
    assert app.connection_for_write().as_uri().startswith("redis://")


@pytest.mark.parametrize(("owner", "name"), RELIED_ON, ids=lambda value: getattr(value, "__name__", value))
def test_kombu_has_what_is_built_on(owner: type, name: str) -> None:
    """Where this fails kombu was renewed: see what became of it before anything is fetched by it."""
    assert list(inspect.signature(vars(owner)[name]).parameters) == RELIED_ON[owner, name]


def test_kombu_asks_our_classes() -> None:
    assert kombu_redis.Transport.Channel is kombu_redis.Channel
    assert kombu_redis.Channel.QoS is kombu_redis.QoS


@pytest.mark.parametrize("kind", [OURS, THEIRS])
def test_message_is_in_hand_until_it_is_done(queue: redis.Redis, kind: str) -> None:
    with contextlib.closing(Peer(kind)) as peer:
        peer.publish("one")

        message = peer.fetch()
        noted = json.loads(queue.hget(UNACKNOWLEDGED, message.delivery_tag) or "null")
        assert in_hand(queue) == (1, 1)
        assert noted == [message._raw, "", QUEUE]
        assert queue.zrange(INDEX, 0, -1) == [message.delivery_tag.encode()]
        message.ack()

        assert in_hand(queue) == (0, 0)
        assert peer.fetch() is None


@pytest.mark.parametrize("restores", [OURS, THEIRS])
@pytest.mark.parametrize("had", [OURS, THEIRS])
def test_message_of_who_died_comes_back(queue: redis.Redis, had: str, restores: str) -> None:
    """A worker of the version before, and one of this, look after each other."""
    dying = Peer(had)
    dying.publish("one")
    assert dying.fetch().payload == "one"
    dying.die()

    with contextlib.closing(Peer(restores)) as other:
        other.restore()

        message = other.fetch()
        assert (message.payload, message.headers["redelivered"]) == ("one", True)
        message.ack()
    assert in_hand(queue) == (0, 0)


@pytest.mark.parametrize("kind", [OURS, THEIRS])
def test_message_that_is_given_back_waits_behind_the_others(queue: redis.Redis, kind: str) -> None:
    with contextlib.closing(Peer(kind)) as peer:
        for words in ("one", "two"):
            peer.publish(words)

        peer.fetch().requeue()

        assert in_hand(queue) == (0, 0)
        assert [peer.fetch().payload for _ in range(2)] == ["two", "one"]


def test_broken_connection_is_made_anew(peer: Peer, queue: redis.Redis) -> None:
    """As after a restart of Valkey: what was to be noted is noted, and struck off."""
    for words in ("one", "two"):
        peer.publish(words)
    first = peer.fetch()
    cut_off(queue)

    first.ack()
    cut_off(queue)
    second = peer.channel.Message(peer.channel._get(QUEUE), channel=peer.channel)
    cut_off(queue)
    peer.channel.qos.append(second, second.delivery_tag)

    assert queue.hkeys(UNACKNOWLEDGED) == [second.delivery_tag.encode()]
    assert in_hand(queue) == (1, 1)


def test_command_that_is_refused_is_told_and_shifts_no_answer(peer: Peer, queue: redis.Redis) -> None:
    queue.set("words", "no hash")

    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        peer.channel.say(("HSET", "words", "a", "b"), ("ZADD", "numbers", 1, "one"))

    peer.channel.say(("ZADD", "numbers", 2, "two"))
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        peer.channel.say(("HSET", "words", "a", "b"))
    assert queue.zrange("numbers", 0, -1) == [b"one", b"two"]


def test_answer_that_was_not_waited_for_is_nobodys(
    peer: Peer, queue: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    queue.set("words", "no hash")
    peer.channel.say(("ZADD", "numbers", 1, "one"))
    with monkeypatch.context() as signalled:
        signalled.setattr(peer.channel._kept_connection, "read_response", interrupted)
        with pytest.raises(KeyboardInterrupt):
            peer.channel.say(("ZADD", "numbers", 2, "two"))

    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        peer.channel.say(("HSET", "words", "a", "b"))


def test_tag_without_its_message_is_taken_out(peer: Peer, queue: redis.Redis) -> None:
    """What is left of a note of which the server took the first half."""
    peer.channel.say(("ZADD", INDEX, 1, "a tag"))

    peer.restore()

    assert in_hand(queue) == (0, 0)
    assert peer.fetch() is None


def test_keys_have_the_prefix_that_restoring_looks_for(queue: redis.Redis) -> None:
    options = {"global_keyprefix": "ours-", "visibility_timeout": 0}
    with Connection(settings.REDIS_URL, transport=OURS, transport_options=options) as connection:
        channel: Any = connection.channel()
        message = channel.prepare_message('"one"', content_type="application/json")
        channel.basic_publish(message, exchange="", routing_key=QUEUE)
        channel.basic_get(QUEUE)
        assert queue.hlen(f"ours-{UNACKNOWLEDGED}") == 1
        channel.qos.restore_visible(num=None, interval=1)

        assert queue.llen(f"ours-{QUEUE}") == 1
        assert queue.hlen(f"ours-{UNACKNOWLEDGED}") == 0


def test_channel_has_few_connections_however_many_messages(peer: Peer, queue: redis.Redis) -> None:
    for number in range(30):
        peer.publish(str(number))

    threads = [threading.Thread(target=peer.fetch().ack) for _ in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert in_hand(queue) == (0, 0)
    # One that would wait for messages, one that notes them, one for the rest.
    assert len([client for client in queue.client_list() if client["name"] == peer.name]) == 3


def test_channel_keeps_its_client(peer: Peer) -> None:
    assert peer.channel._create_client() is peer.channel._create_client()


def test_fork_takes_no_connection_of_its_parent(peer: Peer, queue: redis.Redis) -> None:
    peer.publish("one")
    message = peer.fetch()
    before = peer.channel._kept_connection, peer.channel._create_client()

    peer.channel._after_fork()
    message.ack()

    assert in_hand(queue) == (0, 0)
    assert peer.channel._kept_connection is not before[0]
    assert peer.channel._create_client() is not before[1]


_WORKER = """
import sys
import redis
from django.conf import settings
from orchestrator_project.celery import app

server = redis.Redis.from_url(settings.REDIS_URL)
app.conf.broker_transport_options = {
    "visibility_timeout": int(sys.argv[1]), "unacked_restore_interval": 1, "unacked_restore_throttle": 1
}

@app.task(name="test.take")
def take(word):
    server.rpush("begun", word)
    server.blpop("go")
    server.rpush("done", word)

app.worker_main(["worker", "-Q", "test-transport", "-P", sys.argv[2], "-c", "2", "--without-mingle"])
"""


@pytest.fixture
def worker() -> Iterator[Callable[[int, str], subprocess.Popen[bytes]]]:
    """How to start a worker, by its visibility timeout in seconds and its pool."""
    started: list[subprocess.Popen[bytes]] = []

    def start(timeout: int, pool: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", _WORKER, str(timeout), pool]
        started.append(subprocess.Popen(command, cwd=ROOT, start_new_session=True))
        return started[-1]

    yield start
    for process in started:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(60)


@pytest.mark.parametrize("pool", ["threads", "prefork"])
def test_killed_worker_loses_nothing_and_cut_off_it_goes_on(
    queue: redis.Redis, worker: Callable[[int, str], subprocess.Popen[bytes]], pool: str
) -> None:
    first = worker(900, pool)
    app.send_task("test.take", ("one",), queue=QUEUE)
    wait_until(lambda: queue.llen("begun") == 1, what="the first has it")
    assert in_hand(queue) == (1, 1)

    os.killpg(first.pid, signal.SIGKILL)
    first.wait(60)
    worker(1, pool)
    queue.rpush("go", "on")
    wait_until(lambda: queue.llen("done") == 1, what="the second has done it")
    wait_until(lambda: in_hand(queue) == (0, 0), what="it is struck off")

    cut_off(queue)
    queue.rpush("go", "on")
    app.send_task("test.take", ("two",), queue=QUEUE)
    wait_until(lambda: queue.llen("done") == 2, what="the second has found back")
    assert queue.lrange("begun", 0, -1) == [b"one", b"one", b"two"]
    wait_until(lambda: in_hand(queue) == (0, 0), what="it is struck off")
