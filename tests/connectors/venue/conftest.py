"""A venue per test module, its faults removed and its clock running before every test."""

from collections.abc import Iterator

import pytest

from tests.connectors.venue.client import Client
from tests.venue_process import VenueProcess


@pytest.fixture(scope="module")
def shared_venue() -> Iterator[VenueProcess]:
    """A synthetic market that fills at once and in one piece."""
    with VenueProcess(is_measured=True) as venue:
        yield venue


@pytest.fixture
def venue(shared_venue: VenueProcess) -> VenueProcess:
    """The module's venue without faults."""
    shared_venue.clear_faults()
    return shared_venue


@pytest.fixture
def client(venue: VenueProcess) -> Client:
    """A plain HTTP client of the module's venue."""
    return Client(venue.url)
