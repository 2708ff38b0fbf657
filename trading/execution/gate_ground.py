"""What the gate stands on at one moment, read in one statement: the account, the settings, locks, assets and limits.

Under the book's lock it is one message with the lock itself: what was written while that was waited for is seen.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

from risk.models import RiskLimits
from trading.core import settings
from trading.core.statements.message import Message
from trading.core.statements.together import Unchanging, first, read_together
from trading.execution import gate_inputs
from trading.execution.gate_inputs import AccountBook, Standing
from trading.models import Asset, EquitySnapshot, RuntimeSetting, SymbolLock

_SETTINGS = Unchanging(lambda: RuntimeSetting.objects.only("name", "value"))
_LOCKS = Unchanging(lambda: SymbolLock.objects.in_force(None))
_LIMITS = Unchanging(lambda: RiskLimits.objects.all()[:1])


@dataclass(frozen=True, slots=True)
class Ground:
    """The account and what stands beside it.

    Args:
        settings: the stored rows, for ``settings.read_once``.
        locks: those on symbols that nobody has ended.
        limits: the account's newest, None where there are none.
        beside: what else was read with it, by name.
    """

    account: AccountBook
    standing: Standing
    settings: list[RuntimeSetting]
    locks: list[SymbolLock]
    assets: Mapping[str, Asset]
    limits: RiskLimits | None
    beside: Mapping[str, list[Any]]


def read_ground(
    symbols: Collection[str],
    *,
    after: Message | None = None,
    beside: "Mapping[str, QuerySet[Any]] | None" = None,
) -> Ground:
    """Read it for orders in these symbols.

    Args:
        after: what is said before it in the same message.
        beside: what else is read with it, by names of its own.
    """
    asked: dict[str, QuerySet[Any] | Unchanging] = {
        **gate_inputs.account_selects(),
        **standing_selects(),
        "locks": _LOCKS,
        "assets": Asset.objects.filter(pk__in=symbols),
        "limits": _LIMITS,
        **(beside or {}),
    }
    read = read_together(asked, after=after)
    account = gate_inputs.account_of(read, first(read["synced"]) or EquitySnapshot.objects.newest())
    with settings.read_once(read["settings"]):
        standing = gate_inputs.read_standing(account.agent)
    return Ground(
        account,
        standing,
        settings=read["settings"],
        locks=read["locks"],
        assets={row.symbol: row for row in read["assets"]},
        limits=first(read["limits"]),
        beside={name: read[name] for name in beside or ()},
    )


def standing_selects() -> dict[str, Unchanging]:
    """Return what ``read_standing`` is read of beside the agent's row."""
    return {"settings": _SETTINGS}
