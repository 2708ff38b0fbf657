"""Round trips: what was earned by each part of a lot that was closed, filtered, summed up and to be taken away."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.contrib.admin.views.main import ALL_VAR, ORDER_VAR, PAGE_VAR
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import FieldTextFilter, RangeDateTimeFilter

from trading.admin.base import GrowingRecordAdmin, change_url, figure, known_values, moment, of_symbol
from trading.domain.performance.exit_reasons import ExitReason
from trading.models import EquitySnapshot, RoundTrip
from trading.queries.pages.round_trips import totals_of, with_outcome
from trading.templatetags.console import held

PERIODS = {"1": "the last day", "7": "7 days", "30": "30 days", "91": "a quarter", "365": "a year"}
NOT_FILTERS = {ORDER_VAR, PAGE_VAR, ALL_VAR}
RESULTS = {"won": "won", "lost": "lost"}


class ResultFilter(admin.SimpleListFilter):
    """Won or lost, after fees; what came to nothing is neither."""

    title = "won or lost"
    parameter_name = "result"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return both."""
        return list(RESULTS.items())

    def queryset(self, request: HttpRequest, queryset: QuerySet[RoundTrip]) -> QuerySet[RoundTrip]:
        """Keep those that earned, or those that cost."""
        if self.value() == "won":
            return queryset.filter(realised_pnl__gt=0)
        return queryset.filter(realised_pnl__lt=0) if self.value() == "lost" else queryset


class PeriodFilter(admin.SimpleListFilter):
    """Those closed lately, counted back from the newest market time."""

    title = "period"
    parameter_name = "days"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the times."""
        return list(PERIODS.items())

    def queryset(self, request: HttpRequest, queryset: QuerySet[RoundTrip]) -> QuerySet[RoundTrip]:
        """Keep those closed in the time."""
        newest = EquitySnapshot.objects.newest() if self.value() in PERIODS else None
        if newest is None:
            return queryset
        return queryset.filter(closed_at__gt=newest.market_time - timedelta(days=int(self.value() or 0)))


@admin.register(RoundTrip)
class RoundTripAdmin(GrowingRecordAdmin):
    """Each part of a lot that was closed: both prices, what it earned after fees, who opened and why it ended."""

    list_display = [
        moment("closed_at"),
        of_symbol(),
        "side",
        figure("quantity"),
        figure("entry_price"),
        figure("exit_price"),
        figure("realised_pnl", description="earned, USD"),
        figure("percent", description="of its cost"),
        figure("r_multiple", description="R"),
        figure("fees"),
        figure("slippage_bps", description="slippage, bps"),
        "held",
        "exit_reason",
        "strategy",
        "model",
        "entry_link",
        "exit_link",
    ]
    list_filter = [
        ("symbol", FieldTextFilter),
        "strategy",
        known_values("exit_reason", ExitReason),
        ResultFilter,
        PeriodFilter,
        ("closed_at", RangeDateTimeFilter),
    ]
    list_select_related = ["strategy"]
    list_before_template = "console/trip_totals.html"
    list_per_page = 20  # each has many columns, and a page stays small
    search_fields = ["=symbol"]
    search_help_text = "A symbol, or an id of an order or a decision"
    uuid_search = ("pk", "entry_order_id", "exit_order_id", "entry_decision_id", "exit_decision_id")
    ordering = ["-closed_at", "-id"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[RoundTrip]:
        """Return them with what they came to beside their money."""
        return with_outcome(super().get_queryset(request))

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """Sum up what is filtered."""
        answer = super().changelist_view(request, extra_context)
        listed = getattr(answer, "context_data", {}).get("cl")
        if listed is not None:
            is_filtered = bool(listed.params.keys() - NOT_FILTERS)
            answer.context_data |= {"totals": totals_of(listed.queryset), "is_filtered": is_filtered}
        return answer

    @admin.display(description="held", ordering="held_for")
    def held(self, trip: RoundTrip) -> str:
        """Show for how long, in market time."""
        return held(trip.opened_at, trip.closed_at)

    @admin.display(description="opened by")
    def entry_link(self, trip: RoundTrip) -> SafeString | str:
        """Link to the decision that opened it, else to the order, without reading either."""
        return _cause(trip.entry_decision_id, trip.entry_order_id)

    @admin.display(description="closed by")
    def exit_link(self, trip: RoundTrip) -> SafeString | str:
        """Link to the decision that closed it, else to the order."""
        return _cause(trip.exit_decision_id, trip.exit_order_id)


def _cause(decision_id: UUID | None, order_id: UUID | None) -> SafeString | str:
    for model, words, pk in (("aidecision", "decision", decision_id), ("order", "order", order_id)):
        if pk is not None:
            url = change_url("trading", model, pk)
            return format_html('<a class="tc-link" href="{}">{}</a>', url, words)
    return "-"
