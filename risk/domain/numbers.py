"""Decimal numbers that many modules need: the constants, one way to write them, and one way to read them back."""

from decimal import Decimal, InvalidOperation

ZERO, ONE, HUNDRED = Decimal(0), Decimal(1), Decimal(100)


def plain_decimal(value: Decimal) -> str:
    """Return a finite number without exponent and trailing zeros: ``100``, ``0.5``, ``1306.89``."""
    return f"{value.normalize():f}"


def finite_decimal(text: object) -> Decimal | None:
    """Return the finite number that a stored text says; None where it says none (no text, words, NaN, infinity)."""
    try:
        number = Decimal(str(text))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def share_percent(part: Decimal, whole: Decimal) -> Decimal:
    """Return ``part`` in percent of ``whole``, unrounded; 0 where ``whole`` is not positive."""
    return part / whole * HUNDRED if whole > 0 else ZERO
