"""The transports: Redis always, RabbitMQ where it is installed."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from django.conf import settings
from django.db import connection

from tests.trading.conftest import account, outside
from tests.trading.events import rabbit, recorder
from tests.trading.events.processes import Processes

__all__ = ["account", "outside"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--event-kills``; ``--long`` is the chaos suite's, 100 kills here."""
    parser.getgroup("chaos").addoption(
        "--event-kills", type=int, default=None, help="how many kills of relay and consumers"
    )


@pytest.fixture(scope="session")
def rabbit_url() -> Iterator[str]:
    """A RabbitMQ node for the run."""
    if reason := rabbit.missing():
        pytest.skip(f"no RabbitMQ: {reason}")
    node = rabbit.Rabbit()
    yield node.url
    node.stop()


@pytest.fixture(params=["redis", "rabbitmq"])
def events_url(request: pytest.FixtureRequest) -> str:
    """The same tests on both transports, by EVENTS_URL alone."""
    if request.param == "rabbitmq":
        return str(request.getfixturevalue("rabbit_url"))
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        client.flushdb()
    return str(settings.REDIS_URL)


@pytest.fixture
def effects(transactional_db: None) -> Iterator[None]:
    """The recorder's table, empty."""
    with connection.cursor() as cursor:
        cursor.execute(recorder.EFFECTS)
        cursor.execute("TRUNCATE test_effects")
    yield
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE test_effects")


@pytest.fixture
def processes(tmp_path: Path, effects: None, events_url: str) -> Iterator[Processes]:
    """Processes that are ended before the database is flushed."""
    processes = Processes(tmp_path, events_url)
    yield processes
    processes.stop()
