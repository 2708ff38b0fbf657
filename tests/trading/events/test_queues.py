"""The consuming side on Redis: it declares its queue where it is missing, and not before each look."""

import redis
from django.conf import settings

from connectors.events import EventBus, open_queue

QUEUE = "test.reader"
EVENT = {"id": "1", "type": "orchestrator.cycle.started", "data": {}}


def test_queue_of_a_server_that_was_emptied_is_declared_again(queue: "redis.Redis[bytes]") -> None:
    reader = open_queue(settings.REDIS_URL, QUEUE, ["#"])
    queue.flushdb()

    assert reader.take(wait_seconds=0.01) is None
    with EventBus(settings.REDIS_URL, queues={}) as bus:
        bus.publish(EVENT)
    delivery = reader.take(wait_seconds=5)

    assert delivery is not None
    assert '"id":"1"' in delivery.body
    reader.close()


def test_queue_that_is_there_is_not_declared_again(queue: "redis.Redis[bytes]") -> None:
    reader = open_queue(settings.REDIS_URL, QUEUE, ["#", "orchestrator.#"])
    declared = queue.info("commandstats")["cmdstat_sadd"]["calls"]

    for _ in range(3):
        assert reader.take(wait_seconds=0.01) is None

    assert queue.info("commandstats")["cmdstat_sadd"]["calls"] == declared
    reader.close()
