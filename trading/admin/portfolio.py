"""Positions and equity as last synced from the broker."""

from django.contrib import admin
from unfold.contrib.filters.admin import RangeDateTimeFilter

from trading.admin.base import GrowingRecordAdmin, RecordAdmin, cycle_link, figure, labelled
from trading.models import EquitySnapshot, Position
from trading.queries.overview import is_stale

FRESHNESS = {"live": "success", "stale": "warning"}


@admin.register(Position)
class PositionAdmin(RecordAdmin):
    """Open net positions, each with its source and the time of the sync."""

    list_display = [
        "symbol",
        figure("quantity"),
        figure("quantity_available"),
        figure("average_entry_price"),
        figure("market_value"),
        figure("unrealised_pnl"),
        "source",
        "synced_at",
        "freshness",
        "opened_at",
    ]
    list_filter = ["asset_class"]
    search_fields = ["symbol"]

    @labelled(description="figures", colours=FRESHNESS)
    def freshness(self, position: Position) -> str:
        """Say whether the figures are recent or too old to be taken for live."""
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
