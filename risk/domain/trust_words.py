"""What trust made of an entry, as one line for a person."""

from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal

from risk.domain.numbers import finite_decimal, plain_decimal
from risk.domain.trust import Standing, TrustMode

HUNDREDTH = Decimal("0.01")
FIGURES = ("trust_mode", "trust_factor", "trust_standing", "calibrated_confidence", "confidence_low")
_WHY = {
    Standing.MISSING: "nothing is known of this model in these words",
    Standing.EXPIRED: "what is known of it has expired",
    Standing.MALFORMED: "its curve cannot be read",
    Standing.UNSEEN: "nothing was ever stated as low",
}


def trust_words(confidence: Decimal, figures: Mapping[str, str | None]) -> str:
    """Return e.g. ``0.82 stated, 0.54 calibrated, at least 0.51: sized at 0.25``; "" where nobody asked.

    Args:
        figures: of a check; those of ``FIGURES`` count.
    """
    mode, factor = figures.get("trust_mode"), finite_decimal(figures.get("trust_factor"))
    if mode not in (TrustMode.SHADOW, TrustMode.ON) or factor is None:
        return ""
    known = [f"{_rounded(confidence)} stated"]
    calibrated, low = (
        finite_decimal(figures.get(name)) for name in ("calibrated_confidence", "confidence_low")
    )
    if calibrated is not None and low is not None:
        known += [f"{_rounded(calibrated)} calibrated", f"at least {_rounded(low)}"]
    elif (standing := figures.get("trust_standing")) in _WHY:
        known.append(_WHY[Standing(standing)])
    if mode == TrustMode.ON:
        sized = f"sized at {_rounded(factor)}" if factor else "nothing is left of its size"
    else:
        sized = f"would be sized at {_rounded(factor)}" if factor else "nothing would be left of its size"
    return f"{', '.join(known)}: {sized}"


def _rounded(share: Decimal) -> str:
    return plain_decimal(share.quantize(HUNDREDTH, ROUND_HALF_UP))
