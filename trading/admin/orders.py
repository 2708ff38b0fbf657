"""Orders, fills, trades: what went to the broker and what came back."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import RangeDateTimeFilter

from trading.admin.base import (
    GrowingRecordAdmin,
    cycle_link,
    figure,
    known_values,
    labelled,
    linked,
    moment,
    of_symbol,
    status_badge,
    status_label,
)
from trading.domain.order_ids import Purpose
from trading.domain.performance.exit_reasons import ExitReason
from trading.models import Fill, Order, Trade

SIDES = {"buy": "info", "sell": "default"}
ID_HELP = "A symbol, the broker's or our id of an order, or a cycle's id"


@labelled(description="side", ordering="side", colours=SIDES)
def side_label(row: Order | Fill | Trade) -> str:
    """Show buy and sell in different colours."""
    return row.side


@admin.register(Order)
class OrderAdmin(GrowingRecordAdmin):
    """Orders of ours; only decisions that passed the gate have one."""

    list_display = [
        "created_at",
        of_symbol(),
        side_label,
        "purpose",
        figure("quantity"),
        figure("filled_quantity"),
        figure("average_price"),
        status_label,
        "broker_message",
        cycle_link,
    ]
    list_filter = ["status", known_values("purpose", Purpose), "side", ("created_at", RangeDateTimeFilter)]
    search_fields = ["=symbol", "client_order_id__startswith", "broker_order_id__exact"]
    search_help_text = ID_HELP
    uuid_search = ("pk", "cycle_id", "decision_id")
    ordering = ["-created_at"]
    readonly_fields = [status_badge, "booked_as"]
    fieldsets = [
        (
            None,
            {
                "fields": [
                    "symbol",
                    "side",
                    "purpose",
                    "order_type",
                    "quantity",
                    "reference_price",
                    "stop_price",
                    "limit_price",
                    "time_in_force",
                ]
            },
        ),
        (
            "At the broker",
            {"fields": [status_badge, "filled_quantity", "average_price", "booked_as", "broker_message"]},
        ),
        (
            "Identity",
            {
                "fields": [
                    "client_order_id",
                    "broker_order_id",
                    "decision",
                    "reservation",
                    "cycle_id",
                    "parent_order",
                ]
            },
        ),
        (
            "Times",
            {
                "fields": [
                    "created_at",
                    "submitted_at",
                    "acknowledged_at",
                    "ended_at",
                    "lease_until",
                    "attempts",
                    "posts",
                    "next_try_at",
                ]
            },
        ),
    ]

    @admin.display(description="trade")
    def booked_as(self, order: Order) -> SafeString | str:
        """Lead to the trade that it was booked as."""
        trade = Trade.objects.filter(order=order).only("pk").first()
        return linked("trade", trade.pk) if trade else "-"

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Order], search_term: str
    ) -> tuple[QuerySet[Order], bool]:
        """Look an id up among ours and the broker's, which are UUIDs as well."""
        term = search_term.strip()
        found, duplicates = super().get_search_results(request, queryset, term)
        return found | queryset.filter(broker_order_id=term) if term else found, duplicates


@admin.register(Fill)
class FillAdmin(GrowingRecordAdmin):
    """Executions as the broker reported them."""

    list_display = [
        moment("executed_at"),
        of_symbol(),
        side_label,
        figure("quantity"),
        figure("price"),
        "execution_id",
        "order_link",
        cycle_link,
    ]
    list_filter = ["side", ("executed_at", RangeDateTimeFilter)]
    search_fields = ["=symbol", "execution_id__exact"]
    search_help_text = "A symbol, the broker's execution id, or an id of an order or a cycle"
    uuid_search = ("pk", "order_id", "cycle_id")
    ordering = ["-executed_at"]

    @admin.display(description="order")
    def order_link(self, fill: Fill) -> SafeString:
        """Link to the order without reading it."""
        return linked("order", fill.order_id)


@admin.register(Trade)
class TradeAdmin(GrowingRecordAdmin):
    """One row per filled order, with what it realised."""

    list_before_template = change_form_before_template = "console/drawn_days.html"
    list_display = [
        moment("traded_at"),
        of_symbol(),
        side_label,
        figure("quantity"),
        figure("price"),
        figure("realised_pnl"),
        "exit_reason",
        "strategy",
        "order_link",
        cycle_link,
    ]
    list_filter = [
        "side",
        known_values("exit_reason", ExitReason),
        "strategy",
        ("traded_at", RangeDateTimeFilter),
    ]
    list_select_related = ["strategy"]
    search_fields = ["=symbol"]
    search_help_text = "A symbol, or an id of a trade, an order, a decision or a cycle"
    uuid_search = ("pk", "order_id", "decision_id", "cycle_id")
    ordering = ["-traded_at"]

    @admin.display(description="order")
    def order_link(self, trade: Trade) -> SafeString:
        """Link to the order without reading it."""
        return linked("order", trade.order_id)
