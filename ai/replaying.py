"""Put recorded questions again: to the store of answers first, and to a model only within the purse and where told to.

What is asked here is no decision to trade: it is recorded as such, counts for no budget but the evaluation's, says
nothing of a model's health, and a failure is never an answer.
"""

import contextvars
import enum
import functools
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from django.utils import timezone

from ai import builtin, gateway
from ai.answers import KnownAnswer, known_answers, stored_before
from ai.calls import CallOutcome, ModelAccess, ask, record, request_as
from ai.charges import charged_usd, priced
from ai.domain.budget import Room, most_prompt_tokens
from ai.domain.prompt import Message
from ai.domain.repeats import Repeats
from ai.domain.request import ModelRequest, Sampling
from ai.errors import ModelError
from ai.models import ModelCall
from ai.routing import Route, routes_for
from ai.skills import Skills, remember

CALL_SECONDS = 120.0  # nothing waits for it: a slow answer is an answer
REPEATS = Repeats(3, 1.0, 2.0, 10.0)
MOST_SAMPLES = 100
SAMPLES_LOOKED_AT = 10
OTHERS_SECONDS = 0.5  # between two looks whether requests of another process have left room


class AnswerPolicy(enum.StrEnum):
    """Where an answer may come from."""

    REPLAY = "replay"  # from the store, else a model is asked within the purse
    CACHED_ONLY = "cached_only"  # from the store or not at all
    FRESH = "fresh"  # a model is asked, whatever is stored


@dataclass(frozen=True)
class Question:
    """A question to put again to a model, and which of several answers to it is meant.

    Args:
        skills: how the model is asked.
        max_output_tokens: where the answer is cut; the most it can cost follows from it.
        tag: the caller's own mark, no part of the request.
        recorded: the answer on record where the very same was asked before requests had names; None elsewhere.
    """

    model: str
    messages: tuple[Message, ...]
    symbols: tuple[str, ...]
    api_base: str | None
    skills: Skills
    sampling: Sampling
    max_output_tokens: int | None = None
    sample: int = 0
    tag: int = 0
    recorded: KnownAnswer | None = None

    @functools.cached_property
    def request(self) -> ModelRequest:
        """What is sent."""
        return request_as(
            self.model,
            self.messages,
            skills=self.skills,
            api_base=self.api_base,
            max_output_tokens=self.max_output_tokens,
            sampling=self.sampling,
        )

    @functools.cached_property
    def hash(self) -> str:
        """The name of the request."""
        return self.request.hash(self.sample)

    @property
    def is_computed(self) -> bool:
        """Whether it costs nothing and reaches nobody."""
        return self.model.startswith(f"{builtin.PROVIDER}/")


