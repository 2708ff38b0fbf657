"""How a symbol stands now: what it is, what is held of it, what it last cost, who locked it."""

from dataclasses import dataclass

from trading.market.market_time import market_now
from trading.models import AgentStatus, Asset, MarketSnapshot, Position, SymbolLock


@dataclass(frozen=True, slots=True)
class SymbolStanding:
    """A symbol now; ``price`` is what the newest cycle that looked at it saw, ``lock`` what a person put on it."""

    symbol: str
    asset: Asset | None
    position: Position | None
    price: MarketSnapshot | None
    lock: SymbolLock | None

    @property
    def is_known(self) -> bool:
        """Whether anything here knows such a symbol."""
        return any(one is not None for one in (self.asset, self.position, self.price, self.lock))


def symbol_standing(symbol: str, agent: AgentStatus | None = None) -> SymbolStanding:
    """Read how a symbol stands, in four small reads.

    Args:
        symbol: as the broker writes it: AAPL, BTC/USD.
        agent: its row where the caller has read it.
    """
    agent = agent or AgentStatus.objects.filter(pk=1).first() or AgentStatus()
    return SymbolStanding(
        symbol=symbol,
        asset=Asset.objects.filter(pk=symbol).first(),
        position=Position.objects.filter(pk=symbol).first(),
        price=MarketSnapshot.objects.filter(symbol=symbol).order_by("-quoted_at", "-id").first(),
        lock=SymbolLock.objects.in_force(market_now(agent)).filter(symbol=symbol).first(),
    )
