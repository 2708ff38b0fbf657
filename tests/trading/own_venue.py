"""A venue for a module of its own: filling whole books costs the account what other tests count on."""

from collections.abc import Iterator

import pytest

from tests.venue_process import VenueProcess


@pytest.fixture(scope="module")
def venue_process() -> Iterator[VenueProcess]:
    """Stand in for the run's venue; a module that imports this has it."""
    with VenueProcess(is_forked=True) as venue:
        yield venue
