"""Fixtures for tests that talk to the venue with the real adapters, in the test's own process."""

import gc
import importlib
import json
from collections.abc import Generator, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import redis
from django.conf import settings
from django.contrib.auth import hashers
from django.db import connection
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from pytest_django.plugin import DjangoDbBlocker
from whitenoise.middleware import WhiteNoiseMiddleware

from ai import gateway
from connectors import departure
from connectors.text import storable
from connectors.throttle.shared import PREFIX
from orchestrator_project.runtime import first_schema
from tests import again, emptying, forked, kept_connection, measured
from tests.seeding import seed_again
from tests.venue_process import VenueProcess
from tests.waiting import wait_until
from trading.market import clock_watch

# A look at all that a process has loaded since takes a tenth of a second, and came every ten tests.
SELDOM = (3_000, 20, 100)
redis_at = cache(redis.Redis.from_url)  # a new client takes longer than what it is asked for
LOAD_MODELS = {"libraries", "libraries_loaded", "loaded_libraries"}  # fixtures

# How long an example takes says how busy the machine is.
hypothesis_settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis_settings.load_profile("patient")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add what the suites that kill processes have in common."""
    long = "the long form of tests/chaos and tests/events: 500 kills and more, 100 of relay and consumers"
    parser.getgroup("chaos").addoption("--long", action="store_true", default=False, help=long)


def pytest_configure() -> None:
    """Measure coverage at the price of the tests."""
    measured.take_probes_out_seldom()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection() -> Generator[None, object, object]:
    """Let Python look for garbage neither while all tests are loaded, nor among them afterwards."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.set_threshold(*SELDOM)
        gc.enable()


@pytest.hookimpl(optionalhook=True)
def pytest_before_forks(session: pytest.Session) -> None:
    """Let the processes of the run share what each would start or load: the server of systems, the model library."""
    if any(item.get_closest_marker(again.MARK) for item in session.items):
        forked.share()
    if any(LOAD_MODELS & set(getattr(item, "fixturenames", ())) for item in session.items):
        with pytest.MonkeyPatch.context() as patch:
            for name, value in gateway._ENVIRONMENT.items():
                patch.setenv(name, value)
            for library in ("litellm", "talib"):
                importlib.import_module(library)
    gc.freeze()


@pytest.hookimpl(optionalhook=True)
def pytest_own_process() -> None:
    """Use the server that they share, and say what ran where the run's others do."""
    forked.join()
    measured.write_into_the_runs_folder()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let a report hold no half characters: it could not be sent from one process of the run to the other."""
    report = yield
    report.sections = [(name, storable(text)) for name, text in report.sections]
    return report


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish() -> None:
    """Prepare what slipcover writes next."""
    measured.leave_out_what_never_ran()


class QuickPBKDF2(hashers.PBKDF2PasswordHasher):
    """The product's hashes without their work, a second each: none is guarded here, and any process reads them."""

    iterations = 1


@pytest.fixture(autouse=True)
def unknown_clocks() -> None:
    """Let each test begin as a new process: another one's venue may have told another market time."""
    clock_watch.forget()


@pytest.fixture(scope="session", autouse=True)
def static_files_are_looked_at_once() -> Iterator[None]:
    """Let the clients of tests, who load the middleware each for himself, share what it serves: the files stay."""
    look, known = WhiteNoiseMiddleware.add_files_from_finders, dict[str, dict[str, object]]()

    def look_once(middleware: WhiteNoiseMiddleware) -> None:
        if middleware.static_prefix not in known:
            look(middleware)
            known[middleware.static_prefix] = dict(middleware.files)
        middleware.files.update(known[middleware.static_prefix])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(WhiteNoiseMiddleware, "add_files_from_finders", look_once)
        yield


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> None:
    """Let no commit in the tests' database wait for the disk: its server is never killed, a test's own may be."""
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        name = connection.ops.quote_name(connection.settings_dict["NAME"])
        cursor.execute(f"ALTER DATABASE {name} SET synchronous_commit TO off")
        connection.close()


