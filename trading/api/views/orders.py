"""Orders and what became of them."""

from collections.abc import Mapping
from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from trading.api.schema import page_of
from trading.api.serializers import ListQuery, RowSerializer
from trading.api.views.base import ListView, columns_of
from trading.domain.statuses import OrderStatus
from trading.models import Order
from trading.models.order import SideChoice
from trading.services import listings


class OrderSerializer(RowSerializer):
    """An order; quantities in base units, prices in USD per unit."""

    class Meta:
        model = Order
        fields = columns_of(Order, "lease_until", "reservation")


class OrdersQuery(ListQuery):
    """Filters of orders."""

    symbol = serializers.CharField(required=False, max_length=32)
    side = serializers.ChoiceField(SideChoice.values, required=False)
    status = serializers.ChoiceField([status.value for status in OrderStatus], required=False)
    cycle_id = serializers.UUIDField(required=False)
    decision_id = serializers.UUIDField(required=False)


class OrdersView(ListView):
    """Orders, the newest first."""

    permissions = {"GET": "trading.view_order"}
    queries = {"GET": OrdersQuery}
    row_serializer = OrderSerializer

    def rows(self, filters: Mapping[str, Any]) -> QuerySet[Order]:
        """Return the orders under these filters."""
        return listings.orders(filters)

    @extend_schema(summary="Orders, the newest first", responses=page_of(OrderSerializer))
    def get(self, request: Request) -> Response:
        """Answer one page."""
        return super().get(request)
