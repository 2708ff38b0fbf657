"""Limits change by a new version, with author and reason, and never two at once."""

from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from risk.errors import LimitsError
from risk.models import RiskLimits
from risk.services.limits import add_version, check_limits, limits_in_force
from tests.factories import make_limits
from tests.risk.threads import at_once

VALUES: dict[str, Decimal | int] = {
    "max_position_percent": Decimal(8),
    "max_exposure_percent": Decimal(40),
    "max_daily_loss_percent": Decimal(3),
    "max_positions": 10,
}


def add(based_on: int | None, **overrides: Any) -> RiskLimits:
    given = {"author": "ada", "note": "calmer", "values": VALUES} | overrides
    return add_version(based_on=based_on, **given)


@pytest.mark.django_db
def test_new_version_is_in_force_and_the_old_one_stays() -> None:
    old = make_limits()

    new = add(old.version)

    assert limits_in_force() == new
    assert (new.version, new.author, new.max_positions) == (2, "ada", 10)
    old.refresh_from_db()
    assert old.max_positions == 15


@pytest.mark.django_db
def test_first_version_is_based_on_nothing() -> None:
    assert limits_in_force() is None

    assert add(None).version == 1


@pytest.mark.django_db
@pytest.mark.parametrize("overrides", [{"author": " "}, {"note": ""}])
def test_change_without_author_or_reason_is_refused(overrides: dict[str, str]) -> None:
    with pytest.raises(LimitsError, match="expected why the limits change"):
        add(None, **overrides)

    assert limits_in_force() is None


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"max_position_percent": Decimal(0)}, "max_position_percent"),
        ({"max_exposure_percent": Decimal("100.1")}, "max_exposure_percent"),
        ({"max_daily_loss_percent": Decimal(-1)}, "max_daily_loss_percent"),
        ({"max_positions": 0}, "max_positions"),
        ({"max_position_percent": Decimal(60), "max_exposure_percent": Decimal(50)}, "max_position_percent"),
    ],
)
def test_value_out_of_bounds_is_named_with_what_was_expected(values: dict[str, Any], field: str) -> None:
    """docs/lessons.md#lesson-30."""
    problems = check_limits(values)

    assert list(problems) == [field]
    assert f"{field}: was {values[field]}, expected" in problems[field]


@pytest.mark.django_db
def test_version_based_on_an_old_one_is_refused() -> None:
    make_limits()
    make_limits(author="bob")

    with pytest.raises(LimitsError, match="in force is version 2 by bob"):
        add(1)


@pytest.mark.django_db(transaction=True)
def test_one_of_many_adds_the_next_version() -> None:
    make_limits()

    def work(_: int) -> bool:
        try:
            add(1)
        except LimitsError:
            return False
        return True

    assert at_once(8, work).count(True) == 1
    assert RiskLimits.objects.count() == 2


@pytest.mark.django_db
def test_database_holds_the_bounds_too() -> None:
    """docs/lessons.md#lesson-26."""
    with pytest.raises(IntegrityError, match="risk_limits_in_bounds"), transaction.atomic():
        make_limits(max_position_percent=Decimal(101))
