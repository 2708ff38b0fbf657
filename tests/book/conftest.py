"""The account every test here begins with is the trading tests' one, on a venue of its own."""

from collections.abc import Iterator

import pytest

from tests.trading.conftest import account, outside, threaded_account
from tests.venue_process import VenueProcess

__all__ = ["account", "outside", "threaded_account"]


@pytest.fixture(scope="package")
def venue_process() -> Iterator[VenueProcess]:
    """A venue for this folder: filling whole books costs the account what other tests count on."""
    with VenueProcess() as venue:
        yield venue
