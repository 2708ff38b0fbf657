"""One model call and its record."""

import hashlib
import json
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from math import ceil
from uuid import UUID

from opentelemetry import trace

from ai import gateway
from ai.answers import LARGEST_COST, bounded, keep_answer
from ai.domain.answer import ParsedAnswer, form_of, parse_answer
from ai.domain.prompt import PROMPT_VERSION, Message
from ai.domain.repeats import ONCE, Repeats
from ai.domain.request import ModelRequest, Sampling, request_for
from ai.domain.text import storable, truncated
from ai.errors import ModelAnswerError, ModelError, ModelUnavailableError
from ai.models import ModelCall
from ai.skills import Skills

MAX_STORED_ANSWER_BYTES = 64 * 1024
MIN_CALL_SECONDS = 0.25
_tracer = trace.get_tracer("ai")


@dataclass(frozen=True, slots=True)
class ModelAccess:
    """Where models are asked; both None: litellm's own variables."""

    api_base: str | None
    api_key: str | None


@dataclass(frozen=True, slots=True)
class CallOutcome:
    """How one call ended: ``error`` is None only where ``parsed`` holds at least one proposal.

    ``skills`` is how the model took the question, None where it took none. ``request`` is what was sent last, and
    ``completion`` what came back whole, whatever it is worth; None where nothing did.
    """

    model: str
    symbols: tuple[str, ...]
    messages: tuple[Message, ...]
    started_at: datetime
    latency_ms: int
    answer: str = ""
    parsed: ParsedAnswer | None = None
    error: ModelError | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_usd: Decimal | None = None
    skills: Skills | None = None
    request: ModelRequest | None = None
    completion: gateway.Completion | None = None

    @property
    def retry_after_seconds(self) -> int | None:
        """The provider's own Retry-After, rounded up; None where it gave none."""
        seconds: float | None = getattr(self.error, "retry_after_seconds", None)
        return None if seconds is None else ceil(seconds)

    @property
    def was_answered(self) -> bool:
        """Whether a reply came and said what it used."""
        return self.prompt_tokens > 0


def ask(
    model: str,
    messages: Sequence[Message],
    symbols: Sequence[str],
    *,
    started_at: datetime,
    timeout_seconds: float,
    access: ModelAccess,
    max_output_tokens: int | None = None,
    skills: Skills = Skills(),  # noqa: B008 - frozen
    sampling: Sampling = Sampling(),  # noqa: B008 - frozen
    repeats: Repeats = ONCE,
) -> CallOutcome:
    """Put one question to one model and judge the answer; touches no database, so any thread may call it.

    A model that cannot be reached is asked again while ``timeout_seconds`` allow; it stays one call.
    """
    asked = CallOutcome(model, tuple(symbols), tuple(messages), started_at, latency_ms=0)
    facts: dict[str, str | int] = {"gen_ai.request.model": model, "orchestrator.symbols": len(asked.symbols)}
    with _tracer.start_as_current_span("model call", attributes=facts) as span:
        outcome = _asked(
            asked,
            timeout_seconds=timeout_seconds,
            access=access,
            max_output_tokens=max_output_tokens,
            skills=skills,
            sampling=sampling,
            repeats=repeats,
        )
        # Counts only: prompt and answer stay in the database.
        span.set_attribute("gen_ai.usage.input_tokens", outcome.prompt_tokens)
        span.set_attribute("gen_ai.usage.output_tokens", outcome.completion_tokens)
        if outcome.error is not None:
            span.set_status(trace.StatusCode.ERROR, type(outcome.error).__name__)
    return outcome


def _asked(
    asked: CallOutcome,
    *,
    timeout_seconds: float,
    access: ModelAccess,
    max_output_tokens: int | None,
    skills: Skills,
    sampling: Sampling,
    repeats: Repeats,
) -> CallOutcome:
    """Ask, and ask once more in the next simpler way for each that the server says it does not know."""
    began, attempts = time.monotonic(), 1
    while True:
        request = request_as(
            asked.model,
            asked.messages,
            skills=skills,
            api_base=access.api_base,
            max_output_tokens=max_output_tokens,
            sampling=sampling,
        )
        asked = replace(asked, request=request)
        try:
            completion = gateway.complete(
                request,
                timeout_seconds=max(timeout_seconds - (time.monotonic() - began), MIN_CALL_SECONDS),
                api_key=access.api_key,
            )
        except ModelError as error:
            simpler = skills.simpler_than_refused(error)
            if simpler is not None and timeout_seconds - (time.monotonic() - began) > MIN_CALL_SECONDS:
                skills = simpler
                continue
            pause = _pause_before_another(error, attempts, repeats)
            if pause is not None and timeout_seconds - (time.monotonic() - began) > pause + MIN_CALL_SECONDS:
                time.sleep(pause)
                attempts += 1
                continue
            return _failed(asked, error, round((time.monotonic() - began) * 1000))
        return _judged(replace(asked, skills=skills), completion)


