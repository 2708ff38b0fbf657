"""Judges a model's answer, decision by decision. Whatever the text, the outcome is a value."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ai.domain.exits import read_exit
from ai.domain.reading import read_decisions
from ai.domain.refusals import AnswerForm
from ai.domain.text import clean_line
from ai.domain.types import Action, HoldReason, Proposal, ProposalProblem, ProposedExit

MAX_ANSWER_CHARACTERS = 256 * 1024
MAX_REASONING_CHARACTERS = 2000
_MAX_DECISIONS = 1000
_MAX_DETAIL_CHARACTERS = 200
_CONFIDENCE_PLACES = Decimal("0.0001")


class Decision(BaseModel):
    """One decision as a model must write it; strict, so ``"0.9"`` and ``true`` are no numbers.

    Further keys are ignored: nothing but these four, and of a buy what ``exits`` reads, is ever used.
    """

    model_config = ConfigDict(strict=True)

    symbol: str
    action: str
    confidence: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
    reasoning: str


@dataclass(frozen=True, slots=True)
class ParsedAnswer:
    """What an answer was worth.

    Every asked symbol is either a key of ``proposals`` or named by at least one of ``problems``.
    A text that as a whole was no answer at all proposes nothing.
    """

    proposals: dict[str, Proposal]
    problems: tuple[ProposalProblem, ...]


def response_format() -> dict[str, Any]:
    """Return the ``response_format`` that asks an OpenAI-compatible endpoint for our schema.

    Written by hand, not derived from ``Decision``: strict mode refuses schemas with bounds
    (https://platform.openai.com/docs/guides/structured-outputs), and the bounds are judged here anyway.
    """
    return {"type": "json_schema", "json_schema": {"name": "decisions", "strict": True, "schema": _schema()}}


def _schema() -> dict[str, Any]:
    properties = {
        "symbol": {"type": "string"},
        "action": {"type": "string", "enum": [action.value for action in Action]},
        "confidence": {"type": "number"},
        "reasoning": {"type": "string"},
        # Strict mode knows no optional field: null says nothing.
        "stop_percent": {"type": ["number", "null"]},
        "target_percent": {"type": ["number", "null"]},
        "horizon_sessions": {"type": ["integer", "null"]},
        "invalidation": {"type": ["string", "null"]},
    }
    decision = _closed_object(properties)
    return _closed_object({"decisions": {"type": "array", "items": decision}})


def form_of(form: AnswerForm) -> dict[str, Any] | None:
    """Return the ``response_format`` for a form, None where none is sent."""
    if form is AnswerForm.SCHEMA:
        return response_format()
    if form is AnswerForm.GUIDED:
        return {"type": "json_object", "schema": _schema()}
    return {"type": "json_object"} if form is AnswerForm.OBJECT else None


def _closed_object(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def parse_answer(text: str, asked: Collection[str]) -> ParsedAnswer:
    """Return the proposals in ``text`` for the symbols ``asked``, and everything that is wrong with it.

    One bad decision costs its own symbol only. A symbol decided twice has no proposal: which of the two was
    meant cannot be known. Two objects with decisions that differ propose nothing at all. A decision for a
    symbol that was not asked is a problem of no symbol.
    """
    decisions, complaint = _decisions(text, asked)
    if complaint is not None:
        unread = (ProposalProblem(symbol, HoldReason.INVALID_ANSWER, complaint) for symbol in asked)
        return ParsedAnswer({}, tuple(unread))
    proposals: dict[str, Proposal] = {}
    problems: list[ProposalProblem] = []
    seen: set[str] = set()
    for judged in _judge(decisions, frozenset(asked)):
        if isinstance(judged, ProposalProblem) and judged.symbol is None:
            problems.append(judged)
            continue
        symbol = str(judged.symbol)
        if symbol in seen:
            proposals.pop(symbol, None)
            problems.append(
                ProposalProblem(symbol, HoldReason.DUPLICATE_ANSWER, "decided more than once in the answer")
            )
        elif isinstance(judged, Proposal):
            proposals[symbol] = judged
        else:
            problems.append(judged)
        seen.add(symbol)
    problems += [
        ProposalProblem(symbol, HoldReason.MISSING_ANSWER, "the answer has no decision for it")
        for symbol in asked
        if symbol not in seen
    ]
    return ParsedAnswer(proposals, tuple(problems))


def _decisions(text: str, asked: Collection[str]) -> tuple[list[Any], str | None]:
    """Return the decisions, still unjudged, and None; or nothing and what is wrong with the whole text."""
    if len(text) > MAX_ANSWER_CHARACTERS:
        return [], f"the answer is longer than {MAX_ANSWER_CHARACTERS} characters"
    reading = read_decisions(text, asked)
    if len(reading.decisions) > _MAX_DECISIONS:
        return [], f"the answer has more than {_MAX_DECISIONS} decisions"
    return reading.decisions, reading.complaint


def _judge(decisions: list[Any], asked: frozenset[str]) -> Iterator[Proposal | ProposalProblem]:
    for raw in decisions:
        named = raw.get("symbol") if isinstance(raw, dict) else None
        if not isinstance(named, str):
            detail = "a decision without a symbol: " + _shown(raw)
            yield ProposalProblem(None, HoldReason.INVALID_ANSWER, detail)
        elif named not in asked:
            # Compared as it stands: folding case or look-alike letters would trade what nobody named.
            yield ProposalProblem(None, HoldReason.UNKNOWN_SYMBOL, "not asked: " + _shown(named))
        else:
            yield _judge_decision(named, raw)


def _judge_decision(symbol: str, raw: dict[str, Any]) -> Proposal | ProposalProblem:
    try:
        decision = Decision.model_validate(raw)
        # Nobody means anything else by BUY; the words themselves are exact.
        action = Action(decision.action.lower())
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        detail = f"{where}: {first['msg']}, was {_shown(first['input'])}"
        detail = clean_line(detail, limit=_MAX_DETAIL_CHARACTERS)
        return ProposalProblem(symbol, HoldReason.INVALID_ANSWER, detail)
    except ValueError:
        detail = "action: must be buy, sell or hold, was " + _shown(raw["action"])
        return ProposalProblem(symbol, HoldReason.INVALID_ANSWER, detail)
    reasoning = clean_line(decision.reasoning, limit=MAX_REASONING_CHARACTERS)
    if not reasoning:
        return ProposalProblem(symbol, HoldReason.INVALID_ANSWER, "reasoning: has no visible words")
    # Rounded down, so that rounding lifts nothing over the threshold; abs() makes 0 of -0.
    confidence = Decimal(repr(decision.confidence)).quantize(_CONFIDENCE_PLACES, rounding="ROUND_DOWN")
    proposed = read_exit(raw) if action is Action.BUY else ProposedExit()
    return Proposal(symbol, action, abs(confidence), reasoning, proposed)


def _shown(value: Any) -> str:
    """Return a short, visible form of something a model wrote, for a person to read."""
    return clean_line(ascii(value)[: 4 * _MAX_DETAIL_CHARACTERS], limit=_MAX_DETAIL_CHARACTERS // 2)
