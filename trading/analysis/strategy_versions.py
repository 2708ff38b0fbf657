"""A strategy's earlier version, put into force again as its next one."""

from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Field

from trading.analysis.strategies import CONTENT, save_strategy
from trading.errors import StrategyError
from trading.models import Strategy, StrategyVersion

# What a strategy is called, and whether it trades, is no part of how it decides: neither is rolled back.
KEPT = ("name", "is_shadow")


def roll_back(strategy_id: UUID, *, version: int, author: str, reason: str) -> Strategy:
    """Give a strategy the content of one of its versions again; return it with its new version's number.

    Its name, and whether it trades and is active, stay. What that version did not know yet stays as it is.

    Raises:
        StrategyError: there is no such version, it is in force, no reason; or the account's limits or the broker's
            list no longer allow what it says. The message names the field.
    """
    if not reason.strip():
        raise StrategyError("reason: was empty, expected why")
    with transaction.atomic():
        strategy = Strategy.objects.select_for_update().get(pk=strategy_id)
        content = _content(strategy, version)
        changed = False
        for name in rolled_back(content):
            value = _value(name, content[name])
            changed |= getattr(strategy, name) != value
            setattr(strategy, name, value)
        if not changed:
            raise StrategyError(f"version: was {version}, which is what is in force")
        return save_strategy(strategy, author=author, reason=f"back to version {version}: {reason.strip()}")


def rolled_back(content: dict[str, Any]) -> list[str]:
    """Return the names of what a roll-back to a version's content sets."""
    return [name for name in CONTENT if name in content and name not in KEPT]


def _content(strategy: Strategy, version: int) -> dict[str, Any]:
    kept = StrategyVersion.objects.filter(strategy=strategy)
    found = kept.filter(version=version).first()
    if found is None:
        known = ", ".join(
            str(number) for number in kept.order_by("version").values_list("version", flat=True)
        )
        raise StrategyError(
            f"version: was {version}, expected one of {known or 'those that are kept: none is'}"
        )
    content: dict[str, Any] = found.content
    return content


def _value(name: str, stored: Any) -> Any:
    """Return a stored value as its column has it: numbers are kept as plain text."""
    field = Strategy._meta.get_field(name)
    assert isinstance(field, Field)  # noqa: S101 - no content is a relation
    return field.to_python(stored)
