"""Positions and equity as last synced from the broker, and the comparison with it that a person asks for."""

import dataclasses
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.loader import render_to_string
from django.urls import URLPattern, path, reverse
from unfold.contrib.filters.admin import RangeDateTimeFilter

from connectors.errors import ConnectorError
from trading.admin.base import GrowingRecordAdmin, RecordAdmin, cycle_link, figure, labelled, moment
from trading.admin.extras import SYMBOL_DEEDS
from trading.admin.hands.deeds import RECONCILE, position_deeds
from trading.admin.holdings.closing import CLOSE, close_view
from trading.admin.holdings.moving import stop_view
from trading.admin.holdings.performance_page import PAGE as PERFORMANCE
from trading.admin.holdings.performance_page import performance_view
from trading.admin.pages import FormPage, came_from, form_page, posted, require
from trading.admin.standing import standing_of
from trading.core.set_aside import Listing
from trading.errors import TradingError
from trading.execution.reconciliation import ReconciliationReport, reconcile_for
from trading.models import EquitySnapshot, Position
from trading.queries.left_out import left_out
from trading.queries.overview import is_stale
from trading.queries.pages.position_story import position_story

VALUE_UNKNOWN = "value unknown"
FRESHNESS = {"live": "success", "stale": "warning", VALUE_UNKNOWN: "danger"}
PROTECTION = {"broker": "success", "software": "info", "nobody": "danger"}
PAGE = "admin:trading_position_changelist"
RECONCILE_EFFECTS = (
    "Orders, fills and positions are compared with the broker's; what differs here is set to what the broker says.",
    "Orders that the broker has and we do not are taken into the book.",
    "Fills without a trade are booked. Nothing is ordered, sold or cancelled.",
    "The same is done at every start of the sweeper, and once an hour.",
)
MOST_NAMED = 20


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
        figure("unrealised_percent", description="of its cost"),
        figure("stop_price"),
        figure("target_price"),
        "protection",
        "source",
        "synced_at",
        "freshness",
        moment("opened_at"),
    ]
    list_filter = ["asset_class"]
    search_fields = ["symbol"]
    list_before_template = "console/positions_intro.html"
    change_form_outer_before_template = "console/position.html"
    fieldsets = [
        (
            "Raw facts",
            {"classes": ["collapse"], "fields": [field.name for field in Position._meta.concrete_fields]},
        )
    ]

    def row_context(self, request: HttpRequest, object_id: str) -> dict[str, Any]:
        """Tell what is held, why and what protects it above the record."""
        if not object_id or not self.has_view_permission(request):
            return {}
        story = position_story(unquote(object_id), standing_of(request).agent)
        if story.now.position is None:
            return {}
        deeds = SYMBOL_DEEDS.shown(request, story.now)
        return {"story": story, "now": story.now, "position": story.now.position, "deeds": deeds}

    def get_urls(self) -> list[URLPattern]:
        """Add the comparison with the broker, and what is done with one position."""
        wrapped = self.admin_site.admin_view(self.reconcile_view)
        close, stop = self.admin_site.admin_view(close_view), self.admin_site.admin_view(stop_view)
        return [
            path("reconcile/", wrapped, name="trading_position_reconcile"),
            path("<path:object_id>/close/", close, name="trading_position_close"),
            path("<path:object_id>/stop/", stop, name="trading_position_stop"),
            *super().get_urls(),
        ]

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        """Offer to close and to move the stop to those who may."""
        if not request.user.has_perm(CLOSE):
            return super().get_list_display(request)

        @admin.display(description="to do")
        def deeds(position: Position) -> str:
            return render_to_string("console/row_deeds.html", {"deeds": position_deeds(request, position.pk)})

        symbol, *rest = super().get_list_display(request)
        return [symbol, deeds, *rest]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """Offer the comparison to those who may ask, and show what the broker lists that nobody here understands."""
        more = {
            "may_reconcile": request.user.has_perm(RECONCILE),
            "left_out": left_out(only=Listing.POSITIONS),
        }
        return super().changelist_view(request, more | (extra_context or {}))

    def reconcile_view(self, request: HttpRequest) -> HttpResponse:
        """Ask, then compare with the broker as the command does, and say what differed."""
        require(request, RECONCILE)
        form, back = forms.Form(posted(request)), came_from(request, reverse(PAGE))
        if not form.is_valid():
            page = FormPage("Reconcile with the broker", RECONCILE_EFFECTS, "Reconcile now", back)
            return form_page(request, form=form, page=page)
        try:
            report = reconcile_for(request.user.get_username())
        except (ConnectorError, TradingError) as error:
            messages.error(request, f"Not done to the end: {error}. What was healed before that stays.")
        else:
            _tell(request, report)
        return redirect(back)

    @labelled(description="protected", colours=PROTECTION)
    def protection(self, position: Position) -> str:
        """Say who sells it when it has to be sold."""
        return Position.ProtectedBy(position.protected_by).name.lower()

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
        moment("market_time"),
        "source",
        cycle_link,
    ]
    list_filter = [("created_at", RangeDateTimeFilter)]
    search_fields = ["source__exact"]
    search_help_text = "A cycle's id"
    uuid_search = ("cycle_id",)

    def get_urls(self) -> list[URLPattern]:
        """Add the page that says how well it does."""
        wrapped = self.admin_site.admin_view(performance_view)
        return [path("performance/", wrapped, name=PERFORMANCE), *super().get_urls()]


def _tell(request: HttpRequest, report: ReconciliationReport | None) -> None:
    """Say what differed, each kind in a line."""
    if report is None:
        messages.warning(
            request, "Nothing was done: a reconciliation is under way already. Look again shortly."
        )
        return
    facts = {name.replace("_", " "): found for name, found in dataclasses.asdict(report).items()}
    messages.success(request, f"Compared with the broker: {facts.pop('orders checked')} orders.")
    if not any(facts.values()):
        messages.success(request, "Nothing differed.")
    for name, found in facts.items():
        if found:
            more = f" and {len(found) - MOST_NAMED} more, see Events" if len(found) > MOST_NAMED else ""
            say = messages.error if name == "refused" else messages.warning
            say(request, f"{name}: {', '.join(found[:MOST_NAMED])}{more}")
