"""The figures that decided a denial, as a person reads them: ``0.66 < 0.70``."""

from collections.abc import Callable, Mapping
from decimal import ROUND_UP, Decimal
from types import MappingProxyType

from risk.domain.numbers import ZERO, finite_decimal, plain_decimal
from risk.domain.reasons import DenyReason, room_figure

Figures = Mapping[str, str | None]
SECOND = Decimal(1)
MOST_DIGITS = 6  # behind the point, where two places would show two different numbers as one


def deciding_words(reason: str, figures: Figures) -> str:
    """Return what was compared with what when the gate denied for ``reason``; "" where no two numbers decided.

    Args:
        figures: of the check, as it is stored.
    """
    words = _WORDS.get(reason)
    return words(figures) if words else ""


def _compared(left: str, sign: str, right: str, unit: str = "") -> Callable[[Figures], str]:
    def words(figures: Figures) -> str:
        one, other = finite_decimal(figures.get(left)), finite_decimal(figures.get(right))
        if one is None or other is None:
            return ""
        smaller, larger = _apart(min(one, other), max(one, other))
        first, second = (smaller, larger) if one <= other else (larger, smaller)
        return f"{first}{unit} {sign} {second}{unit}"

    return words


def _apart(smaller: Decimal, larger: Decimal) -> tuple[str, str]:
    """Return both with two places, or with as many as they need to be told apart."""
    digits = 2
    while digits < MOST_DIGITS and smaller != larger and f"{smaller:.{digits}f}" == f"{larger:.{digits}f}":
        digits += 1
    return f"{smaller:,.{digits}f}", f"{larger:,.{digits}f}"


def _stale(figures: Figures) -> str:
    age, most = (finite_decimal(figures.get(name)) for name in ("price_age_seconds", "max_price_age_seconds"))
    if age is None or most is None:
        return ""
    if age < ZERO:
        return f"{-age.quantize(SECOND)} s in the future"
    return f"{age.quantize(SECOND, ROUND_UP)} s old > {plain_decimal(most)} s"


def _room(reason: DenyReason) -> Callable[[Figures], str]:
    def words(figures: Figures) -> str:
        room, wanted = (
            finite_decimal(figures.get(name)) for name in (room_figure(reason), "wanted_notional")
        )
        if room is None or wanted is None:
            return ""
        return f"room for {max(room, ZERO):,.2f} of {wanted:,.2f} USD"

    return words


def _positions(figures: Figures) -> str:
    held, most = figures.get("open_positions"), figures.get("max_positions")
    return f"{held} of {most} positions" if held and most else ""


def _band(figures: Figures) -> str:
    price, low, high = (finite_decimal(figures.get(name)) for name in ("price", "price_low", "price_high"))
    if price is None or low is None or high is None:
        return ""
    return f"{price:,.2f} is not within {low:,.2f} to {high:,.2f}"


_WORDS: Mapping[str, Callable[[Figures], str]] = MappingProxyType(
    {
        DenyReason.LOW_CONFIDENCE: _compared("confidence", "<", "min_confidence"),
        DenyReason.STALE_PRICE: _stale,
        DenyReason.IMPLAUSIBLE_PRICE: _band,
        DenyReason.MAX_POSITIONS: _positions,
        DenyReason.DAILY_LOSS: _compared("daily_loss_percent", "≥", "max_daily_loss_percent", " %"),
        DenyReason.LOW_PROFIT_SYMBOL: _compared("profit_percent", "<", "required_percent", " %"),
        **{
            reason: _room(reason)
            for reason in (
                DenyReason.POSITION_TOO_LARGE,
                DenyReason.EXPOSURE_EXCEEDED,
                DenyReason.POSITION_RISK,
                DenyReason.OPEN_RISK,
                DenyReason.BUYING_POWER,
            )
        },
    }
)
