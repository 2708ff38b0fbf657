"""Orders and what became of them: fills, trades, positions, the account's money."""

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
from trading.api.views.live import live_page_of, members
from trading.domain.statuses import OrderStatus
from trading.models import EquitySnapshot, Fill, Order, Position, Trade
from trading.models.order import SideChoice
from trading.queries.live_state import account_state, positions_state
from trading.queries.reading import listings
from trading.queries.reading.keyset import ListOrder


class OrderSerializer(RowSerializer):
    """An order; quantities in base units, prices in USD per unit."""

    class Meta:
        model = Order
        fields = columns_of(Order, "lease_until", "reservation", "ended_sequence")


class FillSerializer(RowSerializer):
    """One execution the broker reported; quantity in base units, price in USD per unit."""

    class Meta:
        model = Fill
        fields = columns_of(Fill)


class TradeSerializer(RowSerializer):
    """What a filled order did; ``realisedPnl`` in USD where it reduced a position.

    ``tradedAt`` is the market time of its last fill, ``bookedAt`` the wall time at which the order ended.
    """

    class Meta:
        model = Trade
        fields = columns_of(Trade, "lots_quantity")


class PositionSerializer(RowSerializer):
    """A net position as the broker reported it; `marketValue` null: not known, it counts at its cost."""

    is_value_known = serializers.SerializerMethodField(method_name="has_value")

    class Meta:
        model = Position
        fields = [*columns_of(Position, "source"), "is_value_known"]

    def has_value(self, position: Position) -> bool:
        """Tell whether the broker said a value that could be understood."""
        return position.market_value is not None


class EquitySerializer(RowSerializer):
    """The account's money at one moment, in USD."""

    class Meta:
        model = EquitySnapshot
        fields = columns_of(EquitySnapshot, "source", "sync_sequence")


class _Traded(ListQuery):
    symbol = serializers.CharField(required=False, max_length=32)
    side = serializers.ChoiceField(SideChoice.values, required=False)
    cycle_id = serializers.UUIDField(required=False)


class OrdersQuery(_Traded):
    """Parameters of the list of orders; all that are given have to be met."""

    status = serializers.ChoiceField([status.value for status in OrderStatus], required=False)
    decision_id = serializers.UUIDField(required=False)


class FillsQuery(_Traded):
    """Parameters of the list of fills; all that are given have to be met."""

    order_id = serializers.UUIDField(required=False)


class TradesQuery(_Traded):
    """Parameters of the list of trades; all that are given have to be met."""

    strategy_id = serializers.UUIDField(required=False)


class OrdersView(ListView):
    """Serve the list of orders."""

    permissions = {"GET": "trading.view_order"}
    queries = {"GET": OrdersQuery}
    row_serializer = OrderSerializer

    def rows(self, filters: Mapping[str, Any]) -> QuerySet[Order]:
        """Return the orders under these filters."""
        return listings.orders(filters)

    @extend_schema(summary="Orders, the newest first", responses=page_of(OrderSerializer))
    def get(self, request: Request) -> Response:
        """Orders of decisions that passed the gate, flattening orders, and orders somebody else placed."""
        return self.page()


class FillsView(ListView):
    """Serve the list of executions."""

    permissions = {"GET": "trading.view_fill"}
    queries = {"GET": FillsQuery}
    row_serializer = FillSerializer

    def rows(self, filters: Mapping[str, Any]) -> QuerySet[Fill]:
        """Return the executions under these filters."""
        return listings.fills(filters)

    @extend_schema(summary="Executions, the last recorded first", responses=page_of(FillSerializer))
    def get(self, request: Request) -> Response:
        """Each execution the broker reported, once."""
        return self.page()


class TradesView(ListView):
    """Serve the list of trades."""

    permissions = {"GET": "trading.view_trade"}
    queries = {"GET": TradesQuery}
    row_serializer = TradeSerializer

    def rows(self, filters: Mapping[str, Any]) -> QuerySet[Trade]:
        """Return the trades under these filters."""
        return listings.trades(filters)

    @extend_schema(summary="Trades, the newest first", responses=page_of(TradeSerializer))
    def get(self, request: Request) -> Response:
        """One row for each filled order."""
        return self.page()


class PositionsView(ListView):
    """Serve the open positions."""

    permissions = {"GET": "trading.view_position"}
    row_serializer = PositionSerializer
    order = ListOrder(("symbol",), newest_first=False)

    def rows(self, filters: Mapping[str, Any]) -> QuerySet[Position]:
        """Return the open positions."""
        return listings.positions(filters)

    @extend_schema(summary="Open positions by symbol", responses=live_page_of(PositionSerializer))
    def get(self, request: Request) -> Response:
        """As last synced from the broker: `source`, `fetchedAt` and `isStale` say how live that is."""
        return self.page(**members(positions_state()))


class EquityView(ListView):
    """Serve the account's money over time."""

    permissions = {"GET": "trading.view_equitysnapshot"}
    row_serializer = EquitySerializer

    def rows(self, filters: Mapping[str, Any]) -> QuerySet[EquitySnapshot]:
        """Return the readings of the account."""
        return listings.equity(filters)

    @extend_schema(summary="The account's money, the newest first", responses=live_page_of(EquitySerializer))
    def get(self, request: Request) -> Response:
        """`source`, `fetchedAt` and `isStale` describe the first row, which is the newest."""
        return self.page(**members(account_state()))
