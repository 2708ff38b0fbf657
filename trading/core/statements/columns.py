"""What each column of a model takes as it is, found once for each process; Django's field prepares what it does not.

``Field.get_db_prep_save`` is asked of every value that is written, and returns nearly each as it is. Of the fields of
Django that our tables are made of that is known beforehand: a text, an id, a flag, a whole number, and the decimals and
moments that can be stored. Every other value, and every field of another class, is the field's own to prepare.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from functools import cache
from types import MappingProxyType, NoneType
from typing import Any
from uuid import UUID

from django.db import connection, models
from django.db.models.expressions import DatabaseDefault
from django.db.models.fields import AutoFieldMixin

DRAWN = object()  # stands for a value that the database draws
_FAMILIES: "Mapping[type[models.Field[Any, Any]], type]" = MappingProxyType(
    {models.CharField: str, models.TextField: str, models.UUIDField: UUID}
)
_EXACT: "Mapping[type[models.Field[Any, Any]], type]" = MappingProxyType(
    {
        models.BooleanField: bool,
        models.SmallIntegerField: int,
        models.IntegerField: int,
        models.BigIntegerField: int,
        models.PositiveSmallIntegerField: int,
        models.PositiveIntegerField: int,
    }
)


def _has_zone(moment: datetime) -> bool:
    return moment.tzinfo is not None and moment.utcoffset() is not None


_JUDGED: "Mapping[type[models.Field[Any, Any]], tuple[type, Callable[[Any], bool]]]" = MappingProxyType(
    {models.DecimalField: (Decimal, Decimal.is_finite), models.DateTimeField: (datetime, _has_zone)}
)


class Column:
    """A column of a model.

    Args:
        field: the model's field; of a foreign key the values are those of what it refers to.
    """

    def __init__(self, field: "models.Field[Any, Any]") -> None:
        self.field = field
        self.attname = field.attname
        self.quoted = connection.ops.quote_name(str(field.column))
        self.type = str(field.db_type(connection))
        # Without its length: a cast would cut what is too long, which the column refuses.
        self.cast = self.type.partition("(")[0]
        self._is_numbered = isinstance(field, AutoFieldMixin)
        self._has_default = field.has_db_default()
        self._is_set_by_field = _is_set_by(field)
        kind: models.Field[Any, Any] = field
        while isinstance(kind, models.ForeignKey):
            kind = kind.target_field
        self._family = _FAMILIES.get(type(kind))
        exact = self._family or _EXACT.get(type(kind))
        self._is_json = type(kind) is models.JSONField and kind.encoder is None
        self._judged: type | None
        self._is_sound: Callable[[Any], bool]
        self._judged, self._is_sound = _JUDGED.get(type(kind), (None, bool))
        self._plain = {NoneType, exact} if exact else {NoneType} if self._judged else set()

    def prepared(self, value: Any) -> Any:
        """Return a value as ``get_db_prep_save`` does, but JSON as its text; an expression is returned as it is."""
        kind = type(value)
        if kind in self._plain or (kind is self._judged and self._is_sound(value)):
            return value
        if self._is_json and kind in (dict, list):
            return json.dumps(value)
        # A word of an enumeration is written sooner as a plain text.
        if self._family is str and isinstance(value, str):
            return str.__str__(value)
        if self._family is UUID and isinstance(value, UUID):
            self._plain.add(kind)
            return value
        return self.field.get_db_prep_save(value, connection)

    def of_new(self, rows: Sequence[models.Model]) -> list[Any]:
        """Return the prepared values of rows that are about to be inserted; ``DRAWN`` what the database draws."""
        name = self.attname
        if self._is_set_by_field:
            values = [self.field.pre_save(row, add=True) for row in rows]
        else:
            values = [getattr(row, name) for row in rows]
        if self._has_default or self._is_numbered:
            values = [DRAWN if self._draws(value) else value for value in values]
            return [value if value is DRAWN else self.prepared(value) for value in values]
        if self._plain.issuperset(map(type, values)):
            return values
        return [self.prepared(value) for value in values]

    def is_left_out(self, values: Sequence[Any]) -> bool:
        """Tell whether rows with these values need not name the column: it becomes what they say by itself."""
        first = values[0]
        if first is not DRAWN and (first is not None or self._has_default):
            return False
        return all(value is first for value in values)

    def _draws(self, value: Any) -> bool:
        return isinstance(value, DatabaseDefault) or (value is None and self._is_numbered)


def _is_set_by(field: "models.Field[Any, Any]") -> bool:
    """Tell whether a field sets its value when its row is inserted, a moment say."""
    if isinstance(field, models.DateField | models.TimeField):
        return bool(field.auto_now or field.auto_now_add)
    return type(field).pre_save is not models.Field.pre_save


@cache
def columns_of(model: type[models.Model]) -> tuple[Column, ...]:
    """Return the columns of a model, in their order."""
    return tuple(Column(field) for field in model._meta.concrete_fields)


@cache
def named_columns(model: type[models.Model]) -> Mapping[str, Column]:
    """Return the columns by the names of their fields, and by those of the attributes."""
    found = {column.field.name: column for column in columns_of(model)}
    return MappingProxyType({column.attname: column for column in columns_of(model)} | found)
