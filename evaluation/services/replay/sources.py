"""Recorded decisions as values: all that asking one again needs, read from trading's rows or a data set's copies."""

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db.models import F, QuerySet

from ai.models import ModelCall
from evaluation.errors import SelectionError
from evaluation.models import Dataset, DatasetItem, EvaluationRecord
from risk.domain.numbers import plain_decimal
from risk.models import RiskCheck
from trading.models import AIDecision, DecisionRecord

CHUNK = 500
# By whom and in which words it was answered, where the call's row is not read: prompts and answers are large.
OF_ITS_CALL = {
    "prompt_version": F("model_call__prompt_version"),
    "answered_model": F("model_call__answered_model"),
}


@dataclass(frozen=True, slots=True)
class RecordedCall:
    """The call that a decision came of: what was asked together, how, and what was answered."""

    model: str
    prompt_version: str
    symbols: tuple[str, ...]
    prompt_hash: str
    params: Mapping[str, Any]
    request_hash: str
    answer: str
    answered: bool
    latency_ms: int
    cost_usd: str | None


@dataclass(frozen=True, slots=True)
class RecordedVerdict:
    """What the gate said, and the figures it said it by; quantities in base units, as text."""

    allowed: bool
    reason: str
    quantity: str
    figures: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Source:
    """A recorded decision; times are aware, ``price`` is in USD, as text. ``record``: the name of what it saw.

    The last three are "" in copies from before they were kept.
    """

    id: UUID
    cycle_id: UUID
    symbol: str
    as_of: datetime | None
    action: str
    confidence: str
    reasoning: str
    price: str | None
    status: str
    reason: str
    approved: bool
    strategy: str
    strategy_version: int | None
    model: str
    stop_percent: str | None
    target_percent: str | None
    horizon_sessions: int | None
    record: str | None
    call: RecordedCall | None
    verdict: RecordedVerdict | None
    strategy_id: str = ""
    prompt_version: str = ""
    answered_model: str = ""


def of_decisions(rows: QuerySet[AIDecision], *, with_calls: bool = True) -> Iterator[Source]:
    """Yield the decisions in the order they were asked in, a chunk at a time.

    Args:
        with_calls: False where nothing is asked again, so that nobody needs what was.
    """
    ordered = (
        rows.order_by("created_at", "pk").select_related("strategy", "risk_check").annotate(**OF_ITS_CALL)
    )
    if with_calls:
        ordered = ordered.select_related("model_call").defer("model_call__prompt")
    for row in ordered.iterator(chunk_size=CHUNK):
        yield _source(row, with_call=with_calls)


def of_dataset(name: str) -> Iterator[Source]:
    """Yield the decisions of a data set.

    Raises:
        SelectionError: there is none of this name.
    """
    dataset = Dataset.objects.filter(name=name).first()
    if dataset is None:
        known = ", ".join(Dataset.objects.values_list("name", flat=True)[:20]) or "none is made yet"
        raise SelectionError(f"dataset: was {name!r}, expected one that was made: {known}")
    for item in DatasetItem.objects.filter(dataset=dataset).order_by("pk").iterator(chunk_size=CHUNK):
        yield source_from_json(item.facts)


def bodies_of(names: Sequence[str]) -> dict[str, DecisionRecord]:
    """Return the records of these names, of trading's or, where it has forgotten them, of data sets' copies."""
    found = DecisionRecord.objects.in_bulk(list(names))
    missing = [name for name in names if name not in found]
    for copy in EvaluationRecord.objects.filter(pk__in=missing):
        body = bytes(copy.body)
        found[copy.pk] = DecisionRecord(sha256=copy.pk, body=body, size=len(zlib.decompress(body)))
    return found


def source_to_json(source: Source) -> dict[str, Any]:
    """Return the source as JSON values."""
    values = asdict(source)
    values |= {name: str(values[name]) for name in ("id", "cycle_id")}
    values["as_of"] = source.as_of and source.as_of.isoformat()
    return values


def source_from_json(values: Mapping[str, Any]) -> Source:
    """Return the source that ``source_to_json`` wrote."""
    call, verdict = values["call"], values["verdict"]
    plain = {each.name: values[each.name] for each in fields(Source) if each.name in values}
    return Source(
        **plain
        | {
            "id": UUID(values["id"]),
            "cycle_id": UUID(values["cycle_id"]),
            "as_of": values["as_of"] and datetime.fromisoformat(values["as_of"]),
            "call": call and RecordedCall(**{**call, "symbols": tuple(call["symbols"])}),
            "verdict": verdict and RecordedVerdict(**verdict),
        }
    )


def _source(row: AIDecision, *, with_call: bool) -> Source:
    return Source(
        id=row.pk,
        cycle_id=row.cycle_id,
        symbol=row.symbol,
        as_of=row.as_of,
        action=row.action,
        confidence=str(row.confidence),
        reasoning=row.reasoning,
        price=_text(row.price),
        status=row.status,
        reason=row.reason,
        approved=row.approved,
        strategy=row.strategy.name,
        strategy_version=row.strategy_version,
        model=row.model,
        stop_percent=_text(row.stop_percent),
        target_percent=_text(row.target_percent),
        horizon_sessions=row.horizon_sessions,
        record=row.record_id,
        call=_call(row.model_call) if with_call and row.model_call else None,
        verdict=_verdict(row.risk_check) if row.risk_check else None,
        strategy_id=str(row.strategy_id),
        prompt_version=getattr(row, "prompt_version", None) or "",
        answered_model=getattr(row, "answered_model", None) or "",
    )


def _call(call: ModelCall) -> RecordedCall:
    return RecordedCall(
        model=call.model,
        prompt_version=call.prompt_version,
        symbols=tuple(call.symbols),
        prompt_hash=call.prompt_hash,
        params=call.params,
        request_hash=call.request_hash,
        answer=call.answer,
        answered=call.status in (ModelCall.Status.SUCCEEDED, ModelCall.Status.INVALID),
        latency_ms=call.latency_ms,
        cost_usd=_text(call.cost_usd),
    )


def _verdict(check: RiskCheck) -> RecordedVerdict:
    return RecordedVerdict(check.allowed, check.reason, plain_decimal(check.quantity), check.figures)


def _text(value: Decimal | None) -> str | None:
    return None if value is None else str(value)
