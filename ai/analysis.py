"""One analysis of one or several questions: batches, fallback along the models, deadline and budget.

The thread that runs the analysis does all the judging, choosing and writing; pool threads only wait for
models, so they need no database connection and share nothing.
"""

import contextvars
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal
from math import ceil
from uuid import UUID

from django.utils import timezone

from ai import builtin
from ai.batches import Attempt, Line, line_of
from ai.calls import MIN_CALL_SECONDS, CallOutcome, ModelAccess, ask, record
from ai.charges import charged_usd, priced
from ai.domain.breaker import Admission
from ai.domain.budget import Budget, Room, day_start, most_answer_tokens, most_prompt_tokens
from ai.domain.refusals import Cause
from ai.domain.repeats import ONCE, Repeats
from ai.domain.stability import wants_to_trade
from ai.domain.types import AnalysisQuestion, Hold, HoldReason, Proposal
from ai.errors import ModelRejectedError, ModelTimeoutError
from ai.learning import Learning
from ai.models import ModelCall
from ai.results import AnalysisResult
from ai.routing import MIN_TIMEOUT_COUNTED_MS, Route, routes_for

_GRACE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class AnalysisSettings:
    """How to ask; times in seconds, budgets in USD.

    ``deadline_seconds`` is for all questions together, ``concurrency`` for all their calls. ``api_base`` and
    ``api_key`` apply to all models but the built-in analyst, which is also exempt from the budgets. Before a
    call its largest cost is set aside, so the budgets are never passed by calls that keep to
    ``answer_tokens_per_symbol``, which each is told as its limit. ``repeats``: of a call that reached no model.
    ``min_agreement``: the share of several answers about a symbol that must say the same, inclusive.
    """

    batch_size: int = 20
    concurrency: int = 4
    deadline_seconds: float = 30.0
    api_base: str | None = None
    api_key: str | None = field(default=None, repr=False)
    daily_budget_usd: Decimal = Decimal(5)
    cycle_budget_usd: Decimal = Decimal("0.25")
    answer_tokens_per_symbol: int = 250
    repeats: Repeats = ONCE
    min_agreement: float = 1.0

    def __post_init__(self) -> None:
        if self.batch_size < 1 or self.concurrency < 1 or not self.deadline_seconds > 0:
            raise ValueError("batch_size, concurrency and deadline_seconds must be positive")
        if self.answer_tokens_per_symbol < 1:
            raise ValueError("answer_tokens_per_symbol must be positive")
        if not (self.daily_budget_usd >= 0 and self.cycle_budget_usd >= 0):
            raise ValueError("budgets must not be negative")


@dataclass(frozen=True, slots=True)
class Assignment:
    """A question and the models it is put to, litellm names in order of fallback; none: the built-in one.

    Args:
        samples: how many answers about every symbol are asked for, the first included.
        confirm: how many about those whose first answer ``trades``.
        trades: whether an answer would trade, taken alone.
    """

    question: AnalysisQuestion
    models: tuple[str, ...] = ()
    samples: int = 1
    confirm: int = 1
    trades: Callable[[Proposal], bool] = wants_to_trade


@dataclass(slots=True)
class _Asked:
    """An assignment at work: the line of the first answers, and those of further samples."""

    assignment: Assignment
    first: Line
    others: list[Line]
    is_confirmed: bool


@dataclass(frozen=True, slots=True)
class _Call:
    """An attempt under way, with what was set aside for it; ``under_way``: calls to its model when it began."""

    line: Line
    attempt: Attempt
    estimate: Decimal
    seconds: float
    under_way: int

    @property
    def model(self) -> str:
        """The model that is asked."""
        return self.line.model_of(self.attempt)


