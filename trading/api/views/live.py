"""The members that go with whatever the broker reported."""

from typing import Any

from rest_framework import serializers

from trading.api.schema import page_of
from trading.api.serializers import ApiSerializer
from trading.queries.live_state import LiveState, Source


class LiveStateSerializer(ApiSerializer):
    """From where a figure is, of when, and whether it is too old to be taken for live."""

    source = serializers.ChoiceField([source.value for source in Source])  # type: ignore[assignment]  # a field's name
    fetched_at = serializers.DateTimeField(allow_null=True)
    is_stale = serializers.BooleanField()


def live_page_of(row: type[serializers.Serializer[Any]]) -> type[serializers.Serializer[Any]]:
    """Return the serializer of a page that says how live it is."""
    page = page_of(row)
    name = f"Live{page.__name__}"
    if name not in _live_pages:
        fields = {**page._declared_fields, **LiveStateSerializer().get_fields()}
        _live_pages[name] = type(name, (serializers.Serializer,), {"__doc__": page.__doc__, **fields})
    return _live_pages[name]


def members(state: LiveState) -> dict[str, Any]:
    """Return a state as it is shown."""
    shown: dict[str, Any] = LiveStateSerializer(state).data
    return shown


_live_pages: dict[str, type[serializers.Serializer[Any]]] = {}
