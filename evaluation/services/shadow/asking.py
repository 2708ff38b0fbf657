"""A shadow strategy's question put to its models, out of the purse for evaluations alone."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from django.conf import settings as django_settings

from ai import builtin
from ai.calls import ModelAccess
from ai.domain.answer import parse_answer
from ai.domain.prompt import render_messages
from ai.domain.types import AnalysisQuestion, Proposal
from ai.models import ModelCall
from ai.replaying import AnswerPolicy, Question, Replaying, Reply
from evaluation.services.purse import DayPurse
from evaluation.services.replay.asking import Asking
from evaluation.services.replay.variation import Variation
from trading.core import settings
from trading.models import Strategy

CONCURRENCY = 2  # its own: those that trade have theirs
SECONDS = 300.0  # after them nothing more is asked about a cycle; a call under way has its 120 s


@dataclass(frozen=True, slots=True)
class Said:
    """What a model said of a symbol; ``answered_model`` as its provider calls it, "" where it does not."""

    proposal: Proposal
    model: str
    request_hash: str
    answered_model: str


@dataclass(slots=True)
class Answer:
    """What came of a question: what was said by symbol, and why the rest was not.

    ``latency_ms`` is how long that took; 0 where it was computed.
    """

    said: dict[str, Said] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    requests: int = 0
    latency_ms: int = 0
    cost_usd: Decimal = Decimal(0)


def ask(strategy: Strategy, question: AnalysisQuestion) -> Answer:
    """Ask the strategy's models, the first first; what one did not answer goes to the next.

    Nothing is asked a second time that was answered: who was killed finds it in the store.
    """
    models = tuple(strategy.model_names) or django_settings.ENVIRONMENT.ai_models or (builtin.MODEL,)
    asking = Asking(Variation(models=models))
    purse = DayPurse(day=django_settings.ENVIRONMENT.ai_evaluation_budget_usd)
    answer, began = Answer(), time.monotonic()
    left = _batches(question)
    for model in models:
        asked = answer.requests
        left = _put(left, model, asking, purse, answer, began + SECONDS)
        if answer.requests > asked:
            answer.latency_ms = max(answer.latency_ms, round((time.monotonic() - began) * 1000))
        if not left:
            break
    return answer


def _put(
    batches: Sequence[AnalysisQuestion],
    model: str,
    asking: Asking,
    purse: DayPurse,
    answer: Answer,
    give_up_at: float,
) -> list[AnalysisQuestion]:
    """Put the batches to one model; return those that it did not answer."""
    made = [_question(batch, model, asking, place) for place, batch in enumerate(batches)]
    access = ModelAccess(asking.api_base, django_settings.ENVIRONMENT.ai_api_key)
    replaying = Replaying(made, policy=AnswerPolicy.REPLAY, access=access, purpose=ModelCall.Purpose.SHADOW)
    unanswered = []
    replies = replaying.run(
        purse=purse, concurrency=CONCURRENCY, is_stopped=lambda: time.monotonic() > give_up_at
    )
    for reply in replies:
        answer.cost_usd += reply.cost_usd
        answer.requests += not reply.is_known and bool(reply.text is not None or reply.cost_usd)
        answer.latency_ms = max(answer.latency_ms, reply.latency_ms)
        if not _take(reply, answer):
            unanswered.append(batches[reply.question.tag])
    return unanswered


def _take(reply: Reply, answer: Answer) -> bool:
    """Note what a reply says; return whether it says anything that can be used."""
    symbols = reply.question.symbols
    parsed = None if reply.text is None else parse_answer(reply.text, symbols)
    proposals = dict(parsed.proposals) if parsed else {}
    for symbol, proposal in proposals.items():
        answer.said[symbol] = Said(proposal, reply.question.model, reply.question.hash, reply.answered_model)
    if not proposals:
        found = parsed.problems[0].detail if parsed and parsed.problems else "no answer"
        answer.problems.append(f"{reply.question.model}: {reply.problem or found}")
    return bool(proposals)


def _batches(question: AnalysisQuestion) -> list[AnalysisQuestion]:
    most, symbols = settings.count("symbols_per_call"), question.symbols
    return [
        replace(question, symbols=symbols[start : start + most]) for start in range(0, len(symbols), most)
    ]


def _question(batch: AnalysisQuestion, model: str, asking: Asking, place: int) -> Question:
    symbols = tuple(facts.symbol for facts in batch.symbols)
    messages = tuple(render_messages(batch))
    return replace(asking.question(model, messages, symbols, None, asking.variation, 0), tag=place)
