"""Recorded decisions as values: all that asking one again needs, read from trading's rows or a data set's copies."""

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from ai.models import ModelCall
from evaluation.errors import SelectionError
from evaluation.models import Dataset, DatasetItem, EvaluationRecord
from risk.domain.numbers import plain_decimal
from trading.models import AIDecision, DecisionRecord

CHUNK = 500
# Of a decision, in the order of a source's fields; behind them those of its check and its call.
COLUMNS = (
    "id", "cycle_id", "symbol", "as_of", "action", "confidence", "reasoning", "price", "status", "reason",
    "approved", "strategy__name", "strategy_version", "model", "stop_percent", "target_percent",
    "horizon_sessions", "record_id", "risk_check__allowed", "risk_check__reason", "risk_check__quantity",
    "risk_check__figures",
)  # fmt: skip
CALL_COLUMNS = (
    "model_call__model", "model_call__prompt_version", "model_call__symbols", "model_call__prompt_hash",
    "model_call__params", "model_call__request_hash", "model_call__answer", "model_call__status",
    "model_call__latency_ms", "model_call__cost_usd",
)  # fmt: skip


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
    """A recorded decision; times are aware, ``price`` is in USD, as text. ``record``: the name of what it saw."""

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


def of_decisions(rows: QuerySet[AIDecision], *, with_calls: bool = True) -> Iterator[Source]:
    """Yield the decisions in the order they were asked in, a chunk at a time; columns alone, and no rows of models.

    Args:
        with_calls: False where nothing is asked again, so that nobody needs what was.
    """
    columns = (*COLUMNS, *CALL_COLUMNS) if with_calls else COLUMNS
    ordered = rows.order_by("created_at", "pk").values_list(*columns)
    for row in ordered.iterator(chunk_size=CHUNK):
        yield _source(row)


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
    plain = {each.name: values[each.name] for each in fields(Source)}
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


def _source(row: Sequence[Any]) -> Source:
    confidence, price, strategy, stop, target = row[5], row[7], row[11], row[14], row[15]
    call = row[len(COLUMNS) :]
    values: list[Any] = [
        *row[:5],
        str(confidence),
        row[6],
        _text(price),
        *row[8:11],
        strategy,
        *row[12:14],
        _text(stop),
        _text(target),
        *row[16:18],
        _call(*call) if call and call[0] is not None else None,
        None if row[18] is None else RecordedVerdict(row[18], row[19], plain_decimal(row[20]), row[21]),
    ]
    return Source(*values)


def _call(
    model: str,
    prompt_version: str,
    symbols: Sequence[str],
    prompt_hash: str,
    params: Mapping[str, Any],
    request_hash: str,
    answer: str,
    status: str,
    latency_ms: int,
    cost_usd: Decimal | None,
) -> RecordedCall:
    return RecordedCall(
        model,
        prompt_version,
        tuple(symbols),
        prompt_hash,
        params,
        request_hash,
        answer,
        status in (ModelCall.Status.SUCCEEDED, ModelCall.Status.INVALID),
        latency_ms,
        _text(cost_usd),
    )


def _text(value: Decimal | None) -> str | None:
    return None if value is None else str(value)
