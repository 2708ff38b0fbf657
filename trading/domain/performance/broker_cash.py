"""What cash is that a broker books by itself, by its word for it, and how it is shared among lots. Pure.

The words are Alpaca's ("Account Activities", docs.alpaca.markets); those that are not known here keep their name.
"""

import enum
from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from types import MappingProxyType

from risk.domain.numbers import ZERO
from trading.domain.performance.lots import MONEY


class CashKind(enum.StrEnum):
    """What cash is: the first three are earned or paid, a transfer is neither, of another nobody can say."""

    DIVIDEND = "dividend"
    INTEREST = "interest"
    FEE = "fee"
    TRANSFER = "transfer"
    OTHER = "other"


INCOME = (CashKind.DIVIDEND, CashKind.INTEREST, CashKind.FEE)
# A coin's fee is counted with its execution (lots), and executions are no activities here.
COUNTED_ELSEWHERE = frozenset({"CFEE", "FILL"})
_WORDS: Mapping[str, CashKind] = MappingProxyType(
    {
        **dict.fromkeys(("CIL", "SPIN", "SPLIT", "SSP", "SSO", "REORG", "MA", "CGD"), CashKind.DIVIDEND),
        **dict.fromkeys(("INT", "INTNRA", "INTTW", "INTPNL", "SWP"), CashKind.INTEREST),
        **dict.fromkeys(("FEE", "PTC", "PTR", "DIVFEE"), CashKind.FEE),
        **dict.fromkeys(("TRANS", "CSD", "CSW", "JNL", "JNLC", "JNLS", "ACATC", "ACATS"), CashKind.TRANSFER),
    }
)


def cash_kind(word: str) -> CashKind:
    """Return what the broker's word stands for; every kind of dividend begins with ``DIV``, withheld tax among them."""
    known = _WORDS.get(word)
    if known is not None:
        return known
    return CashKind.DIVIDEND if word.startswith("DIV") else CashKind.OTHER


def shares_of(amount: Decimal, weights: Sequence[Decimal]) -> list[Decimal]:
    """Return an amount in parts as the weights are, in USD to six digits; they sum to it exactly.

    Args:
        weights: positive, at least one.

    Raises:
        ValueError: they are none, or one is not positive.
    """
    if not weights or min(weights) <= 0:
        raise ValueError(f"weights must be positive, were {list(weights)}")
    whole, left, parts = sum(weights, ZERO), amount, []
    for weight in weights[:-1]:
        part = (amount * weight / whole).quantize(MONEY, ROUND_HALF_UP)
        parts.append(part)
        left -= part
    return [*parts, left]


def told_before(*, gap: Decimal, fresh: Decimal, unexplained: Decimal, cent: Decimal) -> Decimal:
    """Return how much of cash that is told of only now was in the account, and taken in as unexplained, before.

    Args:
        gap: what the account has beyond the books, without the fresh activities; ``fresh``: what those bring.
        unexplained: what was taken in as unexplained until now.
    """
    late = fresh - gap
    if abs(late) <= cent or late * unexplained <= 0 or abs(late) > abs(unexplained) + cent:
        return ZERO
    return late
