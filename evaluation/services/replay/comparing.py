"""A decision as it was beside what it would be: one item's difference, and what all of them come to."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from evaluation.models import ReplayItem
from evaluation.services.replay.regating import NO_BOOK, Proposed
from evaluation.services.replay.sources import RecordedVerdict, Source

# Figures of a check by which a verdict on another book can be told from the same one, the most telling first.
TELLING = (
    "price",
    "equity",
    "buying_power",
    "held",
    "reserved",
    "exposure",
    "exposure_reserved",
    "open_risk",
)


def before(source: Source) -> dict[str, Any]:
    """Return a decision as it was, as JSON values."""
    return {
        "action": source.action,
        "confidence": source.confidence,
        "reasoning": source.reasoning,
        "status": source.status,
        "reason": source.reason,
        "model": source.model,
        "verdict": verdict_json(source.verdict),
    }


def after(
    proposed: Proposed | None,
    verdict: RecordedVerdict | None,
    *,
    model: str,
    problem: str = "",
    has_scene: bool = True,
) -> dict[str, Any]:
    """Return what a decision would be, as JSON values; ``action`` None where nobody answered, ``problem`` says why."""
    wants = proposed is not None and proposed.action != "hold"
    return {
        "action": proposed.action if proposed else None,
        "confidence": str(proposed.confidence) if proposed else None,
        "reasoning": proposed.reasoning if proposed else "",
        "model": model,
        "problem": problem or (NO_BOOK if wants and not has_scene else ""),
        "verdict": verdict_json(verdict),
    }


def verdict_json(verdict: RecordedVerdict | None) -> dict[str, Any] | None:
    """Return a verdict as JSON values, without its figures; None where the gate was not asked."""
    if verdict is None:
        return None
    return {"allowed": verdict.allowed, "reason": verdict.reason, "quantity": verdict.quantity}


def moved(source: Source, now: RecordedVerdict | None) -> str:
    """Return by which figure the book had moved between what is on record and the gate's answer then; "" if it agrees.

    Of a decision that is asked again unchanged.
    """
    then = source.verdict
    if then is None or now is None:
        return ""
    if (then.reason, Decimal(then.quantity)) == (now.reason, Decimal(now.quantity)):
        return ""
    for name in TELLING:
        old, new = then.figures.get(name), now.figures.get(name)
        if old is not None and new is not None and not _equal(old, new):
            return f"book_moved: {name} was {old}, is {new} on record"
    return f"book_moved: was {then.reason or 'allowed'}, is {now.reason or 'allowed'}"


@dataclass(slots=True)
class Summary:
    """What the items of a replay come to, counted as they come."""

    decisions: int = 0
    answered: int = 0
    same_action: int = 0
    same: int = 0
    shift: Decimal = Decimal(0)
    actions: Counter[str] = field(default_factory=Counter)
    flips: Counter[str] = field(default_factory=Counter)
    verdicts: Counter[str] = field(default_factory=Counter)
    problems: Counter[str] = field(default_factory=Counter)
    moved: int = 0

    def take(self, was: Mapping[str, Any], now: Mapping[str, Any]) -> None:
        """Count one item."""
        self.decisions += 1
        if now["problem"]:
            self.problems[now["problem"]] += 1
        if now["action"] is None:
            return
        self.answered += 1
        self.shift += Decimal(now["confidence"]) - Decimal(was["confidence"])
        self.actions[f"{was['action']}→{now['action']}"] += 1
        if now["action"] == was["action"]:
            self.same_action += 1
        else:
            self.flips[f"{was['action']}→{now['action']}"] += 1
        self.same += not differs(was, now)
        old, new = _verdict_word(was["verdict"]), _verdict_word(now["verdict"])
        if old != new:
            self.verdicts[f"{old}→{new}"] += 1
        self.moved += bool(now.get("moved"))

    def to_json(self) -> dict[str, Any]:
        """Return the counts as JSON values."""
        return {
            "decisions": self.decisions,
            "answered": self.answered,
            "sameAction": self.same_action,
            "same": self.same,
            "agreement": self.same_action / self.answered if self.answered else None,
            "meanConfidenceShift": float(self.shift / self.answered) if self.answered else None,
            "actions": dict(self.actions),
            "flips": dict(self.flips.most_common()),
            "verdictFlips": dict(self.verdicts.most_common()),
            "problems": dict(self.problems.most_common(20)),
            "bookMoved": self.moved,
        }


def differs(was: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """Return whether action or confidence is another, or the gate's answer for a reason that is not the book's."""
    if now["action"] is None:
        return True
    answered = (now["action"], Decimal(now["confidence"])) == (was["action"], Decimal(was["confidence"]))
    if not answered:
        return True
    if was["verdict"] is None or now["verdict"] is None or now.get("moved"):
        return False
    return bool(was["verdict"] != now["verdict"])


def change_of(was: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[ReplayItem.Change, Decimal]:
    """Return what changed most of an item, and by how much its confidence is another."""
    kinds = ReplayItem.Change
    if now["action"] is None:
        return kinds.UNANSWERED, Decimal(0)
    shift = abs(Decimal(now["confidence"]) - Decimal(was["confidence"]))
    if now["action"] != was["action"]:
        return kinds.ACTION, shift
    if _verdict_word(was["verdict"]) != _verdict_word(now["verdict"]):
        return kinds.VERDICT, shift
    return (kinds.CONFIDENCE if shift else kinds.NOTHING), shift


def _verdict_word(verdict: Mapping[str, Any] | None) -> str:
    if verdict is None:
        return "not asked"
    return "allowed" if verdict["allowed"] else str(verdict["reason"])


def _equal(old: str, new: str) -> bool:
    try:
        return Decimal(old) == Decimal(new)
    except ArithmeticError:
        return old == new
