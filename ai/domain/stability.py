"""How far answers to one question agree, and what follows of them."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from statistics import median
from typing import Generic, TypeVar
from uuid import UUID

from ai.domain.types import Action, AnalysisQuestion, Hold, HoldReason, Proposal

MOST_ANSWERS = 7
LEAST_ANSWERS = 2  # one alone agrees with itself
_PLACES = Decimal("0.0001")  # of a stored confidence
_TOLERANCE = 1e-9  # two of three are two thirds
Confidence = TypeVar("Confidence", float, Decimal)


@dataclass(frozen=True, slots=True)
class Modal(Generic[Confidence]):
    """What most samples of one question say.

    Args:
        agreement: share of the samples that say so, 0 to 1.
        confidence: median of those samples'; None without any.
    """

    action: str
    agreement: float
    confidence: Confidence | None
    samples: int

    def is_stable(self, *, least: float) -> bool:
        """Return whether enough of them agree, ``least`` inclusive; two of three are two thirds."""
        return self.agreement >= least - _TOLERANCE


def modal(samples: Sequence[tuple[str, Confidence]]) -> Modal[Confidence]:
    """Return the modal action of (action, confidence) samples; of a tie the one that does less.

    A hold does the least, a sell less than a buy. Without samples: a hold that nobody agrees to.
    """
    if not samples:
        return Modal("hold", 0.0, None, 0)
    counts = Counter(action for action, _ in samples)
    action = max(counts, key=lambda each: (counts[each], each == "hold", each == "sell"))
    confidences = [confidence for each, confidence in samples if each == action]
    return Modal(action, counts[action] / len(samples), median(confidences), len(samples))


@dataclass(frozen=True, slots=True)
class SampledAnswer:
    """One model's answer about one symbol; ``sample`` 0 is the first, ``call_id`` its record."""

    sample: int
    proposal: Proposal
    call_id: UUID | None


@dataclass(frozen=True, slots=True)
class Sampled:
    """The answers about one symbol that came, the first among them, and how many were asked for."""

    answers: tuple[SampledAnswer, ...]
    asked: int

    @property
    def modal(self) -> Modal[Decimal]:
        """What most of them say."""
        return modal([(each.proposal.action.value, each.proposal.confidence) for each in self.answers])

    @property
    def confidence(self) -> Decimal:
        """The median confidence of those that say what most say, as it is stored."""
        found = self.modal.confidence
        return Decimal(0) if found is None else found.quantize(_PLACES)

    @property
    def spoken(self) -> SampledAnswer:
        """The earliest answer that says what most say: its words are the decision's."""
        return next(each for each in self.answers if each.proposal.action.value == self.modal.action)

    def decided(self, *, least: float) -> Proposal | Hold:
        """Return what most say at their median confidence, or why it is not to be relied on.

        Args:
            least: share that must agree, inclusive.
        """
        found = self.modal
        if found.samples < LEAST_ANSWERS:
            said = f"{found.samples} of {self.asked} answers came, {LEAST_ANSWERS} are needed to tell"
            return Hold(HoldReason.UNSTABLE, said)
        if not found.is_stable(least=least):
            agreeing = round(found.agreement * found.samples)
            said = f"{agreeing} of {found.samples} answers say {found.action}, a share of {least:g} is needed"
            return Hold(HoldReason.UNSTABLE, said)
        return replace(self.spoken.proposal, confidence=self.confidence)


def wants_to_trade(proposal: Proposal) -> bool:
    """Return whether an answer proposes a trade at all, however sure it is."""
    return proposal.action is not Action.HOLD


def permuted(question: AnalysisQuestion, sample: int) -> AnalysisQuestion:
    """Return the question with its symbols in an order of that sample's own; the first sample's is as it is.

    Where the order counts for the answer, that shows as answers which do not agree. The same question and sample have
    the same order always.
    """
    if sample == 0:
        return question
    moment = question.as_of.isoformat()

    def place(symbol: str) -> bytes:
        return hashlib.sha256(f"{moment} {sample} {symbol}".encode()).digest()

    return replace(question, symbols=tuple(sorted(question.symbols, key=lambda facts: place(facts.symbol))))
