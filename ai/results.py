"""What an analysis returns, and the ledger in which it is collected."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

from ai.calls import CallOutcome
from ai.domain.answer import ParsedAnswer
from ai.domain.stability import Sampled, SampledAnswer
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
    lines for the cycle's record. ``samples`` are the answers about a symbol that several were asked for.
    """

    proposals: dict[str, Proposal]
    holds: dict[str, Hold]
    call_ids: dict[str, UUID]
    warnings: tuple[str, ...]
    switches: tuple[ModelSwitch, ...]
    failed: bool
    failure: str
    is_model_failure: bool
    samples: Mapping[str, Sampled] = field(default_factory=dict)


@dataclass(slots=True)
class Ledger:
    """What came of one question so far."""

    proposals: dict[str, Proposal] = field(default_factory=dict)
    holds: dict[str, Hold] = field(default_factory=dict)
    call_ids: dict[str, UUID] = field(default_factory=dict)
    models: dict[str, str] = field(default_factory=dict)  # which of them each proposal is of
    is_answered: bool = False
    _warnings: dict[str, None] = field(default_factory=dict)
    _failures: dict[str, None] = field(default_factory=dict)
    _switches: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    _details: dict[tuple[str, str, str], str] = field(default_factory=dict)

    def take(self, model: str, parsed: ParsedAnswer) -> None:
        """Take in an answer with at least one usable decision."""
        self.is_answered = True
        self.proposals.update(parsed.proposals)
        self.models.update(dict.fromkeys(parsed.proposals, model))
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

    def result_with(
        self, others: Sequence[tuple[int, Collection[str], "Ledger"]], *, least: float
    ) -> AnalysisResult:
        """Return what there is where some symbols were asked about several times, this being the first.

        Answers of another model than the first's do not count: whether two models agree is another question.

        Args:
            others: the number of each further sample, the symbols that it asked about, and what came of it.
            least: share of the answers that must agree, inclusive.
        """
        found = self.result()
        samples = {}
        for symbol, proposal in self.proposals.items():
            asked = [(sample, ledger) for sample, symbols, ledger in others if symbol in symbols]
            if not asked:
                continue
            answers = [SampledAnswer(0, proposal, self.call_ids.get(symbol))] + [
                SampledAnswer(sample, ledger.proposals[symbol], ledger.call_ids.get(symbol))
                for sample, ledger in asked
                if ledger.models.get(symbol) == self.models[symbol]
            ]
            samples[symbol] = Sampled(tuple(answers), len(asked) + 1)
        proposals, holds, call_ids = dict(self.proposals), dict(self.holds), dict(self.call_ids)
        for symbol, sampled in samples.items():
            if (call_id := sampled.spoken.call_id) is not None:
                call_ids[symbol] = call_id
            decided = sampled.decided(least=least)
            if isinstance(decided, Proposal):
                proposals[symbol] = decided
            else:
                holds[symbol] = decided
                del proposals[symbol]
        warnings = dict.fromkeys(
            [*found.warnings, *(w for *_, ledger in others for w in ledger.result().warnings)]
        )
        return replace(
            found,
            proposals=proposals,
            holds=holds,
            call_ids=call_ids,
            warnings=tuple(warnings),
            samples=samples,
        )

    def _hold_for_problems(self, model: str, parsed: ParsedAnswer) -> None:
        strangers = [problem.detail for problem in parsed.problems if problem.symbol is None]
        if strangers:
            self.warn(f"{model}: {len(strangers)} decisions belong to no symbol; the first: {strangers[0]}")
        for problem in parsed.problems:
            if problem.symbol is not None:
                # The last problem counts: a symbol decided twice is a duplicate, however bad the first was.
                self.holds[problem.symbol] = Hold(problem.reason, problem.detail)
