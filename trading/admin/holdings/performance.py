"""Round trips, lots, and what changed the account without a trade: what was earned, by what was decided."""

from uuid import UUID

from django.contrib import admin
from django.utils.safestring import SafeString

from trading.admin.base import GrowingRecordAdmin, RecordAdmin, figure, linked
from trading.models import AccountActivity, Lot, RoundTrip


@admin.register(RoundTrip)
class RoundTripAdmin(GrowingRecordAdmin):
    """Each part of a lot that was closed: both prices, what it earned after fees, who opened and why it ended."""

    list_display = [
        "closed_at",
        "symbol",
        "side",
        figure("quantity"),
        figure("entry_price"),
        figure("exit_price"),
        figure("fees"),
        figure("realised_pnl"),
        "exit_reason",
        "strategy",
        "model",
        "entry_link",
        "exit_link",
    ]
    list_filter = ["exit_reason", "strategy"]
    list_select_related = ["strategy"]
    search_fields = ["=symbol"]
    search_help_text = "A symbol, or an id of an order or a decision"
    uuid_search = ("pk", "entry_order_id", "exit_order_id", "entry_decision_id", "exit_decision_id")
    ordering = ["-closed_at", "-id"]

    @admin.display(description="opened by")
    def entry_link(self, trip: RoundTrip) -> SafeString | str:
        """Link to the order that opened, without reading it."""
        return _order(trip.entry_order_id)

    @admin.display(description="closed by")
    def exit_link(self, trip: RoundTrip) -> SafeString | str:
        """Link to the order that closed, without reading it."""
        return _order(trip.exit_order_id)


@admin.register(Lot)
class LotAdmin(GrowingRecordAdmin):
    """What each execution opened, and what of it is still held."""

    list_display = [
        "opened_at",
        "symbol",
        "side",
        figure("quantity"),
        figure("remaining"),
        figure("price"),
        figure("cost"),
        "strategy",
        "model",
        "order_link",
    ]
    list_filter = ["side", "strategy"]
    list_select_related = ["strategy"]
    search_fields = ["=symbol"]
    search_help_text = "A symbol, or an id of an order or a decision"
    uuid_search = ("pk", "order_id", "decision_id")
    ordering = ["-opened_at", "-id"]

    @admin.display(description="order")
    def order_link(self, lot: Lot) -> SafeString | str:
        """Link to the order without reading it."""
        return _order(lot.order_id)


@admin.register(AccountActivity)
class AccountActivityAdmin(RecordAdmin):
    """What changed the account without an execution: what was held before, splits, dividends, deposits, fees."""

    list_display = [
        "happened_at",
        "kind",
        "symbol",
        figure("quantity"),
        figure("price"),
        figure("amount"),
        "broker_kind",
        figure("unrealised_before"),
        "noted_at",
    ]
    list_filter = ["kind"]
    search_fields = ["=symbol"]


def _order(order_id: UUID | None) -> SafeString | str:
    return "-" if order_id is None else linked("order", order_id)
