"""Sagas: an order's way from the gate to the position."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from trading.api.schema import page_of
from trading.api.serializers import ListQuery, RowSerializer
from trading.api.views.base import ApiView, ListView, columns_of
from trading.models import Saga, SagaStep
from trading.queries import listings

VIEW = "trading.view_saga"


class SagaStepSerializer(RowSerializer):
    """One step of a saga: its status, attempts, input and result."""

    input = serializers.DictField()
    result = serializers.DictField()

    class Meta:
        model = SagaStep
        fields = columns_of(SagaStep, "saga")


class SagaSerializer(RowSerializer):
    """A saga with its steps in order."""

    steps = SagaStepSerializer(many=True)
    symbol = serializers.CharField(source="order.symbol")

    class Meta:
        model = Saga
        fields = [*columns_of(Saga), "symbol", "steps"]


class SagasQuery(ListQuery):
    """Parameters of the list of open sagas: their cycle, optional."""

    cycle_id = serializers.UUIDField(required=False)


class ActiveSagasView(ListView):
    """Serve the sagas that have not ended."""

    permissions = {"GET": VIEW}
    queries = {"GET": SagasQuery}
    row_serializer = SagaSerializer

    def rows(self, filters: Mapping[str, Any]) -> QuerySet[Saga]:
        """Return the open sagas."""
        return listings.active_sagas(filters)

    @extend_schema(summary="Sagas under way, the newest first", responses=page_of(SagaSerializer))
    def get(self, request: Request) -> Response:
        """Sagas that are running, and those whose effects are being undone (compensating)."""
        return self.page()


class SagaView(ApiView):
    """Serve one saga."""

    permissions = {"GET": VIEW}

    @extend_schema(summary="A saga with its steps", responses=SagaSerializer)
    def get(self, request: Request, pk: UUID) -> Response:
        """The saga with all its steps, also after it has ended."""
        saga = listings.saga(pk)
        if saga is None:
            raise Http404(f"There is no saga {pk}.")
        return Response(SagaSerializer(saga).data)
