"""The two engines: PostgreSQL with our tables, Redis or Valkey that keeps what it is given."""

from pathlib import Path

import redis
from django.conf import settings
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from redis.backoff import NoBackoff
from redis.retry import Retry

from connectors.errors import UnavailableError
from connectors.events import is_redis, reach
from orchestrator_project.runtime.doctor.finding import START, Answer, Check, Status, failed, ok, warning
from orchestrator_project.runtime.engines.state import read_state

OLDEST_POSTGRES = 14  # what Django 5.2 supports
NUMBER_PER_MAJOR = 10_000
SOCKET_SECONDS = 3.0
NO_RETRY = Retry(NoBackoff(), 0)


def database() -> Answer:
    """Connect to PostgreSQL and ask for its version."""
    try:
        connection.ensure_connection()
        number = connection.connection.server_version
    except Exception as error:  # noqa: BLE001 - whatever the driver raises: it does not answer
        return failed(f"no answer: {error}", _server_remedy("DATABASE_URL", embedded=postgres_is_embedded()))
    major, minor = divmod(number, NUMBER_PER_MAJOR)
    words = f"PostgreSQL {major}.{minor}" + (" (embedded)" if postgres_is_embedded() else "")
    if major < OLDEST_POSTGRES:
        return failed(words, f"upgrade the server to PostgreSQL {OLDEST_POSTGRES} or newer")
    return ok(words)


def migrations() -> Answer:
    """Compare the tables with the code."""
    executor = MigrationExecutor(connection)
    pending = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if not pending:
        return ok("all applied")
    first = pending[0][0]
    return failed(
        f"{len(pending)} not applied, the first is {first.app_label}.{first.name}",
        "`manage.py up` applies them at its start; where it is not used: `manage.py prepare`",
    )


def queue(url: str | None = None) -> Answer:
    """Ask the Redis or Valkey server how it keeps the queue."""
    url = url or settings.REDIS_URL
    timeouts = {"socket_timeout": SOCKET_SECONDS, "socket_connect_timeout": SOCKET_SECONDS}
    try:
        with redis.Redis.from_url(url, retry=NO_RETRY, decode_responses=True, **timeouts) as client:
            facts = client.info()
    except redis.RedisError as error:
        return failed(f"no answer: {error}", _server_remedy("REDIS_URL", embedded=valkey_is_embedded()))
    name = "Valkey" if "valkey_version" in facts else "Redis"
    version = facts.get("valkey_version") or facts.get("redis_version", "of unknown version")
    words = f"{name} {version}" + (" (embedded)" if valkey_is_embedded() else "")
    problems = []
    if not facts.get("aof_enabled"):
        problems.append(("nothing is kept across a crash", "set `appendonly yes`"))
    if (policy := facts.get("maxmemory_policy", "unknown")) != "noeviction":
        problems.append((f"messages may be dropped ({policy})", "set `maxmemory-policy noeviction`"))
    if problems:
        found, remedies = zip(*problems, strict=True)
        return warning(f"{words}: {', '.join(found)}", f"{', '.join(remedies)} at that server")
    return ok(f"{words}, append-only file, no eviction")


def events(url: str | None = None) -> Answer:
    """Open the transport of events."""
    url = url or settings.EVENTS_URL
    kind = "Redis" if is_redis(url) else "RabbitMQ"
    try:
        reach(url)
    except UnavailableError as error:
        remedy = "start that server, or correct EVENTS_URL, or unset it to use REDIS_URL"
        return warning(f"{kind} does not answer, events wait in the database: {error}", remedy)
    return ok(f"{kind} answers")


def postgres_is_embedded() -> bool:
    """Return whether the database is our own."""
    record = read_state(Path(settings.ENVIRONMENT.orchestrator_home)).postgres
    return record is not None and record.url == settings.DATABASE_URL


def valkey_is_embedded() -> bool:
    """Return whether the queue is our own."""
    record = read_state(Path(settings.ENVIRONMENT.orchestrator_home)).valkey
    return record is not None and record.url == settings.REDIS_URL


def _server_remedy(name: str, *, embedded: bool) -> str:
    if embedded:
        return START
    return f"start that server, or correct {name}, or unset {name} to use the embedded one"


CHECKS = (
    Check("database", database),
    Check("migrations", migrations, needs=("database",)),
    Check("queue", queue),
    Check("events", events, late=Status.WARNING),
)