def _pause_before_another(error: ModelError, attempts: int, repeats: Repeats) -> float | None:
    """Return the pause before the same is asked again, None where another answer cannot be hoped for."""
    if not isinstance(error, ModelUnavailableError) or error.refusal is not None:
        return None
    jitter = random.random()  # noqa: S311 - spreads calls, keeps no secret
    return repeats.pause_after(attempts, asked_seconds=error.retry_after_seconds, jitter=jitter)


def _failed(asked: CallOutcome, error: ModelError, latency_ms: int) -> CallOutcome:
    outcome = replace(asked, latency_ms=latency_ms, error=error)
    if not isinstance(error, ModelAnswerError):
        return outcome
    return replace(
        outcome,
        answer=error.text,
        prompt_tokens=error.prompt_tokens,
        completion_tokens=error.completion_tokens,
        cost_usd=error.cost_usd,
    )


def _judged(asked: CallOutcome, completion: gateway.Completion) -> CallOutcome:
    parsed = parse_answer(completion.text, asked.symbols)
    return replace(
        asked,
        latency_ms=completion.latency_ms,
        answer=completion.text,
        completion=completion,
        parsed=parsed,
        error=None if parsed.proposals else ModelAnswerError(asked.model, _complaint(parsed)),
        prompt_tokens=completion.prompt_tokens,
        completion_tokens=completion.completion_tokens,
        cost_usd=completion.cost_usd,
    )


def request_as(
    model: str,
    messages: Sequence[Message],
    *,
    skills: Skills,
    api_base: str | None,
    max_output_tokens: int | None,
    sampling: Sampling = Sampling(),  # noqa: B008 - frozen
) -> ModelRequest:
    """Return the request for a question in the way that the model was found to take it."""
    return request_for(
        model,
        messages,
        response_format=form_of(skills.form),
        api_base=api_base,
        max_output_tokens=max_output_tokens,
        takes_temperature=skills.takes_temperature,
        sampling=sampling,
    )


def record(
    outcome: CallOutcome,
    *,
    cycle_id: UUID | None,
    charged_usd: Decimal = Decimal(0),
    purpose: ModelCall.Purpose = ModelCall.Purpose.TRADE,
    sample: int = 0,
) -> ModelCall:
    """Write the call down, its texts as they were; and a complete answer of a language model as evidence."""
    request, completion = outcome.request, outcome.completion
    if request is not None and completion is not None:
        keep_answer(request, completion, cost_usd=outcome.cost_usd, sample=sample)
    messages = _storable(outcome.messages)
    error = outcome.error
    return ModelCall.objects.create(
        cycle_id=cycle_id,
        model=outcome.model,
        provider=gateway.provider_of(outcome.model)[:100],
        prompt_version=PROMPT_VERSION,
        prompt_hash=prompt_hash(outcome.messages),
        prompt=messages,
        symbols=list(outcome.symbols),
        answer=truncated(storable(outcome.answer), limit_bytes=MAX_STORED_ANSWER_BYTES),
        status=error.kind if error else ModelCall.Status.SUCCEEDED,
        error_type=type(error).__name__ if error else "",
        error_message=storable(error.detail) if error else "",
        prompt_tokens=bounded(outcome.prompt_tokens),
        completion_tokens=bounded(outcome.completion_tokens),
        cost_usd=None if outcome.cost_usd is None else min(outcome.cost_usd, LARGEST_COST),
        charged_usd=min(charged_usd, LARGEST_COST),
        latency_ms=bounded(outcome.latency_ms),
        retry_after_seconds=outcome.retry_after_seconds,
        started_at=outcome.started_at,
        purpose=purpose,
        sample=sample,
        request_hash="" if request is None else request.hash(sample),
        params={} if request is None else {**request.params, **_form(outcome.skills)},
        answered_model="" if completion is None else completion.answered_model,
        system_fingerprint="" if completion is None else completion.system_fingerprint,
    )


def prompt_hash(messages: Sequence[Message]) -> str:
    """Return the SHA-256 of the messages as they are stored, in hex: alike where the same was said."""
    return hashlib.sha256(json.dumps(_storable(messages), sort_keys=True).encode()).hexdigest()


def _storable(messages: Sequence[Message]) -> list[Message]:
    return [{key: storable(value) for key, value in message.items()} for message in messages]


def _form(skills: Skills | None) -> dict[str, str]:
    return {} if skills is None else {"form": skills.form.value}


def _complaint(parsed: ParsedAnswer) -> str:
    """Return why no decision of the answer can be used, in the words of its first problem."""
    first = parsed.problems[0].detail if parsed.problems else "it was asked for no symbol"
    return f"no usable decision: {first}"