class Analysis:
    """One use; ``run`` asks and returns a result per assignment, in order."""

    def __init__(
        self, assignments: Sequence[Assignment], settings: AnalysisSettings, cycle_id: UUID | None
    ) -> None:
        self._settings = settings
        self._cycle_id = cycle_id
        self._deadline = time.monotonic() + settings.deadline_seconds
        self._access = ModelAccess(settings.api_base, settings.api_key)
        self._asked = [self._begun(each) for each in assignments]
        self._lines = [line for asked in self._asked for line in (asked.first, *asked.others)]
        names = [model for line in self._lines if line.queue for model in line.models]
        self._routes = routes_for(names, api_base=settings.api_base)
        self._learning = Learning(names, api_base=settings.api_base)
        self._budget = _budget(settings, cycle_id)
        self._calls: dict[Future[CallOutcome], _Call] = {}

    def run(self) -> list[AnalysisResult]:
        """Ask about every symbol and return what there is when all answered or the deadline passed."""
        if any(line.queue for line in self._lines):
            pool = ThreadPoolExecutor(self._settings.concurrency, thread_name_prefix="analysis")
            try:
                self._dispatch(pool)
                self._collect(pool)
                self._confirm(in_time=False)
            finally:
                # Not waited for: every call ends by its own timeout, and its result is not wanted any more.
                pool.shutdown(wait=False, cancel_futures=True)
            left = max(self._deadline - time.monotonic(), 0.0)
            self._learning.end(
                share_of_time=1 - left / self._settings.deadline_seconds,
                most_calls=self._settings.concurrency,
            )
        return [self._result(asked) for asked in self._asked]

    def _begun(self, assignment: Assignment) -> _Asked:
        lines = [
            self._line(assignment, assignment.question, sample)
            for sample in range(max(assignment.samples, 1))
        ]
        is_confirmed = assignment.confirm <= len(lines)
        lines[0].rounds = 1 if is_confirmed else 2
        return _Asked(assignment, lines[0], lines[1:], is_confirmed)

    def _line(self, assignment: Assignment, question: AnalysisQuestion, sample: int) -> Line:
        models = tuple(assignment.models) or (builtin.MODEL,)
        return line_of(question, models, self._settings.batch_size, sample=sample)

    def _result(self, asked: _Asked) -> AnalysisResult:
        if not asked.others:
            return asked.first.ledger.result()
        others = [(line.sample, line.symbols, line.ledger) for line in asked.others]
        return asked.first.ledger.result_with(others, least=self._settings.min_agreement)

    def _confirm(self, *, in_time: bool = True) -> None:
        """Ask again about what the first answers would trade, of each question whose first answers are all there.

        Args:
            in_time: False once nothing can be asked any more: then it stays unconfirmed.
        """
        for asked in self._asked:
            if asked.is_confirmed or (in_time and not asked.first.is_done):
                continue
            asked.is_confirmed = True
            proposals, trades = asked.first.ledger.proposals, asked.assignment.trades
            traded = {symbol for symbol, proposal in proposals.items() if trades(proposal)}
            question = asked.assignment.question
            again = replace(question, symbols=tuple(f for f in question.symbols if f.symbol in traded))
            lines = [self._line(asked.assignment, again, k) for k in range(1, asked.assignment.confirm)]
            asked.others += lines if traded else []
            self._lines += lines if traded else []

    def _collect(self, pool: ThreadPoolExecutor) -> None:
        while self._calls:
            left = self._deadline + _GRACE_SECONDS - time.monotonic()
            done, _ = wait(self._calls, timeout=max(left, 0), return_when=FIRST_COMPLETED)
            if not done:
                break
            for future in done:
                self._settle(self._calls.pop(future), future.result())
            self._dispatch(pool)
        late = Hold(HoldReason.ANALYSIS_TIMEOUT, "no answer before the deadline")
        for call in self._calls.values():
            call.line.ledger.hold(call.attempt.symbols, late)

    def _dispatch(self, pool: ThreadPoolExecutor) -> None:
        """Give free slots away: each to the line that has the fewest, then to the one that used least time.

        So no slow model keeps them all. First answers come before further ones.
        """
        blocked: list[Line] = []
        while len(self._calls) < self._settings.concurrency:
            self._confirm()
            waiting = [line for line in self._lines if line.queue and line not in blocked]
            if not waiting:
                return
            line = min(waiting, key=lambda each: (each.sample > 0, each.under_way, each.used_ms))
            if not self._start(pool, line):
                blocked.append(line)

    def _start(self, pool: ThreadPoolExecutor, line: Line) -> bool:
        """Start a line's next attempt, or settle it without a call; return False where it has to wait."""
        attempt = line.queue[0]
        route = self._routes[line.model_of(attempt)]
        if self._deadline - time.monotonic() < MIN_CALL_SECONDS:
            line.queue.popleft()
            late = f"the time was over before {route.model} was asked"
            line.ledger.hold(attempt.symbols, Hold(HoldReason.ANALYSIS_TIMEOUT, late))
            return True
        if self._learning.is_full(route.model, self._under_way(route.model)):
            return False
        admission = route.breaker.admit(timezone.now())
        if admission is Admission.WAIT and line.following(attempt) is None and self._calls:
            return False
        if admission is not Admission.GRANTED:
            self._pass_over(line, "breaker_open", Hold(HoldReason.ANALYSIS_FAILED, _left_alone(route)))
            return True
        fitting = self._learning.fitting(route.model, len(attempt.symbols), self._share(line, attempt))
        if fitting == 0:
            route.breaker.let_go()
            small = f"not even one symbol fits into a question to {route.model}"
            self._pass_over(line, Cause.CONTEXT_LENGTH, Hold(HoldReason.ANALYSIS_FAILED, small))
            return True
        if fitting < len(attempt.symbols):
            line.cut_next(fitting)
        return self._afford(pool, line, route)

    def _afford(self, pool: ThreadPoolExecutor, line: Line, route: Route) -> bool:
        """Start the call if its largest cost has room; ``False`` while only calls under way may make room."""
        attempt = line.queue[0]
        if route.price is None:
            route.breaker.let_go()
            unknown = f"no price is known for {route.model}: set it in the console under Model prices"
            hold = Hold(HoldReason.PRICE_UNKNOWN, unknown)
            self._pass_over(line, HoldReason.PRICE_UNKNOWN, hold)
            return True
        longest = self._longest_answer(route, attempt)
        estimate = route.price.of(most_prompt_tokens(attempt.messages), longest)
        room = self._budget.reserve(estimate)
        if room is not Room.GRANTED:
            route.breaker.let_go()
        if room is Room.LATER:
            return False
        if room is Room.EXHAUSTED:
            hold = Hold(HoldReason.BUDGET_EXHAUSTED, self._budget.words(estimate))
            self._pass_over(line, HoldReason.BUDGET_EXHAUSTED, hold)
            return True
        line.queue.popleft()
        line.under_way += 1
        seconds = self._share(line, attempt)
        future = pool.submit(
            contextvars.copy_context().run,  # logs and spans of the call belong to this cycle
            ask,
            route.model,
            attempt.messages,
            attempt.symbols,
            started_at=timezone.now(),
            timeout_seconds=seconds,
            access=self._access,
            max_output_tokens=None if route.model == builtin.MODEL else longest,
            skills=self._learning.of(route.model),
            repeats=self._settings.repeats,
        )
        under_way = self._under_way(route.model) + 1
        self._calls[future] = _Call(line, attempt, estimate, seconds, under_way)
        return True

    def _under_way(self, model: str) -> int:
        return sum(call.model == model for call in self._calls.values())

    def _longest_answer(self, route: Route, attempt: Attempt) -> int:
        wanted = most_answer_tokens(len(attempt.symbols), self._settings.answer_tokens_per_symbol)
        return min(wanted, route.max_output_tokens or wanted)

    def _share(self, line: Line, attempt: Attempt) -> float:
        """Return a fair share of the time left: for the models after this one, lines without a slot, later rounds."""
        left = self._deadline - time.monotonic()
        starving = sum(
            1 for other in self._lines if other.queue and other is not line and not other.under_way
        )
        slots, busy = self._settings.concurrency, len(self._calls)
        own = self._learning.of(line.model_of(attempt)).calls_at_once
        if own is not None and own < slots:
            slots, busy = own, self._under_way(line.model_of(attempt))
        turns = 1 + ceil(max(starving - (slots - busy - 1), 0) / slots)
        return left / (len(line.models) - attempt.model_index) / turns / line.rounds

    def _pass_over(self, line: Line, cause: str, hold: Hold) -> None:
        """Put the line's next attempt to the model after this one; hold it where there is none."""
        attempt = line.queue.popleft()
        following = line.following(attempt)
        if following is None:
            line.ledger.hold(attempt.symbols, hold)
            return
        line.ledger.switch(line.model_of(attempt), line.model_of(following), cause=cause, detail=hold.detail)
        line.queue.appendleft(following)

    def _settle(self, call: _Call, outcome: CallOutcome) -> None:
        """Take in what came of a call; queue the attempt again where another model is to be asked."""
        line, attempt = call.line, call.attempt
        line.under_way -= 1
        line.used_ms += outcome.latency_ms
        self._record(call, outcome)
        self._note_health(outcome)
        under_way = max(call.under_way, self._under_way(outcome.model) + 1)
        if learnt := self._learning.take(outcome, given_seconds=call.seconds, under_way=under_way):
            line.ledger.warn(learnt)
        if outcome.error is None and outcome.parsed is not None:
            line.ledger.take(outcome.model, outcome.parsed)
            return
        refusal = outcome.error.refusal if outcome.error else None
        if refusal is Cause.CONTEXT_LENGTH and len(attempt.symbols) > 1:
            line.queue.appendleft(attempt)
            line.cut_next(len(attempt.symbols) // 2)
            return
        following = line.following(attempt)
        is_our_setting = isinstance(outcome.error, ModelRejectedError) and refusal is None
        if following is None or is_our_setting:
            line.ledger.give_up(outcome)
            return
        cause = outcome.error.cause if outcome.error else "failed"
        line.ledger.switch(outcome.model, line.model_of(following), cause=cause, detail=str(outcome.error))
        line.queue.append(following)

    def _record(self, call: _Call, outcome: CallOutcome) -> None:
        route = self._routes[outcome.model]
        told = priced(outcome, route)
        usd = charged_usd(told, call.estimate)
        self._budget.settle(call.estimate, usd)
        row = record(told, cycle_id=self._cycle_id, charged_usd=usd, sample=call.line.sample)
        call.line.ledger.call_ids.update(dict.fromkeys(outcome.symbols, row.id))
        if not route.is_priced and outcome.was_answered:
            free = f"no price is known for {outcome.model}: served by this machine, it counts nothing"
            call.line.ledger.warn(free)

    def _note_health(self, outcome: CallOutcome) -> None:
        breaker = self._routes[outcome.model].breaker
        hasty = isinstance(outcome.error, ModelTimeoutError) and outcome.latency_ms < MIN_TIMEOUT_COUNTED_MS
        if outcome.error is None:
            breaker.succeeded()
        elif hasty or isinstance(outcome.error, ModelRejectedError) or outcome.model == builtin.MODEL:
            breaker.let_go()
        else:
            seconds = outcome.retry_after_seconds
            breaker.failed(timezone.now(), None if seconds is None else timedelta(seconds=seconds))


def _budget(settings: AnalysisSettings, cycle_id: UUID | None) -> Budget:
    midnight = day_start(timezone.now())
    spent = ModelCall.objects.cost_of_cycle(cycle_id) if cycle_id is not None else Decimal(0)
    return Budget(
        day=settings.daily_budget_usd - ModelCall.objects.cost_since(midnight),
        cycle=settings.cycle_budget_usd - spent,
    )


def _left_alone(route: Route) -> str:
    until = route.breaker.open_until
    when = f"until {until:%H:%M:%S} UTC" if until and until > timezone.now() else "while one call tries it"
    return f"{route.model} failed repeatedly and is left alone {when}"
