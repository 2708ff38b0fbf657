"""What an analysis returns, and the ledger in which it is collected."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from uuid import UUID

from ai.calls import CallOutcome
from ai.domain.answer import ParsedAnswer
from ai.domain.text import clean_line
from ai.domain.types import Hold, HoldReason, Proposal
from ai.errors import ModelTimeoutError

_MAX_FAILURE_CHARACTERS = 1000
_MONEY = (HoldReason.BUDGET_EXHAUSTED, HoldReason.PRICE_UNKNOWN)


@dataclass(frozen=True, slots=True)
class ModelSwitch:
    """A change from one model of the chain to the next, and how many batches made it for this cause.

    ``cause`` is one of timeout, failed, invalid, content_filter, context_length, no_credit and model_unknown
    (of the call), breaker_open, ai_budget_exhausted, ai_price_unknown and context_length (the call was not
    made); ``detail`` is that of the first batch.
    """

    from_model: str
    to_model: str
    cause: str
    detail: str
    batches: int


@dataclass(frozen=True, slots=True)
class AnalysisResult:
    """What the models said; every asked symbol is a key of either ``proposals`` or ``holds``.

    ``call_ids`` names, per symbol, the last ``ModelCall`` that was asked about it; a symbol that nobody was
    asked about has none. ``failed`` is True when no batch at all brought a usable answer, and ``failure``
    then says why; ``is_model_failure`` is False where that was for want of money alone. ``warnings`` are
    lines for the cycle's record.
    """

    proposals: dict[str, Proposal]
    holds: dict[str, Hold]
    call_ids: dict[str, UUID]
    warnings: tuple[str, ...]
    switches: tuple[ModelSwitch, ...]
    failed: bool
    failure: str
    is_model_failure: bool


@dataclass(slots=True)
class Ledger:
    """What came of one question so far."""

    proposals: dict[str, Proposal] = field(default_factory=dict)
    holds: dict[str, Hold] = field(default_factory=dict)
    call_ids: dict[str, UUID] = field(default_factory=dict)
    is_answered: bool = False
    _warnings: dict[str, None] = field(default_factory=dict)
    _failures: dict[str, None] = field(default_factory=dict)
    _switches: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    _details: dict[tuple[str, str, str], str] = field(default_factory=dict)

    def take(self, model: str, parsed: ParsedAnswer) -> None:
        """Take in an answer with at least one usable decision."""
        self.is_answered = True
        self.proposals.update(parsed.proposals)
        self._hold_for_problems(model, parsed)

    def give_up(self, outcome: CallOutcome) -> None:
        """Hold what the last model of the chain had no usable answer to."""
        self._failures[str(outcome.error)] = None
        if outcome.parsed is not None:
            self._hold_for_problems(outcome.model, outcome.parsed)
            return
        is_timeout = isinstance(outcome.error, ModelTimeoutError)
        reason = HoldReason.ANALYSIS_TIMEOUT if is_timeout else HoldReason.ANALYSIS_FAILED
        self.hold(outcome.symbols, Hold(reason, str(outcome.error)))

    def hold(self, symbols: Iterable[str], hold: Hold) -> None:
        """Hold symbols for one reason."""
        self.holds.update(dict.fromkeys(symbols, hold))
        self._failures[hold.detail] = None

    def switch(self, from_model: str, to_model: str, *, cause: str, detail: str) -> None:
        """Note that a batch went on to the next model."""
        key = (from_model, to_model, cause)
        self._switches[key] += 1
        self._details.setdefault(key, detail)

    def warn(self, line: str) -> None:
        """Note a line for the cycle's record, once."""
        self._warnings[line] = None

    def result(self) -> AnalysisResult:
        """Return what there is."""
        failed = bool(self.holds) and not self.is_answered
        reasons = {hold.reason for hold in self.holds.values()}
        failure = clean_line("; ".join(self._failures), limit=_MAX_FAILURE_CHARACTERS) if failed else ""
        return AnalysisResult(
            proposals=self.proposals,
            holds=self.holds,
            call_ids=self.call_ids,
            warnings=tuple(self._warnings),
            switches=tuple(
                ModelSwitch(*key, self._details[key], count) for key, count in self._switches.items()
            ),
            failed=failed,
            failure=failure,
            is_model_failure=failed and not reasons <= set(_MONEY),
        )

    def _hold_for_problems(self, model: str, parsed: ParsedAnswer) -> None:
        strangers = [problem.detail for problem in parsed.problems if problem.symbol is None]
        if strangers:
            self.warn(f"{model}: {len(strangers)} decisions belong to no symbol; the first: {strangers[0]}")
        for problem in parsed.problems:
            if problem.symbol is not None:
                # The last problem counts: a symbol decided twice is a duplicate, however bad the first was.
                self.holds[problem.symbol] = Hold(problem.reason, problem.detail)
