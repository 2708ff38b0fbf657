"""Decisions and what became of them."""

from django.contrib import admin
from django.utils.text import Truncator
from unfold.contrib.filters.admin import RangeDateTimeFilter

from trading.admin.base import GrowingRecordAdmin, cycle_link, figure, status_badge, status_label
from trading.models import AIDecision


@admin.register(AIDecision)
class AIDecisionAdmin(GrowingRecordAdmin):
    """What the model decided per symbol, and the reason when it did not trade."""

    list_display = [
        "created_at",
        "symbol",
        "action",
        figure("confidence"),
        status_label,
        "why",
        figure("price"),
        "strategy",
        cycle_link,
    ]
    list_filter = ["status", "action", "strategy", ("created_at", RangeDateTimeFilter)]
    list_select_related = ["strategy"]
    search_fields = ["symbol__exact"]
    search_help_text = "A symbol in capitals, or an id of a decision or a cycle"
    uuid_search = ("pk", "cycle_id")
    ordering = ["-id"]
    readonly_fields = [status_badge]
    fieldsets = [
        (None, {"fields": ["symbol", "action", "confidence", "reasoning", "strategy", "price"]}),
        (
            "What became of it",
            {"fields": [status_badge, "reason", "reason_detail", "approved", "settled_at"]},
        ),
        ("Where it came from", {"fields": ["cycle", "model", "model_call", "risk_check", "created_at"]}),
        ("Work", {"fields": ["attempts", "lease_until"]}),
    ]

    @admin.display(description="reason")
    def why(self, decision: AIDecision) -> str:
        """Show the reason's word, with its sentence where there is one."""
        said = ": ".join(filter(None, [decision.reason, decision.reason_detail]))
        return Truncator(said).chars(90)
