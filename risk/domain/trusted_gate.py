"""The gate with what trust leaves of an entry: at most what the gate alone lets through, and nothing that it denies."""

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from risk.domain.gate import judge
from risk.domain.numbers import ZERO, plain_decimal
from risk.domain.reasons import DenyReason
from risk.domain.trust import (
    Scope,
    Trust,
    TrustCurve,
    TrustMode,
    in_force,
    trust_of,
    trusted_intent,
)
from risk.domain.types import LimitValues, OrderIntent, RiskBook, Verdict


@dataclass(frozen=True, slots=True)
class AppliedTrust:
    """What an entry's confidence has earned, and what is done with it."""

    trust: Trust
    mode: TrustMode


@dataclass(frozen=True, slots=True)
class TrustTerms:
    """What holds for every entry judged at one moment.

    Args:
        floor: what is left to those without a record, 0 to 1.
        curves: those in force.
        now: market time; None where it is not known, and then nothing is valid.
    """

    mode: TrustMode
    floor: Decimal
    curves: tuple[TrustCurve, ...]
    now: datetime | None

    def applied(self, confidence: Decimal, scope: Scope) -> AppliedTrust | None:
        """Return what is done with an entry of this scope stated at ``confidence``; None where trust is off."""
        if self.mode is TrustMode.OFF:
            return None
        curve = in_force(self.curves, scope)
        return AppliedTrust(trust_of(confidence, curve, now=self.now, floor=self.floor), self.mode)


def judge_trusted(
    intent: OrderIntent, book: RiskBook, limits: LimitValues | None, applied: AppliedTrust | None
) -> Verdict:
    """Return the gate's answer to the part of an entry that its confidence has earned.

    The gate judges the whole entry first, and what it denies stays denied: a smaller wish may pass where the room
    that is left is a crumb of a larger one. Of exits, and where trust is off or only noted, the answer is the gate's.
    The figures of every entry say what trust made of it.
    """
    verdict = judge(intent, book, limits)
    if applied is None or intent.reducing:
        return verdict
    if verdict.allowed and applied.mode is TrustMode.ON:
        verdict = _earned(intent, book, limits, applied.trust, verdict)
    return replace(verdict, figures={**verdict.figures, **applied.trust.figures(applied.mode)})


def _earned(
    intent: OrderIntent, book: RiskBook, limits: LimitValues | None, trust: Trust, whole: Verdict
) -> Verdict:
    if trust.denies:
        detail = f"nothing is left of its size: trust is {trust.standing}, and the floor 0"
        return Verdict(ZERO, ZERO, DenyReason.UNTRUSTED_CONFIDENCE, whole.figures, detail)
    found = judge(trusted_intent(intent, trust, TrustMode.ON), book, limits)
    if found.allowed:
        return found
    detail = f"trust leaves {plain_decimal(trust.factor)} of its size; the whole would have passed"
    return replace(found, detail=found.detail or detail)
