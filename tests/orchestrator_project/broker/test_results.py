"""Who publishes a chord listens to no result; its members are counted all the same (tests/trading/test_tasks.py)."""

from collections.abc import Iterator

import pytest
import redis
from celery import chord
from django.conf import settings

from orchestrator_project.broker.results import Backend
from orchestrator_project.celery import app
from trading import tasks


@pytest.fixture
def server() -> Iterator[redis.Redis]:
    """The queue's server, emptied before and after."""
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        client.flushdb()
        yield client
        client.flushdb()


def test_addresses_of_redis_mean_this_backend() -> None:
    assert isinstance(app.backend, Backend)


def test_publishing_leaves_nobody_listening(server: redis.Redis) -> None:
    published = chord([tasks.settle_order.si("an id"), tasks.follow_order.si("an id")])(
        tasks.finish_cycle.si("an id")
    )
    single = tasks.finish_cycle.delay("an id")

    assert server.llen("orders") == 2
    assert server.llen("default") == 1
    assert [each for each in server.pubsub_channels() if each.startswith(b"celery-task-meta-")] == []
    assert not any(app.backend._pending_results)
    assert single.id != published.id
