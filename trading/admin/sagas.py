"""Sagas with their steps."""

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.admin import TabularInline
from unfold.contrib.filters.admin import RangeDateTimeFilter

from trading.admin.base import GrowingRecordAdmin, cycle_link, linked, of_symbol, status_badge, status_label
from trading.admin.shown.read_only import facts_lines
from trading.models import Saga, SagaStep


class SagaStepInline(TabularInline):  # type: ignore[misc]  # unfold has no type hints
    """The steps in order, with attempts, times, input and result."""

    model = SagaStep
    fields = ["position", "name", status_badge, "attempts", "started_at", "ended_at", "given", "came_of_it"]
    readonly_fields = fields
    ordering = ["position"]
    extra = 0
    can_delete = False
    hide_title = True

    @admin.display(description="input")
    def given(self, step: SagaStep) -> SafeString:
        """Show what the step was given."""
        return facts_lines(step.input)

    @admin.display(description="result")
    def came_of_it(self, step: SagaStep) -> SafeString:
        """Show what came of the step."""
        return facts_lines(step.result)

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Steps are written by the system alone."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Steps do not change by hand."""
        return False


@admin.register(Saga)
class SagaAdmin(GrowingRecordAdmin):
    """An order's way from the gate to the position."""

    list_display = [
        "started_at",
        of_symbol("order__symbol"),
        status_label,
        "order_link",
        "error",
        "deadline_at",
        "ended_at",
        cycle_link,
    ]
    list_filter = ["status", ("started_at", RangeDateTimeFilter)]
    list_select_related = ["order"]
    search_fields = ["=order__symbol", "error"]
    search_help_text = "A symbol, words of the error, or an id of a saga, an order, a decision or a cycle"
    uuid_search = ("pk", "order_id", "decision_id", "cycle_id")
    ordering = ["-started_at"]
    inlines = [SagaStepInline]
    fields = [
        status_badge,
        "decision",
        "order",
        "cycle_id",
        "error",
        "started_at",
        "deadline_at",
        "next_poll_at",
        "ended_at",
    ]
    readonly_fields = [status_badge]

    @admin.display(description="order")
    def order_link(self, saga: Saga) -> SafeString:
        """Link to the order."""
        return linked("order", saga.order_id)
