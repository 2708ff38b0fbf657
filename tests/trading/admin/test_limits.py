"""The limits' service: versions in order, one author at a time, bounds in words."""

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from threading import Barrier

import pytest
from django.db import connection

from risk.errors import LimitsError
from risk.models import RiskLimits
from risk.services.limits import add_version, check_limits, limits_in_force
from tests.factories import make_limits

VALUES: dict[str, Decimal | int] = {
    "max_position_percent": Decimal(8),
    "max_exposure_percent": Decimal(40),
    "max_positions": 10,
    "max_daily_loss_percent": Decimal(4),
}


@pytest.mark.django_db
def test_first_version_is_based_on_none() -> None:
    assert limits_in_force() is None

    saved = add_version(values=VALUES, author="ada", note="first", based_on=None)

    assert saved.version == 1
    assert limits_in_force() == saved


@pytest.mark.django_db
@pytest.mark.parametrize(("author", "note"), [("", "why"), ("ada", "  ")])
def test_version_without_author_or_note_is_refused(author: str, note: str) -> None:
    with pytest.raises(LimitsError, match="note: was empty"):
        add_version(values=VALUES, author=author, note=note, based_on=None)


@pytest.mark.django_db
def test_every_problem_is_named_at_once() -> None:
    broken = VALUES | {"max_exposure_percent": Decimal(0), "max_positions": 0}

    with pytest.raises(LimitsError, match=r"max_exposure_percent: was 0.*max_positions: was 0"):
        add_version(values=broken, author="ada", note="why", based_on=None)
    assert not RiskLimits.objects.exists()


@pytest.mark.django_db
def test_version_that_is_not_based_on_the_newest_is_refused() -> None:
    make_limits(author="bob")

    with pytest.raises(LimitsError, match="in force is version 1 by bob"):
        add_version(values=VALUES, author="ada", note="why", based_on=None)


def test_bounds_are_inclusive_at_a_hundred() -> None:
    full = {"max_position_percent": Decimal(100), "max_exposure_percent": Decimal(100)}

    assert check_limits(full) == {}
    assert set(check_limits(full | {"max_exposure_percent": Decimal("100.001")})) == {"max_exposure_percent"}


@pytest.mark.django_db(transaction=True)
def test_of_two_authors_at_once_one_is_told_to_look_again() -> None:
    make_limits()
    together = Barrier(2, timeout=120)

    def save(author: str) -> str:
        try:
            connection.ensure_connection()
            together.wait()
            add_version(values=VALUES, author=author, note="at once", based_on=1)
        except LimitsError as error:
            return str(error)
        finally:
            connection.close()
        return "saved"

    with ThreadPoolExecutor(2) as pool:
        said = list(pool.map(save, ["ada", "bob"]))

    assert said.count("saved") == 1
    assert sum("edit again" in words for words in said) == 1
    assert RiskLimits.objects.count() == 2
