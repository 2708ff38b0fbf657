"""How much room each limit leaves beside an order, from the figures of the gate's answer."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from risk.domain.numbers import HUNDRED, ZERO, finite_decimal, share_percent
from risk.domain.reasons import DenyReason, room_figure
from risk.domain.types import LimitValues

NOTIONAL_LIMITS = (
    (DenyReason.POSITION_TOO_LARGE, "max_position_percent", "one position"),
    (DenyReason.EXPOSURE_EXCEEDED, "max_exposure_percent", "exposure"),
)
# What may be lost where stops sell.
RISK_LIMITS = (
    (DenyReason.POSITION_RISK, "max_position_risk_percent", "loss at its stop"),
    (DenyReason.OPEN_RISK, "max_open_risk_percent", "loss at all stops"),
)


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
    figures: Mapping[str, str], limits: LimitValues, notional: Decimal = ZERO
) -> tuple[Headroom, ...]:
    """Return the limits the gate compared with, in its order.

    Args:
        figures: of an entry's check; what the gate did not come to is left out.
        notional: the order in USD that passed, 0 where none did: the room is what it leaves.
    """
    known = {name: number for name, text in figures.items() if (number := finite_decimal(text)) is not None}
    equity = known.get("equity", ZERO)
    found = []
    for reason, limit, words in NOTIONAL_LIMITS:
        room = known.get(room_figure(reason))
        if room is not None:
            whole = equity * getattr(limits, limit) / HUNDRED
            found.append(Headroom(reason, words, room - notional, whole, "USD"))
    share = known.get("stop_share")
    for reason, limit, words in RISK_LIMITS:
        room = known.get(room_figure(reason))
        if room is not None and share is not None:
            whole = equity * getattr(limits, limit) / HUNDRED
            found.append(Headroom(reason, words, (room - notional) * share, whole, "USD"))
    if "open_positions" in known:
        left = limits.max_positions - known["open_positions"]
        found.append(
            Headroom(DenyReason.MAX_POSITIONS, "positions", left, Decimal(limits.max_positions), "positions")
        )
    if "daily_loss_percent" in known:
        left = limits.max_daily_loss_percent - max(ZERO, known["daily_loss_percent"])
        found.append(Headroom(DenyReason.DAILY_LOSS, "daily loss", left, limits.max_daily_loss_percent, "%"))
    power = known.get(room_figure(DenyReason.BUYING_POWER))
    if power is not None:
        words, whole = "buying power (of equity)", max(power, equity)
        found.append(Headroom(DenyReason.BUYING_POWER, words, power - notional, whole, "USD"))
    return tuple(found)


def closest(rooms: Iterable[Headroom]) -> Headroom | None:
    """Return the limit with the least room in percent of itself, None where there is none."""
    return min(rooms, key=lambda room: room.percent, default=None)
