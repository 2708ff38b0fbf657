"""The account every trading test begins with: the venue's, with nothing held and nothing open."""

from collections.abc import Iterator

import pytest
from django.db import connection

from tests.factories import make_agent, make_limits
from tests.trading.events.validity import problems_of_the_log
from tests.trading.outside import Outside
from tests.trading.scenes import forget_prices
from tests.venue_process import VenueProcess


@pytest.fixture
def outside(venue: VenueProcess) -> Outside:
    """The outside world at the replay's start, its clock held, without orders, positions or faults."""
    venue.clock(paused=True)
    forget_prices()
    return Outside(venue)


@pytest.fixture
def account(outside: Outside, db: None) -> Outside:
    """The outside world, and in the database an autonomous agent with the default limits."""
    make_agent(mode="autonomous")
    make_limits()
    return outside


@pytest.fixture
def threaded_account(outside: Outside, transactional_db: None) -> Outside:
    """As ``account``, with everything committed, for tests whose threads have their own connections."""
    make_agent(mode="autonomous")
    make_limits()
    return outside


@pytest.fixture(autouse=True)
def published_events_fit_their_schemas(request: pytest.FixtureRequest) -> Iterator[None]:
    """Every event that a trading test leaves in the outbox validates, whatever the test is about."""
    if "db" not in request.fixturenames:
        yield
        return
    request.getfixturevalue("transactional_db" if "transactional_db" in request.fixturenames else "db")
    yield
    if not connection.needs_rollback:  # a test of what the database refuses has left its transaction broken
        assert problems_of_the_log() == []
