"""What one field of a published event is: where the log has it, and what it looks like outside."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

PLAIN_DECIMAL = r"^-?[0-9]+(\.[0-9]+)?$"


class FieldKind(enum.StrEnum):
    """How a value is written in JSON; ``DECIMAL`` is text, so that no digit is lost on the way."""

    TEXT = "text"
    DECIMAL = "decimal"
    NUMBER = "number"
    INTEGER = "integer"
    TRUTH = "truth"
    TIME = "time"
    COUNTS = "counts"


_SCHEMAS: Mapping[FieldKind, dict[str, Any]] = {
    FieldKind.TEXT: {"type": "string"},
    FieldKind.DECIMAL: {"type": "string", "pattern": PLAIN_DECIMAL},
    FieldKind.NUMBER: {"type": "number"},
    FieldKind.INTEGER: {"type": "integer"},
    FieldKind.TRUTH: {"type": "boolean"},
    FieldKind.TIME: {"type": "string", "format": "date-time"},
    FieldKind.COUNTS: {"type": "object", "additionalProperties": {"type": "integer", "minimum": 0}},
}


@dataclass(frozen=True, slots=True)
class Field:
    """One field of an event's data.

    Args:
        name: camelCase, as published.
        meaning: a sentence for whoever subscribes.
        key: its name in the facts of the log row.
        optional: null where the log does not say.
        words: the only values it takes, where these are few.
    """

    name: str
    meaning: str
    key: str
    kind: FieldKind = FieldKind.TEXT
    optional: bool = False
    words: tuple[str, ...] = ()

    def value(self, facts: Mapping[str, Any]) -> Any:
        """Return the field's value as JSON.

        Raises:
            ValueError: the log row lacks what every event of its type has.
        """
        raw = facts.get(self.key)
        if raw is None or (raw == "" and self.optional):
            if not self.optional:
                raise ValueError(f"{self.key}: was not given, expected {self.meaning}")
            return None
        if self.kind is FieldKind.DECIMAL:
            return f"{Decimal(str(raw)):f}"
        if self.kind is FieldKind.NUMBER:
            return float(raw)
        return raw

    def schema(self) -> dict[str, Any]:
        """Return the field's JSON Schema."""
        schema = _SCHEMAS[self.kind] | {"description": self.meaning}
        if self.words:
            schema["enum"] = [*self.words, *([None] if self.optional else [])]
        if self.optional:
            schema["type"] = [schema["type"], "null"]
        return schema
