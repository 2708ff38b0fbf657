"""The account's limits: every change is a new version, the old ones never change."""

from collections.abc import Mapping
from decimal import Decimal

import structlog
from django.db import IntegrityError, transaction

from risk.domain.numbers import plain_decimal
from risk.errors import LimitsError
from risk.models import RiskLimits

log = structlog.get_logger(__name__)
PERCENT_FIELDS = (
    "max_position_percent",
    "max_exposure_percent",
    "max_daily_loss_percent",
    "max_position_risk_percent",
    "max_open_risk_percent",
)
LIMIT_FIELDS = (*PERCENT_FIELDS, "max_positions")
# What a first start begins with; percent of equity.
DEFAULT_LIMITS = {
    "max_position_percent": 10,
    "max_exposure_percent": 50,
    "max_positions": 15,
    "max_daily_loss_percent": 5,
    "max_position_risk_percent": 1,
    "max_open_risk_percent": 5,
}
EXPECTED_PERCENT = "expected a number above 0 and at most 100 (percent of equity)"
EXPECTED_COUNT = "expected a whole number of at least 1"


def limits_in_force() -> RiskLimits | None:
    """Return the newest version, None when there is none (the gate then denies everything)."""
    return RiskLimits.objects.first()


def check_limits(values: Mapping[str, Decimal | int]) -> dict[str, str]:
    """Return what is wrong with proposed limits, by field; empty when they can be taken.

    A field that is missing is not judged here.
    """
    problems = {
        name: f"{name}: was {values[name]}, {EXPECTED_PERCENT}"
        for name in PERCENT_FIELDS
        if name in values and not 0 < values[name] <= 100
    }
    if "max_positions" in values and values["max_positions"] < 1:
        problems["max_positions"] = f"max_positions: was {values['max_positions']}, {EXPECTED_COUNT}"
    position, exposure = values.get("max_position_percent"), values.get("max_exposure_percent")
    if not problems and position is not None and exposure is not None and position > exposure:
        problems["max_position_percent"] = (
            f"max_position_percent: was {position}, expected at most max_exposure_percent ({exposure}):"
            " one position cannot be larger than all together"
        )
    return problems


def add_version(
    *, values: Mapping[str, Decimal | int], author: str, note: str, based_on: int | None
) -> RiskLimits:
    """Put new limits in force as the next version.

    Args:
        values: by names of ``LIMIT_FIELDS``; what is not named stays as it is in force, or at its default.
        based_on: the version the author saw, None when there was none.

    Raises:
        LimitsError: a value is out of bounds, author or note is empty, or a newer version exists.
    """
    problems = check_limits(values)
    if not author.strip() or not note.strip():
        problems["note"] = "note: was empty, expected why the limits change, with its author"
    if problems:
        raise LimitsError("; ".join(problems.values()))
    newest = limits_in_force()
    if (newest.version if newest else None) != based_on:
        said = f"version {newest.version} by {newest.author}" if newest else "none"
        raise LimitsError(f"the limits changed meanwhile: in force is {said}; look at it and edit again")
    kept = {name: getattr(newest, name) if newest else DEFAULT_LIMITS[name] for name in LIMIT_FIELDS}
    columns = kept | {name: values[name] for name in LIMIT_FIELDS if name in values}
    try:
        with transaction.atomic():
            row = RiskLimits.objects.create(version=(based_on or 0) + 1, author=author, note=note, **columns)
    except IntegrityError as error:
        raise LimitsError(
            "somebody else saved new limits at this moment; look at them and edit again"
        ) from error
    log.info("limits_changed", version=row.version, author=author, reason=note, **changed(newest, row))
    return row


def restore_version(older: RiskLimits, *, based_on: int, author: str) -> RiskLimits:
    """Put the figures of an older version in force again, as the next version.

    Args:
        based_on: the version in force that the author saw.

    Raises:
        LimitsError: a figure of then is out of the bounds of today, or a newer version exists.
    """
    values = {name: getattr(older, name) for name in LIMIT_FIELDS}
    note = f"version {based_on} taken back: the figures of version {older.version}"
    return add_version(values=values, author=author, note=note, based_on=based_on)


def changed(before: RiskLimits | None, after: RiskLimits) -> dict[str, str]:
    """Return what a version changed of the one before, by name, e.g. ``10 -> 8``; nothing of the first one."""
    if before is None:
        return {}
    figures = {name: (getattr(before, name), getattr(after, name)) for name in LIMIT_FIELDS}
    return {
        name: f"{plain_decimal(Decimal(was))} -> {plain_decimal(Decimal(now))}"
        for name, (was, now) in figures.items()
        if was != now
    }
