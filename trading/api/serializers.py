"""What goes in and out: camelCase names, plain decimal strings, and input that is refused unless it fits.

A name is declared in the words of the code and shown in camelCase; the keys of stored JSON (reasons,
statuses, settings) are data and stay as they are, which is why no renderer rewrites keys.
"""

from collections.abc import Mapping
from typing import Any

from django.db import models
from rest_framework import serializers
from rest_framework.fields import Field

UNKNOWN_FIELD = "There is no such field; expected one of: {}."
UNKNOWN_PARAMETER = "There is no such parameter; expected one of: {}."
GIVEN_TWICE = "It is given more than once; expected one value."


def camelized(name: str) -> str:
    """Return a name of the code as the API writes it: ``realised_pnl`` becomes ``realisedPnl``."""
    first, *rest = name.split("_")
    return first + "".join(word[:1].upper() + word[1:] for word in rest)


def _camelized_fields(fields: Mapping[str, Field[Any, Any, Any, Any]]) -> dict[str, Any]:
    """Return the fields under their camelCase names, each still bound to the name of the code."""
    renamed: dict[str, Any] = {}
    for name, field in fields.items():
        shown = camelized(f"{name}_id" if isinstance(field, serializers.PrimaryKeyRelatedField) else name)
        if shown != name and field.source is None:
            field.source = name
        renamed[shown] = field
    return renamed


class PlainDecimalField(serializers.DecimalField):
    """Money, prices and quantities: a decimal string without exponent and without trailing zeros."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**({"max_digits": 40, "decimal_places": 12, "normalize_output": True} | options))


class ApiSerializer(serializers.Serializer[Any]):
    """Plain values, e.g. the result of a service."""

    def get_fields(self) -> dict[str, Any]:
        """Return the declared fields under their camelCase names."""
        return _camelized_fields(super().get_fields())


class RowSerializer(serializers.ModelSerializer[Any]):
    """A row as it is shown; nothing is written through it."""

    serializer_field_mapping = serializers.ModelSerializer.serializer_field_mapping | {
        models.DecimalField: PlainDecimalField
    }

    def get_fields(self) -> dict[str, Any]:
        """Return the columns under their camelCase names, all of them read only."""
        fields: dict[str, Any] = super().get_fields()
        for field in fields.values():
            field.read_only = True
        return _camelized_fields(fields)


class StrictCharField(serializers.CharField):
    """Text that was sent as text: a number is not taken for one."""

    def to_internal_value(self, data: Any) -> str:
        """Refuse what is not a string."""
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class StrictBooleanField(serializers.BooleanField):
    """``true`` or ``false``, not something like them."""

    def to_internal_value(self, data: Any) -> bool:
        """Refuse what is not a JSON boolean."""
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data


class StrictSerializer(ApiSerializer):
    """A body: a field nobody knows is an error that names it, as the value of a known one would be."""

    unknown = UNKNOWN_FIELD

    def to_internal_value(self, data: Any) -> Any:
        """Return the values by the names of the code.

        Raises:
            ValidationError: naming every unknown field and every value that cannot be read.
        """
        errors = {}
        if isinstance(data, Mapping):
            known = ", ".join(self.fields) or "none"
            errors = {str(name): [self.unknown.format(known)] for name in data if name not in self.fields}
        try:
            values = super().to_internal_value(data)
        except serializers.ValidationError as error:
            raise serializers.ValidationError(errors | error.detail) from error  # type: ignore[operator]  # a mapping: the serializer's own
        if errors:
            raise serializers.ValidationError(errors)
        return values


class QuerySerializer(StrictSerializer):
    """The parameters of a query, each given once at most."""

    unknown = UNKNOWN_PARAMETER

    def to_internal_value(self, data: Any) -> Any:
        """Return the values by the names of the code; a repeated parameter is an error, too."""
        twice = {name: [GIVEN_TWICE] for name in data if len(data.getlist(name)) > 1}
        if twice:
            raise serializers.ValidationError(twice)
        return super().to_internal_value(data.dict())


LARGEST_PAGE = 200
DEFAULT_PAGE = 50
LONGEST_CURSOR = 1000


class ListQuery(QuerySerializer):
    """Parameters that every list takes: page size and cursor."""

    limit = serializers.IntegerField(
        default=DEFAULT_PAGE, min_value=1, max_value=LARGEST_PAGE, help_text="Rows of a page."
    )
    cursor = serializers.CharField(
        required=False,
        max_length=LONGEST_CURSOR,
        help_text="`next` or `previous` of a page of the same list with the same filters.",
    )
