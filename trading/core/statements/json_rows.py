"""Rows that were read as JSON, made the instances that the ORM would have made of them."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from functools import cache
from types import MappingProxyType
from typing import Any
from uuid import UUID

from django.db import DEFAULT_DB_ALIAS
from django.db.models import (
    BooleanField,
    CharField,
    DateTimeField,
    DecimalField,
    Field,
    ForeignKey,
    IntegerField,
    JSONField,
    Model,
    TextField,
    UUIDField,
)
from django.db.models.base import DEFERRED

Convert = Callable[[Any], Any]


def instances(model: type[Model], rows: Sequence[Mapping[str, Any]]) -> list[Any]:
    """Return the rows of one select as instances; what is no column of the model is set beside its columns.

    Args:
        rows: as JSON, with decimals for numbers that have a point; the same names in each.
    """
    if not rows:
        return []
    places, beside = _plan(model, tuple(rows[0]))
    names = [attname for attname, _, _ in places]
    return [_instance(model, row, names, places, beside) for row in rows]


def _instance(
    model: type[Model],
    row: Mapping[str, Any],
    names: list[str],
    places: Sequence[tuple[str, str | None, Convert | None]],
    beside: Sequence[str],
) -> Model:
    values = []
    for _, column, convert in places:
        value = DEFERRED if column is None else row[column]
        if convert is not None and value is not None:
            value = convert(value)
        values.append(value)
    found = model.from_db(DEFAULT_DB_ALIAS, names, values)
    for name in beside:
        setattr(found, name, row[name])
    return found


@cache
def _plan(
    model: type[Model], names: tuple[str, ...]
) -> tuple[list[tuple[str, str | None, Convert | None]], list[str]]:
    """Return, of each column of the model, its attribute, its name among these and how a value of it is read.

    And the names that are no columns. A column that is not among them is left to be read later.
    """
    fields = model._meta.concrete_fields
    known = {str(field.column) for field in fields}
    places: list[tuple[str, str | None, Convert | None]] = [
        (field.attname, str(field.column), _reader(field))
        if field.column in names
        else (field.attname, None, None)
        for field in fields
    ]
    return places, [name for name in names if name not in known]


def _reader(field: "Field[Any, Any]") -> Convert | None:
    """Return what makes a value that is not null what the ORM reads; None: it is that already.

    What a text says of a moment or an id is understood as the field itself understands it.
    """
    kind: Field[Any, Any] = field
    while isinstance(kind, ForeignKey):
        kind = kind.target_field
    return _READERS.get(type(kind), field.to_python)


def _decimal(value: Any) -> Decimal:
    return value if isinstance(value, Decimal) else Decimal(value)


def _plain(value: Any) -> Any:
    """Return stored JSON as the ORM reads it: numbers with a point as floats."""
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list) else value


_READERS: "Mapping[type[Field[Any, Any]], Convert | None]" = MappingProxyType(
    {
        CharField: None,
        TextField: None,
        BooleanField: None,
        IntegerField: None,
        UUIDField: UUID,
        DecimalField: _decimal,
        DateTimeField: datetime.fromisoformat,
        JSONField: _plain,
    }
)
