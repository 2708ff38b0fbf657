"""What is held of one symbol, why, since when and what protects it: for its page."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import F

from trading.core.statements.together import first, read_together
from trading.domain.order_ids import PROTECTIVE
from trading.models import AgentStatus, Lot, Order, SymbolBook, Thesis
from trading.queries.pages.symbol_standing import SymbolStanding, standing_of, standing_selects

MOST_ROWS = 30


@dataclass(frozen=True, slots=True)
class PositionStory:
    """A position with what opened it; theses and lots carry ``strategy_name``."""

    now: SymbolStanding
    book: SymbolBook | None
    theses: Sequence[Thesis]
    lots: Sequence[Lot]
    orders: Sequence[Order]

    @property
    def protecting(self) -> list[Order]:
        """The orders at the broker that sell what is held."""
        return [order for order in self.orders if order.purpose in PROTECTIVE]


def position_story(symbol: str, agent: AgentStatus) -> PositionStory:
    """Read it in one statement.

    Args:
        agent: its row, as the caller has read it.
    """
    named = F("strategy__name")
    lots = Lot.objects.filter(symbol=symbol, remaining__gt=0).annotate(strategy_name=named)
    read = read_together(
        {
            **standing_selects(symbol, agent),
            "book": SymbolBook.objects.filter(pk=symbol),
            "theses": Thesis.objects.open().filter(symbol=symbol).annotate(strategy_name=named)[:MOST_ROWS],
            "lots": lots.order_by("-opened_at", "-id")[:MOST_ROWS],
            "orders": Order.objects.open().filter(symbol=symbol).order_by("-created_at")[:MOST_ROWS],
        }
    )
    return PositionStory(
        standing_of(symbol, read, agent), first(read["book"]), read["theses"], read["lots"], read["orders"]
    )
