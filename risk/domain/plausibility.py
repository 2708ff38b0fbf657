"""Whether a price may size an order: held against what was known before it, and against another source.

Bands are by ratio, from reference / (1 + width) to reference x (1 + width), so that a third is as far away as
three times. ADR 0024 says which reference counts when, and what a split looks like.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, localcontext

from risk.domain.checks import LARGEST, SMALLEST, within
from risk.domain.numbers import HUNDRED, ONE, plain_decimal
from risk.domain.types import PriceBand, PriceFacts, Reference

# However volatile the asset: half and twice a reference is as far as a price is believed without a second source.
WIDEST = ONE
LARGEST_FACTOR = Decimal(1000)
DIGITS = 60


@dataclass(frozen=True, slots=True)
class PriceVerdict:
    """Why the price is not believed, in words ("" when it is), and what it was held against."""

    problem: str
    figures: Mapping[str, Decimal | str] = field(default_factory=dict)


def judge_price(price: Decimal | None, facts: PriceFacts | None) -> PriceVerdict:
    """Return whether ``price`` (USD per base unit) is plausible; total: whatever cannot be decided is not.

    A price within the band of everything known before it is believed, and so is one that a second source
    confirms; one that a second source contradicts is not. Without anything to hold it against it is not.
    """
    if facts is None:
        return PriceVerdict("nothing is known to hold the price against")
    if price is None or not within(price, SMALLEST, LARGEST):
        return PriceVerdict("the price is no usable number")
    with localcontext(prec=DIGITS):
        width = band_width(facts.band, facts.daily_volatility)
        if width is None:
            return PriceVerdict("the band's settings are no usable numbers")
        close, recent = _history(facts, width)
        known = [reference for reference in (close, recent) if reference is not None]
        figures = _figures(known, width) | _told("close", close) | _told("recent", recent)
        second = _usable(facts.second)
        return PriceVerdict(
            _problem(price, known, second, width, facts.band), figures | _told("second", second)
        )


def band_width(band: PriceBand, daily_volatility: Decimal | None) -> Decimal | None:
    """Return how far a price may be from a reference, as a ratio of at most ``WIDEST``.

    Returns:
        None when the settings make no band: a number is missing, not finite or below zero.
    """
    factors = (band.floor, band.sigmas, band.agreement, band.disagreement, band.widening)
    if not all(_is_factor(factor) for factor in factors):
        return None
    by_volatility = (
        band.sigmas * daily_volatility if daily_volatility is not None and _is_factor(daily_volatility) else 0
    )
    return min(WIDEST, max(band.floor, by_volatility) * band.widening)


def _is_factor(value: Decimal | None) -> bool:
    return value is not None and within(value, 0, LARGEST_FACTOR)


def _history(facts: PriceFacts, width: Decimal) -> tuple[Reference | None, Reference | None]:
    """Return the close, and the median of the recent prices; one that the close disowns proves nothing."""
    close = _usable(facts.close)
    found = [reference for reference in map(_usable, facts.recent) if reference is not None]
    if close is not None:
        found = [reference for reference in found if ratio_apart(reference.price, close.price) <= width]
    if not found:
        return close, None
    ranked = sorted(found, key=lambda reference: reference.price)
    return close, ranked[(len(ranked) - 1) // 2]


def _usable(reference: Reference | None) -> Reference | None:
    if reference is None or reference.price is None or not within(reference.price, SMALLEST, LARGEST):
        return None
    return reference


def _problem(
    price: Decimal, known: list[Reference], second: Reference | None, width: Decimal, band: PriceBand
) -> str:
    apart = None if second is None else ratio_apart(price, second.price)
    if apart is not None and apart > band.disagreement:
        assert second is not None  # noqa: S101 - what is apart from it is there
        return f"{second.source} says {plain_decimal(second.price)}, {_ratio_as_percent(apart)} % apart"
    if apart is not None and apart <= band.agreement:
        return ""
    if not known:
        return "no earlier price is known, and no second source confirms it"
    for reference in known:
        away = ratio_apart(price, reference.price)
        if away > width:
            words = f"{_ratio_as_percent(away)} % from {plain_decimal(reference.price)} ({reference.source})"
            return f"{words}, more than {_ratio_as_percent(width)} %, and no second source confirms it"
    return ""


def ratio_apart(first: Decimal, second: Decimal) -> Decimal:
    """Return by which ratio the larger of two prices exceeds the smaller; both are above 0."""
    return max(first, second) / min(first, second) - ONE


def _figures(known: list[Reference], width: Decimal) -> dict[str, Decimal | str]:
    if not known:
        return {}
    return {
        "price_low": _rounded(max(reference.price / (ONE + width) for reference in known)),
        "price_high": _rounded(min(reference.price * (ONE + width) for reference in known)),
        "price_band_percent": _rounded(width * HUNDRED),
    }


def _told(name: str, reference: Reference | None) -> dict[str, Decimal | str]:
    if reference is None:
        return {}
    at = reference.at.isoformat() if reference.at is not None else "unknown"
    return {
        f"price_{name}": reference.price,
        f"price_{name}_source": reference.source,
        f"price_{name}_at": at,
    }


def _rounded(value: Decimal) -> Decimal:
    """Return ten significant digits: for people, nothing is decided by them."""
    with localcontext(prec=10):
        return +value


def _ratio_as_percent(ratio: Decimal) -> str:
    return f"{_rounded(ratio * HUNDRED):.1f}"
