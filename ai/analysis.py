"""One analysis: batches, fallback along the list of models, deadline and budget.

The thread that runs the analysis does all the judging and all the writing; pool threads only wait for models,
so they need no database connection.
"""

import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from django.utils import timezone

from ai import builtin
from ai.calls import CallOutcome, ModelAccess, ask, record
from ai.domain.answer import ParsedAnswer
from ai.domain.prompt import Message, render_messages
from ai.domain.text import clean_line
from ai.domain.types import AnalysisQuestion, Hold, HoldReason, Proposal, SymbolFacts
from ai.errors import ModelRejectedError, ModelTimeoutError
from ai.models import ModelCall

_MIN_CALL_SECONDS = 0.25
_GRACE_SECONDS = 2.0
_MAX_FAILURE_CHARACTERS = 1000


@dataclass(frozen=True, slots=True)
class AnalysisSettings:
    """How to ask; times in seconds, budgets in USD.

    ``deadline_seconds`` is for the whole analysis. ``api_base`` and ``api_key`` apply to all models but the
    built-in analyst, which is also exempt from the budgets. A budget stops further calls; those under way
    when it is reached still end, so it can be passed by ``concurrency`` calls.
    """

    batch_size: int = 20
    concurrency: int = 4
    deadline_seconds: float = 30.0
    api_base: str | None = None
    api_key: str | None = field(default=None, repr=False)
    daily_budget_usd: Decimal = Decimal(5)
    cycle_budget_usd: Decimal = Decimal("0.25")

    def __post_init__(self) -> None:
        if self.batch_size < 1 or self.concurrency < 1 or not self.deadline_seconds > 0:
            raise ValueError("batch_size, concurrency and deadline_seconds must be positive")
        if not (self.daily_budget_usd >= 0 and self.cycle_budget_usd >= 0):
            raise ValueError("budgets must not be negative")


@dataclass(frozen=True, slots=True)
class AnalysisResult:
    """What the models said; every asked symbol is a key of either ``proposals`` or ``holds``.

    ``call_ids`` names, per symbol, the last ``ModelCall`` that was asked about it; a symbol that nobody was
    asked about has none. ``failed`` is True when no batch at all brought a usable answer, and ``failure``
    then says why. ``warnings`` are lines for the cycle's record.
    """

    proposals: dict[str, Proposal]
    holds: dict[str, Hold]
    call_ids: dict[str, UUID]
    warnings: tuple[str, ...]
    failed: bool
    failure: str


@dataclass(frozen=True, slots=True)
class _Attempt:
    """A batch and the place in the list of models it is put to."""

    symbols: tuple[str, ...]
    messages: tuple[Message, ...]
    model_index: int = 0


class _Budget:
    """What may still be spent; charged by the threads that ask, before they take the next batch."""

    def __init__(self, settings: AnalysisSettings, cycle_id: UUID | None, now: datetime) -> None:
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
        self._day = settings.daily_budget_usd - ModelCall.objects.cost_since(midnight)
        self._cycle = settings.cycle_budget_usd
        if cycle_id is not None:
            self._cycle -= ModelCall.objects.cost_of_cycle(cycle_id)
        self._lock = threading.Lock()

    def charge(self, cost_usd: Decimal) -> None:
        with self._lock:
            self._day -= cost_usd
            self._cycle -= cost_usd

    def exhausted(self) -> str | None:
        """Return which budget is used up, None while there is some of both."""
        if self._day <= 0:
            return "the AI budget of the day is used up"
        return "the AI budget of the cycle is used up" if self._cycle <= 0 else None


