"""The factories' rows satisfy the database's constraints, twice in a row."""

import pytest

from tests import factories

ONCE = {"make_engagement", "make_position", "make_reservation", "make_symbol_lock"}
MAKERS = sorted(name for name in vars(factories) if name.startswith("make_"))


@pytest.mark.django_db
@pytest.mark.parametrize("name", MAKERS)
def test_factory_writes_valid_rows_again_and_again(name: str) -> None:
    make = getattr(factories, name)

    rows = [make()] if name in ONCE else [make(), make()]

    for row in rows:
        row.refresh_from_db()


@pytest.mark.django_db
@pytest.mark.parametrize("status", ["completed", "failed", "aborted", "running", "paused"])
def test_cycle_in_every_status_is_valid(status: str) -> None:
    cycle = factories.make_cycle(status=status)

    assert cycle.is_open == (status in ("running", "paused"))
