"""Events as they happen: server-sent events that go on where the client was cut off."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, cast
from uuid import UUID

from django.db import close_old_connections
from django.http import StreamingHttpResponse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request

from trading.api.media import encode
from trading.api.problems import invalid
from trading.api.serializers import QuerySerializer
from trading.api.views.base import ApiView
from trading.api.views.records import EventSerializer
from trading.models import Event
from trading.queries.event_stream import Place, events_after, newest_place, place_of

HEADER = "Last-Event-ID"
EXPECTED = "Expected the id of an event, as the stream or the list of events gave it."
LOOK_SECONDS = 1.0
HEARTBEAT_SECONDS = 15.0
LONGEST_SECONDS = 600  # then the client comes again, and its token is looked at again
RETRY_MILLISECONDS = 2000


class StreamQuery(QuerySerializer):
    """Which events the stream carries, and for how long."""

    aggregate_type = serializers.CharField(required=False, max_length=20)
    aggregate_id = serializers.CharField(required=False, max_length=64)
    type = serializers.CharField(required=False, max_length=80)
    cycle_id = serializers.UUIDField(required=False)
    seconds = serializers.IntegerField(
        default=LONGEST_SECONDS,
        min_value=0,
        max_value=LONGEST_SECONDS,
        help_text="End after so long; 0: after what is there now.",
    )


class EventStreamView(ApiView):
    """Serve events as they happen."""

    http_method_names = ["get"]  # a HEAD would run it, and show nothing
    permissions = {"GET": "trading.view_event"}
    queries = {"GET": StreamQuery}

    @extend_schema(
        summary="Events as they happen, as server-sent events",
        parameters=[
            OpenApiParameter(
                HEADER,
                OpenApiTypes.UUID,
                OpenApiParameter.HEADER,
                description="Go on after this event; left out: from now on.",
            )
        ],
        responses={(200, "text/event-stream"): OpenApiTypes.STR},
    )
    def get(self, request: Request) -> StreamingHttpResponse:
        """`id` is the event's, `event` its type, `data` what the list shows; a comment every 15 s shows life.

        It ends after ten minutes; a browser's EventSource comes again by itself, with the last id it saw.
        """
        place = _place(request.headers.get(HEADER))
        filters = {name: value for name, value in self.parameters.items() if name != "seconds"}
        lines = _lines(place, filters, timedelta(seconds=self.parameters["seconds"]))
        response = StreamingHttpResponse(lines, content_type="text/event-stream")
        response["X-Accel-Buffering"] = "no"
        return response


def _place(last: str | None) -> Place:
    if last is None:
        return newest_place()
    try:
        place = place_of(UUID(last))
    except ValueError as error:
        raise invalid(HEADER, EXPECTED, where="header") from error
    if place is None:
        raise invalid(HEADER, EXPECTED, where="header")
    return place


async def _lines(place: Place, filters: Mapping[str, Any], lasting: timedelta) -> AsyncIterator[bytes]:
    """Look every second, in a thread that is borrowed for the look alone."""
    ends_at = timezone.now() + lasting
    told_at = asyncio.get_running_loop().time()
    yield f"retry: {RETRY_MILLISECONDS}\n\n".encode()
    while True:
        found, place = await asyncio.to_thread(_look, place, filters)
        now = asyncio.get_running_loop().time()
        for event in found:
            yield _told(event)
        if not found and now - told_at >= HEARTBEAT_SECONDS:
            yield b": nothing new\n\n"
        if found or now - told_at >= HEARTBEAT_SECONDS:
            told_at = now
        if timezone.now() >= ends_at:
            return
        await asyncio.sleep(LOOK_SECONDS)


def _look(place: Place, filters: Mapping[str, Any]) -> tuple[Sequence[Event], Place]:
    close_old_connections()
    return events_after(place, filters)


def _told(event: Event) -> bytes:
    shown = cast("dict[str, Any]", EventSerializer(event).data)
    return f"id: {event.pk}\nevent: {event.type}\ndata: ".encode() + encode(shown) + b"\n\n"
