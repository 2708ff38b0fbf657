"""What was tried, and more that can be."""

from collections.abc import Mapping
from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from evaluation.api.bodies import ExperimentBody, order_of, selection_of
from evaluation.api.serializers import ExperimentSerializer, ReplaySerializer
from evaluation.api.views.replays import ASK, VIEW, ordered
from evaluation.models import Run
from trading.api.idempotency import idempotent
from trading.api.schema import page_of
from trading.api.views.base import ListView
from trading.queries.reading.keyset import ListOrder


class ExperimentsView(ListView):
    """Serve what was tried, the newest first; order more."""

    permissions = {"GET": VIEW, "POST": ASK}
    row_serializer = ExperimentSerializer
    order = ListOrder(("created_at", "id"))

    def rows(self, filters: Mapping[str, Any]) -> QuerySet[Run]:
        """Return the runs with their experiments."""
        return Run.objects.select_related("experiment")

    @extend_schema(summary="What was tried, the newest first", responses=page_of(ExperimentSerializer))
    def get(self, request: Request) -> Response:
        """Each with its figures; `replayId` leads to its items."""
        return self.page()

    @extend_schema(summary="Ask decisions again", request=ExperimentBody, responses={202: ReplaySerializer})
    @idempotent
    def post(self, request: Request) -> Response:
        """A decision, a cycle, sessions, or a data set. Of more than a cycle `estimate` is null until it is known,

        which is before the first request.
        """
        asked = self.read_body(ExperimentBody, request)
        return ordered(order_of(asked, selection_of(asked)), request, name=asked["name"])
