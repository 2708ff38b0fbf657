"""The consuming side on Redis: it declares its queue where it is missing, and not before each look."""

from collections.abc import Iterator

import pytest
import redis
from django.conf import settings

from connectors.events import EventBus, open_queue

QUEUE = "test.reader"
EVENT = {"id": "1", "type": "orchestrator.cycle.started", "data": {}}


@pytest.fixture
def server() -> Iterator["redis.Redis[bytes]"]:
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        client.flushdb()
        yield client
        client.flushdb()


def test_queue_of_a_server_that_was_emptied_is_declared_again(server: "redis.Redis[bytes]") -> None:
    reader = open_queue(settings.REDIS_URL, QUEUE, ["#"])
    server.flushdb()

    assert reader.take(wait_seconds=0.01) is None
    with EventBus(settings.REDIS_URL, queues={}) as bus:
        bus.publish(EVENT)
    delivery = reader.take(wait_seconds=5)

    assert delivery is not None
    assert '"id":"1"' in delivery.body
    reader.close()


def test_queue_that_is_there_is_not_declared_again(server: "redis.Redis[bytes]") -> None:
    reader = open_queue(settings.REDIS_URL, QUEUE, ["#", "orchestrator.#"])
    declared = server.info("commandstats")["cmdstat_sadd"]["calls"]

    for _ in range(3):
        assert reader.take(wait_seconds=0.01) is None

    assert server.info("commandstats")["cmdstat_sadd"]["calls"] == declared
    reader.close()
