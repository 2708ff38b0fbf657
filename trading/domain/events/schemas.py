"""The published events as JSON Schema: one of each type's data, one of the envelope, one of what others may propose."""

from collections.abc import Mapping
from typing import Any

from trading.domain.events.public_events import CATALOG, SEQUENCE_DIGITS, URN, EventSpec

DRAFT = "https://json-schema.org/draft/2020-12/schema"
ENVELOPE = f"{URN}:schema:envelope:v1"
OPTIONAL = ("correlationid", "causationid", "signature")
PROPOSAL = f"{URN}:schema:ai-decision.decision.generated.proposal:v1"


def files() -> Mapping[str, dict[str, Any]]:
    """Return every schema by the name of its file in docs/events/."""
    data = {f"{spec.type}.v{spec.version}.json": data_schema(spec) for spec in CATALOG.values()}
    return data | {
        "envelope.v1.json": envelope_schema(),
        "ai-decision.decision.generated.proposal.v1.json": proposal_schema(),
    }


def data_schema(spec: EventSpec) -> dict[str, Any]:
    """Return the schema of an event's ``data``; fields may be added, so others are allowed."""
    return {
        "$schema": DRAFT,
        "$id": spec.dataschema,
        "title": spec.type,
        "description": spec.meaning,
        "type": "object",
        "properties": {field.name: field.schema() for field in spec.fields},
        "required": [field.name for field in spec.fields],
    }


def envelope_schema() -> dict[str, Any]:
    """Return the schema of everything around ``data``, as this system publishes it."""
    text = {"type": "string", "minLength": 1}
    properties: dict[str, Any] = {
        "specversion": {"const": "1.0"},
        "id": {**text, "format": "uuid", "description": "unique with source; a repeat has the same"},
        "source": {**text, "description": "this installation"},
        "type": {"enum": sorted(CATALOG)},
        "subject": {**text, "description": "aggregate type, slash, aggregate id"},
        "time": {"type": "string", "format": "date-time", "description": "when it happened, UTC"},
        "datacontenttype": {"const": "application/json"},
        "dataschema": {**text, "description": "the $id of the data's schema"},
        "aggregatetype": {**text, "description": "cycle, saga, order, decision, position, …"},
        "aggregateid": text,
        "sequence": {
            "type": "string",
            "pattern": f"^[0-9]{{{SEQUENCE_DIGITS}}}$",
            "description": "counts the published events of the aggregate from 1, without gaps",
        },
        "correlationid": {**text, "description": "the cycle's id"},
        "causationid": {**text, "description": "the event or message that caused it"},
        "signature": {
            **text,
            "description": "by which this installation knows its own events; nobody else can check it",
        },
        "data": {"type": "object"},
    }
    return {
        "$schema": DRAFT,
        "$id": ENVELOPE,
        "title": "CloudEvents 1.0 envelope",
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name not in OPTIONAL],
        "additionalProperties": False,
    }


def proposal_schema() -> dict[str, Any]:
    """Return the schema of a whole event by which another service proposes a trade."""
    data: dict[str, Any] = {
        "symbol": {"type": "string", "description": "a symbol the broker lists, AAPL or BTC/USD"},
        "action": {"enum": ["buy", "sell", "hold"]},
        "confidence": {"type": "number", "minimum": 0, "maximum": 1},
        "reasoning": {"type": "string", "minLength": 1},
        "strategy": {"type": "string", "description": "an active strategy that looks at the symbol"},
    }
    text = {"type": "string", "minLength": 1, "maxLength": 200}
    properties: dict[str, Any] = {
        "specversion": {"const": "1.0"},
        "id": text,
        "source": text,
        "type": {"const": "ai-decision.decision.generated"},
        "time": {"type": "string", "format": "date-time", "description": "what is too old is not traded"},
        "data": {"type": "object", "properties": data, "required": list(data)},
    }
    return {
        "$schema": DRAFT,
        "$id": PROPOSAL,
        "title": "A trade proposed by another service",
        "type": "object",
        "properties": properties,
        "required": list(properties),
    }
