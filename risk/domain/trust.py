"""How much of an entry's size the stated confidence has earned: a factor of at most 1, and never a reason to trade.

A trust curve says how often decisions stated at a confidence were right at least (docs/metrics.md, "Trust"). What it
does not say, or no longer, has the floor's share. Exits are no business of it.
"""

import enum
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import ROUND_DOWN, Decimal

from risk.domain.numbers import ONE, ZERO, finite_decimal, plain_decimal
from risk.domain.types import OrderIntent

FACTOR_PLACES = Decimal("0.0001")
ANY = "*"


class TrustMode(enum.StrEnum):
    """What is done with the factor: nothing, it is noted, or entries are shrunk by it."""

    OFF = "off"
    SHADOW = "shadow"
    ON = "on"


class Standing(enum.StrEnum):
    """Why a factor is what it is."""

    EARNED = "earned"
    MISSING = "missing"  # no curve for this model and prompt
    EXPIRED = "expired"
    MALFORMED = "malformed"
    UNSEEN = "unseen"  # nothing was ever stated as low


@dataclass(frozen=True, slots=True)
class Knot:
    """What is known of decisions stated at ``confidence`` or more, up to the next knot; all 0 to 1.

    Args:
        probability: how often they were right, after recalibration.
        low: its lower bound.
        n_effective: independent decisions that say so.
    """

    confidence: Decimal
    probability: Decimal
    low: Decimal
    n_effective: Decimal


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose decisions.

    Args:
        model: as it was asked for.
        strategy: its id as text; ``*``: any.
        prompt: the prompt's version; ``*``: any.
        answered: the model that the provider says answered, "" where it says none. A name may come to mean another
            model: what one of them earned is not the other's, and nothing stands in for it.
    """

    model: str
    strategy: str = ANY
    prompt: str = ANY
    answered: str = ""

    @property
    def wider(self) -> tuple["Scope", ...]:
        """This scope and those that stand in for it, the nearest first: less the strategy, less the prompt version."""
        return (self, replace(self, strategy=ANY), replace(self, strategy=ANY, prompt=ANY))


@dataclass(frozen=True, slots=True)
class TrustCurve:
    """A published version.

    Args:
        knots: in rising order of confidence; ``low`` never falls.
        break_even: how often a decision must be right to earn its costs.
        reference: how often it must be right for its full size, above ``break_even``.
        valid_until: market time, inclusive.
    """

    version: int
    scope: Scope
    knots: tuple[Knot, ...]
    break_even: Decimal
    reference: Decimal
    valid_until: datetime


@dataclass(frozen=True, slots=True)
class Trust:
    """The factor of one entry, 0 to 1, and what led to it.

    Args:
        version: of the curve that was looked at; None: there was none.
        probability: calibrated, and ``low`` its bound, where the curve says so.
    """

    factor: Decimal
    standing: Standing
    version: int | None = None
    probability: Decimal | None = None
    low: Decimal | None = None

    @property
    def denies(self) -> bool:
        """Whether nothing is left of the size; then the reason is ``untrusted_confidence``."""
        return self.factor <= 0

    def figures(self, mode: TrustMode) -> dict[str, str]:
        """Return what a check keeps: names and values; empty where trust is off."""
        if mode is TrustMode.OFF:
            return {}
        known = {
            "trust_version": None if self.version is None else str(self.version),
            "calibrated_confidence": None if self.probability is None else plain_decimal(self.probability),
            "confidence_low": None if self.low is None else plain_decimal(self.low),
        }
        told = {name: value for name, value in known.items() if value is not None}
        factor = plain_decimal(self.factor)
        return {
            "trust_mode": mode.value,
            "trust_factor": factor,
            "trust_standing": self.standing.value,
        } | told


def in_force(curves: Iterable[TrustCurve], scope: Scope) -> TrustCurve | None:
    """Return the highest version of the nearest scope that has one; what has expired is not passed over.

    A curve of a wider scope must not be better than the model's own old one lets it be.
    """
    by_scope: dict[Scope, TrustCurve] = {}
    for curve in curves:
        held = by_scope.get(curve.scope)
        if held is None or curve.version > held.version:
            by_scope[curve.scope] = curve
    return next((by_scope[each] for each in scope.wider if each in by_scope), None)


def trust_of(confidence: Decimal, curve: TrustCurve | None, *, now: datetime, floor: Decimal) -> Trust:
    """Return the factor of an entry stated at ``confidence``: total, whatever the curve holds.

    clip((low - break_even) / (reference - break_even), floor, 1), with ``low`` of the last knot at or below it.

    Args:
        now: market time.
        floor: what is left to those without a record, 0 to 1; anything else is taken for 0.
    """
    least = floor if floor.is_finite() and ZERO <= floor <= ONE else ZERO
    if curve is None:
        return Trust(least, Standing.MISSING)
    if not is_well_formed(curve) or not (confidence.is_finite() and ZERO <= confidence <= ONE):
        return Trust(least, Standing.MALFORMED, curve.version)
    if now > curve.valid_until:
        return Trust(least, Standing.EXPIRED, curve.version)
    below = [knot for knot in curve.knots if knot.confidence <= confidence]
    if not below:
        return Trust(least, Standing.UNSEEN, curve.version)
    knot = below[-1]
    earned = (knot.low - curve.break_even) / (curve.reference - curve.break_even)
    factor = max(least, min(ONE, earned)).quantize(FACTOR_PLACES, rounding=ROUND_DOWN)
    return Trust(factor, Standing.EARNED, curve.version, knot.probability, knot.low)


def trusted_intent(intent: OrderIntent, trust: Trust, mode: TrustMode) -> OrderIntent:
    """Return the intent with the size that trust leaves of an entry's; of an exit the very intent.

    A size of 0 the gate calls invalid: where ``trust.denies``, the reason is to be said first.
    """
    if mode is not TrustMode.ON or intent.reducing:
        return intent
    share = max(ZERO, min(ONE, trust.factor))
    return replace(intent, size_percent=min(intent.size_percent, intent.size_percent * share))


def is_well_formed(curve: TrustCurve) -> bool:
    """Return whether a curve can be believed: shares within 0 to 1, in order, rising, and with a way to full size."""
    shares = [curve.break_even, curve.reference, *(each for knot in curve.knots for each in _shares(knot))]
    if not curve.knots or curve.valid_until.tzinfo is None:
        return False
    if not all(each.is_finite() and ZERO <= each <= ONE for each in shares):
        return False
    if curve.reference <= curve.break_even:
        return False
    return all(
        a.confidence < b.confidence and a.low <= b.low
        for a, b in zip(curve.knots, curve.knots[1:], strict=False)
    ) and all(knot.low <= knot.probability for knot in curve.knots)


def _shares(knot: Knot) -> tuple[Decimal, Decimal, Decimal]:
    return (knot.confidence, knot.probability, knot.low)


def read_knots(rows: object) -> tuple[Knot, ...]:
    """Return the knots of stored JSON, [[confidence, probability, low, n effective], …]; () where it is anything else.

    Empty knots are a malformed curve, which has the floor.
    """
    if not isinstance(rows, Sequence) or isinstance(rows, str):
        return ()
    found: list[Knot] = []
    for row in rows:
        if not isinstance(row, Sequence) or isinstance(row, str) or len(row) != 4:
            return ()
        numbers = [None if isinstance(each, bool) else finite_decimal(each) for each in row]
        known = [each for each in numbers if each is not None]
        if len(known) != 4:
            return ()
        found.append(Knot(*known))
    return tuple(found)


def knots_json(knots: Sequence[Knot]) -> list[list[str]]:
    """Return the knots as ``read_knots`` reads them: numbers as text, none rounded."""
    return [
        [plain_decimal(each) for each in (k.confidence, k.probability, k.low, k.n_effective)] for k in knots
    ]
