"""Why positions were bought, and how that ended."""

from django.contrib import admin

from trading.admin.base import GrowingRecordAdmin, figure, known_values, labelled, moment, of_symbol
from trading.domain.performance.exit_reasons import ExitReason
from trading.models import Thesis

STATES = {"held": "info", "ended": "default", "against it": "warning"}


@admin.register(Thesis)
class ThesisAdmin(GrowingRecordAdmin):
    """What each entry was for, frozen; the end is written once."""

    list_display = [
        moment("opened_at"),
        of_symbol(),
        "state",
        "exit_reason",
        figure("entry_price"),
        figure("stop_price"),
        figure("target_price"),
        "horizon_sessions",
        "strategy",
    ]
    list_filter = ["against_thesis", known_values("exit_reason", ExitReason), "strategy"]
    list_select_related = ["strategy"]
    search_fields = ["symbol__exact"]
    ordering = ["-opened_at", "-id"]

    @labelled(description="state", colours=STATES)
    def state(self, thesis: Thesis) -> str:
        """Say whether its position is held, and whether it was sold against it."""
        if thesis.closed_at is None:
            return "held"
        return "against it" if thesis.against_thesis else "ended"