@pytest.fixture(scope="session", autouse=True)
def quick_emptying() -> None:
    """Let a test in real transactions leave only what it wrote to be deleted."""
    emptying.install()


@pytest.fixture(scope="session", autouse=True)
def kept_connections() -> None:
    """Let a test in real transactions leave its connection to the next one."""
    kept_connection.install()


@pytest.fixture(scope="session", autouse=True)
def quick_passwords() -> None:
    """Hash passwords quickly in this process."""
    settings.PASSWORD_HASHERS = [f"{__name__}.{QuickPBKDF2.__name__}"]
    hashers.get_hashers.cache_clear()
    hashers.get_hashers_by_algorithm.cache_clear()


@pytest.fixture(scope="session", autouse=True)
def patient_kernel() -> None:
    """Let a machine that stands still for seconds not end the suite's own process in the middle of an order."""
    departure.ENDS_PROCESS_SECONDS = 60.0


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None) -> None:
    """Let a test be idle within its transaction for longer than the product may: a busy machine stands still."""
    options = connection.settings_dict["OPTIONS"]
    options["options"] += " -c idle_in_transaction_session_timeout=600s"


@pytest.fixture(scope="session", autouse=True)
def quick_schema() -> None:
    """Let the tests' database get its tables as a new one of the product does: in one piece, then what is newer."""
    creation = connection.creation
    create = creation._create_test_db

    def create_and_lay(*words: Any, **more: Any) -> str:
        name = str(create(*words, **more))
        connection.close()
        connection.settings_dict["NAME"] = name
        first_schema.lay()
        return name

    creation._create_test_db = create_and_lay


@pytest.fixture(scope="session")
def venue_process() -> Iterator[VenueProcess]:
    """One synthetic venue for the whole run, its clock held: market time moves when a test moves it."""
    with VenueProcess(is_forked=forked.is_running()) as venue:  # its own tests measure what it runs
        yield venue


@pytest.fixture
def venue(venue_process: VenueProcess) -> Iterator[VenueProcess]:
    """The venue as the configured outside world, without faults and without positions or orders."""
    address = Path(settings.ENVIRONMENT.orchestrator_home) / "venue.json"
    address.write_text(json.dumps({"url": venue_process.url, "pid": venue_process.pid, "world": "synthetic"}))
    venue_process.clear_faults()
    forget_throttles()
    yield venue_process
    venue_process.clear_faults()
    address.unlink()


@pytest.fixture
def queue() -> "Iterator[redis.Redis[bytes]]":
    """The server of the queues, emptied before and after."""
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        client.flushdb()
        yield client
        client.flushdb()


@pytest.fixture
def prepared(db: None) -> None:
    """Settings, limits, groups and the first operator, as the first start leaves them."""
    seed_again()


def forget_throttles() -> None:
    """Forget what limits, pauses and breakers the tests before have left in Redis."""
    client = redis_at(settings.REDIS_URL)
    if keys := list(client.scan_iter(f"{PREFIX}:*")):
        client.delete(*keys)


@pytest.fixture(autouse=True)
def database_at_rest_before_the_flush(request: pytest.FixtureRequest) -> Iterator[None]:
    """After a test in real transactions nothing that it started is still at work in the database.

    The tables are emptied next, all in one statement; PostgreSQL ends a meeting with others as a deadlock.
    """
    mark = request.node.get_closest_marker("django_db")
    is_flushed = bool(mark and mark.kwargs.get("transaction"))
    if "transactional_db" in request.fixturenames:
        request.getfixturevalue("transactional_db")
        is_flushed = True
    yield
    if is_flushed:
        wait_until(lambda: not _others_at_work(), what="the end of everybody else's transactions")


def _others_at_work() -> bool:
    """Whether anybody else has a transaction in the database of this process."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND pid <> pg_backend_pid() AND backend_type = 'client backend' AND state <> 'idle'"
        )
        return bool(cursor.fetchone()[0])