class Analysis:
    """One use; ``run`` asks and returns."""

    def __init__(
        self,
        question: AnalysisQuestion,
        models: Sequence[str],
        settings: AnalysisSettings,
        cycle_id: UUID | None,
    ) -> None:
        self._question = question
        self._models = tuple(models) or (builtin.MODEL,)
        self._settings = settings
        self._cycle_id = cycle_id
        self._deadline = time.monotonic() + settings.deadline_seconds
        self._access = ModelAccess(settings.api_base, settings.api_key)
        self._budget = _Budget(settings, cycle_id, timezone.now())
        self._pending: dict[Future[CallOutcome | Hold], _Attempt] = {}
        self._proposals: dict[str, Proposal] = {}
        self._holds: dict[str, Hold] = {}
        self._call_ids: dict[str, UUID] = {}
        self._warnings: dict[str, None] = {}
        self._failures: dict[str, None] = {}
        self._is_answered = False

    def run(self) -> AnalysisResult:
        """Ask about every symbol and return what there is when all answered or the deadline passed."""
        attempts = [self._attempt_for(facts) for facts in _batches(self._question, self._settings.batch_size)]
        if not attempts:
            return self._result()
        workers = min(self._settings.concurrency, len(attempts))
        pool = ThreadPoolExecutor(workers, thread_name_prefix="analysis")
        try:
            for attempt in attempts:
                self._submit(pool, attempt)
            self._collect(pool)
        finally:
            # Not waited for: every call ends by its own timeout, and its result is not wanted any more.
            pool.shutdown(wait=False, cancel_futures=True)
        return self._result()

    def _attempt_for(self, facts: tuple[SymbolFacts, ...]) -> _Attempt:
        messages = render_messages(replace(self._question, symbols=facts))
        return _Attempt(tuple(fact.symbol for fact in facts), tuple(messages))

    def _submit(self, pool: ThreadPoolExecutor, attempt: _Attempt) -> None:
        self._pending[pool.submit(self._ask, attempt)] = attempt

    def _ask(self, attempt: _Attempt) -> CallOutcome | Hold:
        """Ask, in a pool thread; return a hold where there is no time or no money left to ask."""
        model = self._models[attempt.model_index]
        left = self._deadline - time.monotonic()
        if left < _MIN_CALL_SECONDS:
            return Hold(HoldReason.ANALYSIS_TIMEOUT, f"the time was over before {model} was asked")
        exhausted = self._budget.exhausted()
        if exhausted and model != builtin.MODEL:
            return Hold(HoldReason.BUDGET_EXHAUSTED, exhausted)
        # A fair share of the time left, so that a model that hangs leaves some to those after it.
        share = left / (len(self._models) - attempt.model_index)
        outcome = ask(
            model,
            attempt.messages,
            attempt.symbols,
            started_at=timezone.now(),
            timeout_seconds=share,
            access=self._access,
        )
        self._budget.charge(outcome.cost_usd or Decimal(0))
        return outcome

    def _collect(self, pool: ThreadPoolExecutor) -> None:
        while self._pending:
            left = self._deadline + _GRACE_SECONDS - time.monotonic()
            done, _ = wait(self._pending, timeout=max(left, 0), return_when=FIRST_COMPLETED)
            if not done:
                break
            for future in done:
                attempt = self._pending.pop(future)
                again = self._settle(attempt, future.result())
                if again is not None:
                    self._submit(pool, again)
        for attempt in self._pending.values():
            self._hold(attempt.symbols, Hold(HoldReason.ANALYSIS_TIMEOUT, "no answer before the deadline"))

    def _settle(self, attempt: _Attempt, outcome: CallOutcome | Hold) -> _Attempt | None:
        """Take in what came of an attempt; return the next one where another model is to be asked."""
        following = replace(attempt, model_index=attempt.model_index + 1)
        has_following = following.model_index < len(self._models)
        if isinstance(outcome, Hold):
            if outcome.reason is HoldReason.BUDGET_EXHAUSTED and has_following:
                self._warn(outcome.detail)
                return following
            self._hold(attempt.symbols, outcome)
            return None
        self._record(outcome)
        if outcome.error is None and outcome.parsed is not None:
            self._is_answered = True
            self._proposals.update(outcome.parsed.proposals)
            self._hold_for_problems(outcome.model, outcome.parsed)
            return None
        if has_following and not isinstance(outcome.error, ModelRejectedError):
            self._warn(f"{outcome.error}; asked {self._models[following.model_index]} instead")
            return following
        self._give_up(outcome)
        return None

    def _record(self, outcome: CallOutcome) -> None:
        call = record(outcome, cycle_id=self._cycle_id)
        self._call_ids.update(dict.fromkeys(outcome.symbols, call.id))
        if outcome.cost_usd is None and outcome.prompt_tokens:
            self._warn(f"no price is known for {outcome.model}: its calls count nothing towards the budget")

    def _give_up(self, outcome: CallOutcome) -> None:
        self._failures[str(outcome.error)] = None
        if outcome.parsed is not None:
            self._hold_for_problems(outcome.model, outcome.parsed)
            return
        is_timeout = isinstance(outcome.error, ModelTimeoutError)
        reason = HoldReason.ANALYSIS_TIMEOUT if is_timeout else HoldReason.ANALYSIS_FAILED
        self._hold(outcome.symbols, Hold(reason, str(outcome.error)))

    def _hold_for_problems(self, model: str, parsed: ParsedAnswer) -> None:
        strangers = [problem.detail for problem in parsed.problems if problem.symbol is None]
        if strangers:
            self._warn(f"{model}: {len(strangers)} decisions belong to no symbol; the first: {strangers[0]}")
        for problem in parsed.problems:
            if problem.symbol is not None:
                # The last problem counts: a symbol decided twice is a duplicate, however bad the first was.
                self._holds[problem.symbol] = Hold(problem.reason, problem.detail)

    def _hold(self, symbols: Iterable[str], hold: Hold) -> None:
        self._holds.update(dict.fromkeys(symbols, hold))
        self._failures[hold.detail] = None

    def _warn(self, line: str) -> None:
        self._warnings[line] = None

    def _result(self) -> AnalysisResult:
        failed = bool(self._question.symbols) and not self._is_answered
        failure = clean_line("; ".join(self._failures), limit=_MAX_FAILURE_CHARACTERS) if failed else ""
        return AnalysisResult(
            proposals=self._proposals,
            holds=self._holds,
            call_ids=self._call_ids,
            warnings=tuple(self._warnings),
            failed=failed,
            failure=failure,
        )


def _batches(question: AnalysisQuestion, size: int) -> Iterator[tuple[SymbolFacts, ...]]:
    for start in range(0, len(question.symbols), size):
        yield question.symbols[start : start + size]
