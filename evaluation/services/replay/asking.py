"""From recorded decisions to the questions that are put again, in the batches they were asked in."""

import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.conf import settings as django_settings

from ai import builtin
from ai.answers import KnownAnswer
from ai.calls import prompt_hash
from ai.domain.budget import most_answer_tokens
from ai.domain.prompt import Message
from ai.domain.refusals import AnswerForm
from ai.domain.request import Sampling
from ai.replaying import Question
from ai.skills import Skills, skills_of
from evaluation.services.replay.sources import RecordedCall, Source, bodies_of
from evaluation.services.replay.variation import Variation, strategy_content
from trading.analysis.decision_records import SeenRecord, messages_again, read_record
from trading.core import settings
from trading.errors import RecordError
from trading.models import DecisionRecord

NOT_ASKED = "nobody was asked: there is no record of what it saw"


@dataclass(frozen=True, slots=True)
class Batch:
    """Decisions that were asked in one call, and what they saw; ``problem``: why nothing can be asked, "" elsewhere."""

    sources: tuple[Source, ...]
    seen: SeenRecord | None
    problem: str = ""

    @property
    def call(self) -> RecordedCall | None:
        """The call they came of, None where nobody was asked."""
        return self.sources[0].call


def batches(sources: Iterable[Source]) -> Iterator[Batch]:
    """Yield the decisions by the call they came of, in order; what came of none by itself."""
    group: list[Source] = []
    bodies: dict[str, DecisionRecord] = {}
    for source in sources:
        if group and _key(group[0]) != _key(source):
            yield _batch(group, bodies)
            group = []
        group.append(source)
    if group:
        yield _batch(group, bodies)


def questions(batch: Batch, variation: Variation, asking: "Asking") -> list[Question]:
    """Return what is put again for a batch: one for each model and sample; nothing where it cannot be asked.

    Raises:
        ValueError: a version of the prompt is no more.
    """
    if batch.seen is None:
        return []
    call = batch.call
    symbols = call.symbols if call else tuple(source.symbol for source in batch.sources)
    messages = _messages(batch.seen, symbols, variation)
    models = variation.models or (call.model if call else _first_model(batch.seen),)
    return [
        asking.question(model, messages, symbols, call, variation, sample)
        for model in models
        for sample in range(variation.samples)
    ]


class Asking:
    """How models are asked: as they were, where they were; another one as it was found to take questions."""

    def __init__(self, variation: Variation) -> None:
        self.variation = variation
        self.api_base: str | None = django_settings.ENVIRONMENT.ai_api_base
        self._skills = skills_of(variation.models, api_base=self.api_base)

    @functools.cached_property
    def _tokens(self) -> int:
        return settings.count("answer_tokens")

    def question(
        self,
        model: str,
        messages: tuple[Message, ...],
        symbols: tuple[str, ...],
        call: RecordedCall | None,
        variation: Variation,
        sample: int,
    ) -> Question:
        """Return one question."""
        is_same_model = call is not None and call.model == model
        params: Mapping[str, Any] = call.params if call is not None and is_same_model else {}
        skills, told, sampling = self._skills.get(model, Skills()), params.get("max_tokens"), Sampling()
        if params:
            form = params.get("form", AnswerForm.SCHEMA.value)
            skills = Skills(AnswerForm(form), takes_temperature="temperature" in params)
        longest = told if isinstance(told, int) else most_answer_tokens(len(symbols), self._tokens)
        if variation.temperature is not None:
            sampling = Sampling(temperature=variation.temperature)
        question = Question(
            model,
            messages,
            symbols,
            api_base=None if model == builtin.MODEL else self.api_base,
            skills=skills,
            sampling=sampling,
            max_output_tokens=None if model == builtin.MODEL else longest,
            sample=sample,
        )
        return replace(question, recorded=_recorded(call, question, variation)) if call else question


def _recorded(call: RecordedCall, question: Question, variation: Variation) -> KnownAnswer | None:
    """Return the recorded call's answer where the very same is asked: its row is evidence as the store is."""
    if variation.asks_otherwise or not call.answered or question.sample:
        return None
    if call.request_hash and call.request_hash != question.hash:
        return None
    if not call.request_hash and call.prompt_hash != prompt_hash(question.messages):
        return None
    return KnownAnswer(call.answer, "", 0, 0, None, call.latency_ms)


def _messages(seen: SeenRecord, symbols: Sequence[str], variation: Variation) -> tuple[Message, ...]:
    facts, question = dict(seen.facts), seen.question
    if variation.prompt:
        facts["prompt_version"] = variation.prompt
    if variation.strategy:
        question = replace(question, instructions=strategy_content(variation.strategy)["instructions"])
    if variation.instructions is not None:
        question = replace(question, instructions=variation.instructions)
    return tuple(messages_again(SeenRecord(question, facts), symbols))


def _first_model(seen: SeenRecord) -> str:
    models: Sequence[str] = seen.facts.get("models") or ()
    return models[0] if models else builtin.MODEL


def _key(source: Source) -> tuple[object, ...]:
    call = source.call
    return (source.cycle_id, source.record, call and (call.model, call.prompt_hash)) if call else (source.id,)


def _batch(group: Sequence[Source], bodies: dict[str, DecisionRecord]) -> Batch:
    name = group[0].record
    if name is None:
        return Batch(tuple(group), None, NOT_ASKED)
    if name not in bodies:  # of one cycle after the other: only the last is asked for again
        bodies.clear()
        bodies.update(bodies_of([name]))
    if name not in bodies:
        return Batch(tuple(group), None, f"the record {name[:12]} of what it saw is gone")
    try:
        return Batch(tuple(group), read_record(bodies[name]))
    except RecordError as error:
        return Batch(tuple(group), None, str(error))
