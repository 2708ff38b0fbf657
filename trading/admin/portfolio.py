"""Positions and equity as last synced from the broker."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from unfold.contrib.filters.admin import RangeDateTimeFilter

from trading.admin.base import GrowingRecordAdmin, RecordAdmin, cycle_link, figure, labelled
from trading.core.set_aside import Listing
from trading.models import EquitySnapshot, Position
from trading.queries.left_out import left_out
from trading.queries.overview import is_stale

VALUE_UNKNOWN = "value unknown"
FRESHNESS = {"live": "success", "stale": "warning", VALUE_UNKNOWN: "danger"}


@admin.register(Position)
class PositionAdmin(RecordAdmin):
    """Open net positions, each with its source and the time of the sync."""

    list_display = [
        "symbol",
        figure("quantity"),
        figure("quantity_available"),
        figure("average_entry_price"),
        figure("market_value", unknown=VALUE_UNKNOWN),
        figure("unrealised_pnl"),
        "source",
        "synced_at",
        "freshness",
        "opened_at",
    ]
    list_filter = ["asset_class"]
    search_fields = ["symbol"]
    list_before_template = "console/left_out.html"

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """Show above the list what the broker lists besides, and nobody here understands."""
        told = {"left_out": left_out(only=Listing.POSITIONS)}
        return super().changelist_view(request, told | (extra_context or {}))

    @labelled(description="figures", colours=FRESHNESS)
    def freshness(self, position: Position) -> str:
        """Say whether the figures are recent, too old to be taken for live, or not known."""
        if position.market_value is None:
            return VALUE_UNKNOWN
        return "stale" if is_stale(position.synced_at) else "live"


@admin.register(EquitySnapshot)
class EquitySnapshotAdmin(GrowingRecordAdmin):
    """The account's money over time."""

    list_display = [
        "created_at",
        figure("equity"),
        figure("session_start_equity"),
        figure("cash"),
        figure("buying_power"),
        "market_time",
        "source",
        cycle_link,
    ]
    list_filter = [("created_at", RangeDateTimeFilter)]
    search_fields = ["source__exact"]
    search_help_text = "A cycle's id"
    uuid_search = ("cycle_id",)
