"""The console's page of the ai room: the record of every model call."""

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest
from unfold.admin import ModelAdmin
from unfold.contrib.filters.admin import RangeDateTimeFilter
from unfold.decorators import display
from unfold.paginator import InfinitePaginator

from ai.models import ModelCall

STATUSES = {"succeeded": "success", "failed": "danger", "invalid": "danger", "timeout": "danger"}


@admin.register(ModelCall)
class ModelCallAdmin(ModelAdmin):  # type: ignore[misc]  # unfold has no type hints
    """What was asked, what came back, how long it took and what it cost; nobody edits it."""

    list_display = [
        "created_at",
        "provider",
        "model",
        "status_label",
        "symbol_count",
        "latency_ms",
        "prompt_tokens",
        "completion_tokens",
        "cost_usd",
        "error_type",
    ]
    list_filter = ["status", ("created_at", RangeDateTimeFilter)]
    list_filter_submit = True
    list_per_page = 50
    search_fields = ["model__startswith", "error_type__startswith"]
    search_help_text = "The beginning of a model's name or of an error's type"
    show_full_result_count = False
    paginator = InfinitePaginator
    actions = None
    fieldsets = [
        (None, {"fields": ["provider", "model", "status", "error_type", "error_message"]}),
        (
            "Cost and time",
            {"fields": ["cost_usd", "prompt_tokens", "completion_tokens", "latency_ms", "started_at"]},
        ),
        ("Question and answer", {"fields": ["symbols", "prompt_version", "prompt_hash", "prompt", "answer"]}),
        ("Record", {"fields": ["cycle_id", "created_at"]}),
    ]

    @display(description="status", ordering="status", label=STATUSES)  # type: ignore[untyped-decorator]  # unfold has no type hints
    def status_label(self, call: ModelCall) -> str:
        """Show how it ended."""
        return call.status

    @admin.display(description="symbols")
    def symbol_count(self, call: ModelCall) -> int:
        """Show how many symbols were asked for."""
        return len(call.symbols)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Records are written by the gateway alone."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Records do not change."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Records stay."""
        return False
