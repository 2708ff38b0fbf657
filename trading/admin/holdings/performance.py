"""Lots, and what changed the account without a trade."""

from uuid import UUID

from django.contrib import admin
from django.utils.safestring import SafeString

from trading.admin.base import GrowingRecordAdmin, RecordAdmin, figure, linked, moment, of_symbol
from trading.models import AccountActivity, Lot


@admin.register(Lot)
class LotAdmin(GrowingRecordAdmin):
    """What each execution opened, and what of it is still held."""

    list_display = [
        moment("opened_at"),
        of_symbol(),
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
        moment("happened_at"),
        "kind",
        of_symbol(),
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
