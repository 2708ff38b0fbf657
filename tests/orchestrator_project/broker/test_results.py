"""Who publishes a chord listens to no result; its members are counted all the same (tests/trading/test_tasks.py)."""

import redis
from celery import chord

from orchestrator_project.broker.results import Backend
from orchestrator_project.celery import app
from trading import tasks


def test_addresses_of_redis_mean_this_backend() -> None:
    assert isinstance(app.backend, Backend)


def test_publishing_leaves_nobody_listening(queue: redis.Redis) -> None:
    published = chord([tasks.settle_order.si("an id"), tasks.follow_order.si("an id")])(
        tasks.finish_cycle.si("an id")
    )
    single = tasks.finish_cycle.delay("an id")

    assert queue.llen("orders") == 2
    assert queue.llen("default") == 1
    assert [each for each in queue.pubsub_channels() if each.startswith(b"celery-task-meta-")] == []
    assert not any(app.backend._pending_results)
    assert single.id != published.id
