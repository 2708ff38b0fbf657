"""How a symbol stands now: what it is, what is held of it, what it last cost, who locked it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import QuerySet

from trading.core.statements.together import Select, first, read_together
from trading.market.market_time import market_now
from trading.models import AgentStatus, Asset, MarketSnapshot, Position, SymbolLock

Asked = Mapping[str, "QuerySet[Any, Any] | Select"]


@dataclass(frozen=True, slots=True)
class SymbolStanding:
    """A symbol now; ``price`` is what the newest cycle that looked at it saw, ``lock`` what a person put on it.

    ``market_time`` is now, None where the clock was not read of late.
    """

    symbol: str
    asset: Asset | None
    position: Position | None
    price: MarketSnapshot | None
    lock: SymbolLock | None
    market_time: datetime | None

    @property
    def is_known(self) -> bool:
        """Whether anything here knows such a symbol."""
        return any(one is not None for one in (self.asset, self.position, self.price, self.lock))

    @property
    def moved_percent(self) -> Decimal | None:
        """How far the price is from the close before, in percent; None where either is not known."""
        if self.price is None or not self.price.previous_close:
            return None
        return (self.price.price / self.price.previous_close - 1) * 100


def standing_selects(symbol: str, agent: AgentStatus) -> Asked:
    """Return the selects of what ``standing_of`` takes, for whoever reads more with them."""
    locks = SymbolLock.objects.in_force(market_now(agent)).filter(symbol=symbol)
    return {
        "asset": Asset.objects.filter(pk=symbol),
        "position": Position.objects.filter(pk=symbol),
        "price": MarketSnapshot.objects.filter(symbol=symbol).order_by("-quoted_at", "-id")[:1],
        "lock": locks[:1],
    }


def standing_of(symbol: str, read: Mapping[str, Sequence[Any]], agent: AgentStatus) -> SymbolStanding:
    """Return how a symbol stands by what was read."""
    asset, position, price, lock = (first(read[name]) for name in ("asset", "position", "price", "lock"))
    return SymbolStanding(symbol, asset, position, price, lock, market_now(agent))


def symbol_standing(symbol: str, agent: AgentStatus | None = None) -> SymbolStanding:
    """Read how a symbol stands, in one statement.

    Args:
        symbol: as the broker writes it: AAPL, BTC/USD.
        agent: its row where the caller has read it.
    """
    agent = agent or AgentStatus.objects.filter(pk=1).first() or AgentStatus()
    return standing_of(symbol, read_together(standing_selects(symbol, agent)), agent)
