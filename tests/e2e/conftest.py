"""A whole system per test: fresh database, fresh queue, fresh venue, real processes."""

import json
import shutil
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
import redis
from django.conf import settings

from tests.e2e import report
from tests.e2e.system import System
from tests.factories import switch_guards_off
from tests.seeding import seed_again
from tests.trading.conftest import published_events_fit_their_schemas  # noqa: F401 - a fixture
from tests.venue_process import VenueProcess
from trading.core.settings import set_runtime_setting
from trading.execution.portfolio import sync_portfolio
from trading.market.assets import refresh_assets
from trading.models import AgentStatus, Mode


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    call: pytest.CallInfo[None],
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add what the system did to the report of a test that failed: seldom does it fail again when asked."""
    outcome = yield
    if outcome.when == "call" and outcome.failed and System.started:
        outcome.sections.extend(report.sections(System.started))
    return outcome


@pytest.fixture
def rate_limit() -> int:
    """How many requests a minute the venue lets through; 0: all."""
    return 0


@pytest.fixture
def market(rate_limit: int) -> Iterator[VenueProcess]:
    """A venue of its own for the test, as the configured outside world."""
    address = Path(settings.ENVIRONMENT.orchestrator_home) / "venue.json"
    with VenueProcess(rate_limit=rate_limit, is_forked=True) as venue:
        said = {"url": venue.url, "pid": venue.pid, "world": "synthetic", "rate_limit": rate_limit}
        address.write_text(json.dumps(said))
        yield venue
        address.unlink()


@pytest.fixture
def seeded(transactional_db: None, market: VenueProcess) -> None:
    """What a start leaves behind: seeds, assets, the first sync; autonomous, and eager to trade."""
    seed_again()
    AgentStatus.objects.update(mode=Mode.AUTONOMOUS)
    for name in ("confidence_threshold", "exit_confidence_threshold"):
        set_runtime_setting(name=name, value="0.3", actor="test")
    switch_guards_off()
    sync_portfolio(None)
    refresh_assets()


@pytest.fixture
def is_loaded() -> bool:
    """Whether the system's processes begin with the libraries loaded."""
    return True


@pytest.fixture
def system(seeded: None, is_loaded: bool) -> Iterator[System]:
    """The processes, started; ended before the database is flushed."""
    home = Path(tempfile.mkdtemp(prefix="sys-", dir=settings.ENVIRONMENT.orchestrator_home))
    with redis.Redis.from_url(settings.REDIS_URL) as queue:
        queue.flushdb()
    system = System(home, is_loaded=is_loaded)
    system.start()
    yield system
    system.stop()
    shutil.rmtree(home, ignore_errors=True)