@dataclass(frozen=True, slots=True)
class Reply:
    """What came of a question: a text, or why there is none; ``is_known``: nobody was asked."""

    question: Question
    text: str | None
    problem: str
    is_known: bool
    cost_usd: Decimal = Decimal(0)
    latency_ms: int = 0
    answered_model: str = ""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What putting questions again takes: how many are known, how many must be asked, and the most that can cost.

    ``unpriced`` names models that no price is known of: they are not asked.
    """

    known: int
    asked: int
    most_usd: Decimal
    unpriced: tuple[str, ...]


class Purse(Protocol):
    """What may be spent: ``reserve`` before a call, ``settle`` once it is recorded."""

    def reserve(self, estimate: Decimal) -> Room:
        """Set ``estimate`` aside, or say why not."""
        ...

    def settle(self, estimate: Decimal, charged: Decimal) -> None:
        """Give the estimate back and take the charge."""
        ...

    def words(self, estimate: Decimal) -> str:
        """Return what has no room for ``estimate``."""
        ...


class Replaying:
    """Questions on their way to answers; one use.

    Args:
        fresh_since: of a fresh run, what was stored later is its own; None: from now on.
    """

    def __init__(
        self,
        questions: Sequence[Question],
        *,
        policy: AnswerPolicy,
        access: ModelAccess,
        purpose: ModelCall.Purpose = ModelCall.Purpose.REPLAY,
        fresh_since: datetime | None = None,
    ) -> None:
        self._policy = policy
        self._purpose = purpose
        self._fresh_since = fresh_since or timezone.now()
        self._access = access
        self._questions = [self._next_sample(each) for each in questions]
        stored = known_answers([each.hash for each in self._questions])
        self._known = {each.hash: stored.get(each.hash) or each.recorded for each in self._questions}

    @functools.cached_property
    def _routes(self) -> dict[str, Route]:
        """The ways to the models; read where something is to be asked only: it takes litellm, of some seconds."""
        names = sorted({each.model for each in self._questions})
        return routes_for(names, api_base=self._access.api_base)

    def estimate(self) -> Estimate:
        """Return what answering all takes, before anything is asked; every question once."""
        distinct = {each.hash: each for each in self._questions}.values()
        asked = [each for each in distinct if not self._is_known(each)]
        routes = {each.model: self._routes[each.model] for each in asked}
        unpriced = sorted(name for name, route in routes.items() if route.price is None)
        most = sum((self._most(each) for each in asked if each.model not in unpriced), Decimal(0))
        return Estimate(len(distinct) - len(asked), len(asked), most, tuple(unpriced))

    def run(
        self, *, purse: Purse, concurrency: int, is_stopped: Callable[[], bool] = lambda: False
    ) -> Iterator[Reply]:
        """Yield a reply to every question, those that are known first, then as they come.

        Each answer is stored before it is yielded: whoever is killed asks for it no second time. Once ``is_stopped``,
        nothing more is asked; what is under way is waited for.
        """
        waiting: dict[str, list[Question]] = {}
        for question in self._questions:
            if self._is_known(question):
                yield self._from_store(question)
            elif self._policy is AnswerPolicy.CACHED_ONLY:
                yield Reply(question, None, "not_cached", is_known=False)
            else:
                waiting.setdefault(question.hash, []).append(question)
        yield from self._ask(list(waiting.values()), purse, concurrency, is_stopped)

    def _ask(
        self,
        groups: list[list[Question]],
        purse: Purse,
        concurrency: int,
        is_stopped: Callable[[], bool],
    ) -> Iterator[Reply]:
        """Ask the first of each group of the same question; the others have its answer."""
        groups.reverse()
        under_way: dict[Future[CallOutcome], tuple[list[Question], Decimal]] = {}
        with ThreadPoolExecutor(concurrency, thread_name_prefix="replay") as pool:
            while groups or under_way:
                while groups and len(under_way) < concurrency:
                    group = groups[-1]
                    problem, most = self._may_ask(group[0], purse, is_stopped)
                    if problem is Room.LATER:
                        if under_way:
                            break
                        time.sleep(OTHERS_SECONDS)
                        continue
                    groups.pop()
                    if problem is not None:
                        words = purse.words(most) if isinstance(problem, Room) else problem
                        yield from (Reply(each, None, words, is_known=False) for each in group)
                        continue
                    under_way[self._begin(pool, group[0])] = (group, most)
                if under_way:
                    done, _ = wait(under_way, return_when=FIRST_COMPLETED)
                    for future in done:
                        yield from self._take(*under_way.pop(future), future.result(), purse)

    def _may_ask(
        self, question: Question, purse: Purse, is_stopped: Callable[[], bool]
    ) -> tuple[Room | str | None, Decimal]:
        """Return what stands against asking, None where nothing does, and what was set aside."""
        route = self._routes[question.model]
        if is_stopped():
            return "stopped", Decimal(0)
        if route.price is None:
            return f"no price is known for {route.model}: set it in the console under Model prices", Decimal(
                0
            )
        most = self._most(question)
        room = purse.reserve(most)
        return (None if room is Room.GRANTED else room), most

    def _begin(self, pool: ThreadPoolExecutor, question: Question) -> "Future[CallOutcome]":
        return pool.submit(
            contextvars.copy_context().run,
            ask,
            question.model,
            question.messages,
            question.symbols,
            started_at=timezone.now(),
            timeout_seconds=CALL_SECONDS,
            access=self._access,
            max_output_tokens=question.max_output_tokens,
            skills=question.skills,
            sampling=question.sampling,
            repeats=REPEATS,
        )

    def _take(
        self, group: Sequence[Question], most: Decimal, outcome: CallOutcome, purse: Purse
    ) -> Iterator[Reply]:
        first = group[0]
        told = priced(outcome, self._routes[first.model])
        cost = charged_usd(told, most)
        if told.skills is not None and told.skills != first.skills:
            # Else the same question would be made in the refused way again, and its answer not be found.
            remember(told.model, told.skills, api_base=first.api_base)
        record(told, cycle_id=None, charged_usd=cost, purpose=self._purpose, sample=first.sample)
        purse.settle(most, cost)  # after the record: in between nobody else may spend it
        for question in group:
            if told.completion is None:
                yield Reply(question, None, str(told.error), is_known=False, cost_usd=cost)
            else:
                yield Reply(
                    question,
                    told.completion.text,
                    "",
                    is_known=question is not first,
                    cost_usd=cost if question is first else Decimal(0),
                    latency_ms=told.latency_ms,
                    answered_model=told.completion.answered_model,
                )

    def _from_store(self, question: Question) -> Reply:
        known = self._known[question.hash]
        if known is not None:
            return Reply(
                question,
                known.text,
                "",
                is_known=True,
                latency_ms=known.latency_ms,
                answered_model=known.answered_model,
            )
        try:
            completion = gateway.complete(question.request, timeout_seconds=CALL_SECONDS)
        except ModelError as error:
            return Reply(question, None, str(error), is_known=True)
        return Reply(question, completion.text, "", is_known=True)

    def _is_known(self, question: Question) -> bool:
        return question.is_computed or self._known[question.hash] is not None

    def _most(self, question: Question) -> Decimal:
        route: Route = self._routes[question.model]
        if route.price is None:
            return Decimal(0)
        return route.price.of(most_prompt_tokens(question.messages), question.max_output_tokens or 0)

    def _next_sample(self, question: Question) -> Question:
        """Return the question for an answer that was not stored before, where a fresh one is wanted.

        Which that is does not change with what this run stores itself: taken up again, it asks for nothing twice.
        """
        if self._policy is not AnswerPolicy.FRESH or question.is_computed:
            return question
        question = replace(question, recorded=None)
        free: list[int] = []
        for start in range(0, MOST_SAMPLES, SAMPLES_LOOKED_AT):
            names = {question.request.hash(k): k for k in range(start, start + SAMPLES_LOOKED_AT)}
            taken = {names[name] for name in stored_before(list(names), self._fresh_since)}
            free += [k for k in names.values() if k not in taken]
            if len(free) > question.sample:
                return replace(question, sample=free[question.sample])
        return replace(question, sample=MOST_SAMPLES)
