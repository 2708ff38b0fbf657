"""A strategy's own limits beside the account's: the tighter of both counts, whichever changed last."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from risk.domain.types import LimitValues

LIMIT_NAMES = ("max_position_percent", "max_exposure_percent", "max_positions", "max_daily_loss_percent")


@dataclass(frozen=True, slots=True)
class StrategyLimits:
    """Limits of one strategy, percent of the account's equity; None: the account's. ``version`` is its row's.

    They are compared with the same figures of the account as the account's own limits.
    """

    version: int
    max_position_percent: Decimal | None = None
    max_exposure_percent: Decimal | None = None
    max_positions: int | None = None
    max_daily_loss_percent: Decimal | None = None


def tighter(account: LimitValues, own: StrategyLimits | None) -> LimitValues:
    """Return what is in force for a strategy: per limit the smaller of both; it names both versions."""
    if own is None:
        return account
    figures = {
        name: min(getattr(account, name), getattr(own, name))
        for name in LIMIT_NAMES
        if getattr(own, name) is not None
    }
    return replace(account, strategy_version=own.version, **figures)


def looser(own: Mapping[str, Decimal | int | None], account: LimitValues | None) -> dict[str, str]:
    """Return which of a strategy's proposed limits cannot be taken, by name, with the figure that bounds it.

    Args:
        own: names of ``LIMIT_NAMES``; None or missing: the account's.
        account: None: the account has no limits, and nothing may be promised beside none.
    """
    problems = {}
    for name in LIMIT_NAMES:
        value = own.get(name)
        if value is None:
            continue
        smallest = "at least 1" if name == "max_positions" else "above 0"
        bound = getattr(account, name) if account is not None else None
        if not Decimal(value).is_finite() or value <= 0:
            problems[name] = f"{name}: was {value}, expected a number {smallest}, or nothing"
        elif bound is None:
            problems[name] = f"{name}: was {value}, but the account has no limits yet: set those first"
        elif value > bound:
            problems[name] = (
                f"{name}: was {value}, expected at most the account's {bound} (limits version"
                f" {account.version if account else '-'}): a strategy's limits are only ever tighter"
            )
    return problems
