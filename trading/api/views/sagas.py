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
from trading.api.serializers import ApiSerializer, ListQuery, PlainDecimalField, RowSerializer
from trading.api.views.base import ApiView, ListView, columns_of
from trading.models import Saga, SagaStep
from trading.queries.reading import listings

VIEW = "trading.view_saga"
TYPE = "order"


class SagaStepSerializer(RowSerializer):
    """One step of a saga: its status, attempts, input and result."""

    input = serializers.DictField()
    result = serializers.DictField()

    class Meta:
        model = SagaStep
        fields = columns_of(SagaStep, "saga")


class SagaOrderSerializer(ApiSerializer):
    """What a saga began with: its decision and the order that is to be brought to the broker."""

    decision_id = serializers.UUIDField()
    order_id = serializers.UUIDField()
    client_order_id = serializers.CharField(source="order.client_order_id")
    symbol = serializers.CharField(source="order.symbol")
    side = serializers.CharField(source="order.side")
    quantity = PlainDecimalField(source="order.quantity", allow_null=True)


class SagaSerializer(RowSerializer):
    """A saga with its steps in order; `correlationId` is its cycle's id, which all of its events and lines carry."""

    type = serializers.SerializerMethodField(method_name="kind", help_text="All sagas are of orders.")
    current_step = serializers.SerializerMethodField(
        method_name="step_at_work", help_text="The step at work, from 1; the last one once all have ended."
    )
    total_steps = serializers.SerializerMethodField(method_name="number_of_steps")
    correlation_id = serializers.UUIDField(source="cycle_id")
    initial_data = SagaOrderSerializer(source="*")
    completed_at = serializers.DateTimeField(source="ended_at", allow_null=True)
    steps = SagaStepSerializer(many=True)
    symbol = serializers.CharField(source="order.symbol")

    class Meta:
        model = Saga
        fields = [
            *("id", "type", "current_step", "total_steps", "correlation_id", "initial_data", "completed_at"),
            *columns_of(Saga, "id"),
            *("symbol", "steps"),
        ]

    def kind(self, saga: Saga) -> str:
        """Return what kind of saga it is."""
        return TYPE

    def step_at_work(self, saga: Saga) -> int:
        """Return which step has not ended, the first of them."""
        steps = list(saga.steps.all())
        return next((n for n, step in enumerate(steps, 1) if step.ended_at is None), len(steps))

    def number_of_steps(self, saga: Saga) -> int:
        """Return how many steps the saga has."""
        return len(saga.steps.all())


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
