"""A question at work: its batches, the place of each in the chain of models, and what came of it."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from ai.domain.prompt import Message, render_messages
from ai.domain.stability import permuted
from ai.domain.types import AnalysisQuestion, SymbolFacts
from ai.results import Ledger


@dataclass(frozen=True, slots=True)
class Attempt:
    """A batch of one line, and the place in the line's models it is put to."""

    facts: tuple[SymbolFacts, ...]
    messages: tuple[Message, ...]
    model_index: int = 0

    @property
    def symbols(self) -> tuple[str, ...]:
        """The symbols it asks about."""
        return tuple(fact.symbol for fact in self.facts)


@dataclass(slots=True, eq=False)
class Line:
    """One question at work: what is still to be asked, how much of it is under way, what came of it.

    ``sample``: which of several answers to the same question it is for, from 0. ``rounds``: 2 where others will be
    asked once its own answers are there, else 1.
    """

    question: AnalysisQuestion
    models: tuple[str, ...]
    queue: deque[Attempt]
    sample: int = 0
    rounds: int = 1
    ledger: Ledger = field(default_factory=Ledger)
    under_way: int = 0
    used_ms: int = 0

    @property
    def symbols(self) -> frozenset[str]:
        """The symbols that it asks about, in all."""
        return frozenset(facts.symbol for facts in self.question.symbols)

    @property
    def is_done(self) -> bool:
        """Whether nothing of it is to be asked or under way."""
        return not self.queue and not self.under_way

    def model_of(self, attempt: Attempt) -> str:
        """Return the model that an attempt is put to."""
        return self.models[attempt.model_index]

    def following(self, attempt: Attempt) -> Attempt | None:
        """Return the attempt at the next model, None at the end of the chain."""
        index = attempt.model_index + 1
        return replace(attempt, model_index=index) if index < len(self.models) else None

    def cut_next(self, size: int) -> None:
        """Cut the next attempt down to ``size`` symbols; the rest of it comes right behind."""
        attempt = self.queue.popleft()
        for facts in reversed((attempt.facts[:size], attempt.facts[size:])):
            if facts:
                whole = _attempt(self.question, facts)
                self.queue.appendleft(replace(whole, model_index=attempt.model_index))


def line_of(question: AnalysisQuestion, models: tuple[str, ...], batch_size: int, *, sample: int = 0) -> Line:
    """Return a question in batches, none of them asked; the symbols of a further sample in an order of its own."""
    ordered = permuted(question, sample)
    attempts = deque(_attempt(ordered, batch) for batch in _batches(ordered, batch_size))
    return Line(ordered, models, attempts, sample)


def _attempt(question: AnalysisQuestion, facts: tuple[SymbolFacts, ...]) -> Attempt:
    return Attempt(facts, tuple(render_messages(replace(question, symbols=facts))))


def _batches(question: AnalysisQuestion, size: int) -> Iterator[tuple[SymbolFacts, ...]]:
    for start in range(0, len(question.symbols), size):
        yield question.symbols[start : start + size]
