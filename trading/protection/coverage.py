"""Which orders protect a position, how much of it, and what is unprotected: one definition for all who say so."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from django.utils import timezone

from risk.domain.numbers import ZERO
from risk.services import switch
from trading.domain.ages import is_fresh
from trading.domain.order_ids import Purpose
from trading.models import Heartbeat, Order, Position

WATCH = "protection"
SILENT_AFTER = timedelta(seconds=20)  # it gives its sign each second, while no broker hangs


@dataclass(frozen=True, slots=True)
class Coverage:
    """The open orders that protect a symbol, those on their way to the broker among them."""

    orders: tuple[Order, ...] = ()

    def stopped(self, side: str = "sell") -> Decimal:
        """Return what live stops can still sell of a long position (or buy back of a short one), base units.

        A stop protects once the broker has given it an id.
        """
        return sum((left_of(order) for order in self.stops if order.side == side), ZERO)

    @property
    def stops(self) -> tuple[Order, ...]:
        """The stops that the broker has."""
        return tuple(order for order in self.at_the_broker if order.purpose == Purpose.STOP_LOSS)

    @property
    def at_the_broker(self) -> tuple[Order, ...]:
        """Those that the broker has given an id."""
        return tuple(order for order in self.orders if order.broker_order_id is not None)


def left_of(order: Order) -> Decimal:
    """Return what an order can still sell or buy, base units."""
    return (order.quantity or ZERO) - order.filled_quantity


def read_coverage() -> Mapping[str, Coverage]:
    """Return what protects each symbol that has such orders, by our own record: needs nothing but the database."""
    return coverage_of(Order.objects.protecting().order_by("created_at"))


def coverage_of(orders: Iterable[Order]) -> Mapping[str, Coverage]:
    """Return the same of the protecting orders that the caller has read, the oldest first."""
    found: dict[str, list[Order]] = {}
    for order in orders:
        found.setdefault(order.symbol, []).append(order)
    return {symbol: Coverage(tuple(theirs)) for symbol, theirs in found.items()}


def is_covered(position: Position, coverage: Coverage | None) -> bool:
    """Return whether stops at the broker can sell, or buy back, all that is held."""
    side = "sell" if position.quantity > 0 else "buy"
    return coverage is not None and coverage.stopped(side) >= abs(position.quantity)


def is_behind(position: Position, coverage: Coverage | None) -> bool:
    """Return whether a stop at the broker still stands below the price at which the position is to be sold.

    So it is until an order that follows the price, or a person's word, was replaced; where the price has fallen past
    the new one meanwhile the broker takes no such order any more. Other positions' stops stand where their entries
    put them.
    """
    wanted = position.stop_price
    if (
        coverage is None
        or wanted is None
        or (position.trailing_percent is None and not position.stop_moved_by)
    ):
        return False
    return any(order.stop_price is not None and order.stop_price < wanted for order in coverage.stops)


def unprotected_positions() -> list[str]:
    """Return the symbols of which some is held that nothing would sell, in alphabetical order.

    A live stop at the broker protects what it can still sell. This program's own watch protects the rest, where it has
    lately seen a fresh price of it, and while the kill switch lets it sell.
    """
    coverage, watches = read_coverage(), not switch.is_engaged() and _is_watch_alive()
    return unprotected_of(Position.objects.order_by("symbol"), coverage, watches=watches)


def unprotected_of(
    positions: Iterable[Position], coverage: Mapping[str, Coverage], *, watches: bool
) -> list[str]:
    """Return the same of what the caller has read.

    Args:
        watches: whether this program's own watch would sell.
    """
    return [
        position.symbol
        for position in positions
        if not is_covered(position, coverage.get(position.symbol))
        and not (watches and position.protected_by == Position.ProtectedBy.SOFTWARE)
    ]


def _is_watch_alive() -> bool:
    beaten_at = Heartbeat.objects.filter(process=WATCH).values_list("beaten_at", flat=True).first()
    return is_fresh(beaten_at, timezone.now(), SILENT_AFTER)
