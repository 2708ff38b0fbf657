"""Users of each group, logged in, on a database as the first start leaves it."""

from collections.abc import Callable

import pytest
from django.test import Client

from tests.factories import make_agent, make_user, switch_guards_off
from tests.trading.outside import Outside
from tests.venue_process import VenueProcess

GROUPS = ("viewer", "operator", "risk officer")


@pytest.fixture
def login(prepared: None) -> Callable[..., Client]:
    """Return a function that makes a user of a group ("superuser" for one) and logs them in."""

    def _login(group: str = "superuser", **client_options: object) -> Client:
        user = make_user(is_superuser=group == "superuser", group=group if group in GROUPS else "")
        client = Client(**client_options)
        client.force_login(user)
        return client

    return _login


@pytest.fixture
def market(venue: VenueProcess, prepared: None) -> Outside:
    """The outside world during a session, its clock held, and an agent that asks before it buys."""
    venue.clock(paused=True)
    if not venue.state_report()["is_open"]:
        venue.clock(to="open")
    switch_guards_off()
    outside = Outside(venue)
    make_agent(mode="semi_auto")
    return outside
