"""How much room each limit leaves beside an order, from the figures of the gate's answer."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from risk.domain.numbers import HUNDRED, ZERO, finite_decimal, share_percent

ROOM = "room_"
BUYING_POWER = "insufficient_buying_power"
NOTIONAL_LIMITS = (
    ("position_too_large", "max_position_percent", "one position"),
    ("exposure_limit_exceeded", "max_exposure_percent", "exposure"),
)


@dataclass(frozen=True, slots=True)
class LimitFigures:
    """The limits that judged, in percent of equity; ``max_positions`` is a count."""

    max_position_percent: Decimal
    max_exposure_percent: Decimal
    max_positions: int
    max_daily_loss_percent: Decimal


@dataclass(frozen=True, slots=True)
class Headroom:
    """One limit: what is left of it and its whole, both in ``unit`` (USD, positions or %)."""

    name: str
    words: str
    left: Decimal
    whole: Decimal
    unit: str

    @property
    def percent(self) -> Decimal:
        """What is left in percent of the whole, at least 0."""
        return max(ZERO, share_percent(self.left, self.whole))


def headrooms(
    figures: Mapping[str, str], limits: LimitFigures, notional: Decimal = ZERO
) -> tuple[Headroom, ...]:
    """Return the limits the gate compared with, in its order.

    Args:
        figures: of an entry's check; what the gate did not come to is left out.
        notional: the order in USD that passed, 0 where none did: the room is what it leaves.
    """
    known = {name: number for name, text in figures.items() if (number := finite_decimal(text)) is not None}
    equity = known.get("equity", ZERO)
    found = []
    for name, limit, words in NOTIONAL_LIMITS:
        if ROOM + name in known:
            whole = equity * getattr(limits, limit) / HUNDRED
            found.append(Headroom(name, words, known[ROOM + name] - notional, whole, "USD"))
    if "open_positions" in known:
        left = limits.max_positions - known["open_positions"]
        found.append(
            Headroom("max_positions_reached", "positions", left, Decimal(limits.max_positions), "positions")
        )
    if "daily_loss_percent" in known:
        left = limits.max_daily_loss_percent - max(ZERO, known["daily_loss_percent"])
        found.append(Headroom("daily_loss_limit", "daily loss", left, limits.max_daily_loss_percent, "%"))
    if ROOM + BUYING_POWER in known:
        whole = max(known[ROOM + BUYING_POWER], equity)
        left = known[ROOM + BUYING_POWER] - notional
        found.append(Headroom(BUYING_POWER, "buying power (of equity)", left, whole, "USD"))
    return tuple(found)


def closest(rooms: Iterable[Headroom]) -> Headroom | None:
    """Return the limit with the least room in percent of itself, None where there is none."""
    return min(rooms, key=lambda room: room.percent, default=None)
