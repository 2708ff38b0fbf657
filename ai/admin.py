"""The console's page of the ai room: the record of every model call."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any, cast

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import format_html
from unfold.admin import ModelAdmin
from unfold.contrib.filters.admin import RangeDateTimeFilter
from unfold.decorators import display
from unfold.paginator import InfinitePaginator

from ai.models import ModelCall, ModelCapability, ModelCutoff, ModelPrice

STATUSES = {"succeeded": "success", "failed": "danger", "invalid": "danger", "timeout": "danger"}


def usd(name: str) -> Callable[[Any], str]:
    """Return a column that shows an amount in USD without the zeros nobody reads."""

    def shown(row: Any) -> str:
        value: Decimal | None = getattr(row, name)
        text = "-" if value is None else f"{value:,f}"
        return text.rstrip("0").rstrip(".") if "." in text else text

    column: Any = display(description=f"{name.replace('_usd', '').replace('_', ' ')}, USD", ordering=name)(
        shown
    )
    column.__name__, column.taken_from = f"num_{name}", name
    return cast("Callable[[Any], str]", column)


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
        usd("cost_usd"),
        "error_type",
    ]
    list_filter = ["status", ("created_at", RangeDateTimeFilter)]
    list_filter_submit = True
    list_per_page = 30
    search_fields = ["model__startswith", "error_type__startswith"]
    search_help_text = "The beginning of a model's name or of an error's type"
    show_full_result_count = False
    paginator = InfinitePaginator
    actions = None
    fieldsets = [
        (None, {"fields": ["provider", "model", "status", "error_type", "error_message"]}),
        (
            "Cost and time",
            {
                "fields": [
                    usd("cost_usd"),
                    usd("charged_usd"),
                    "prompt_tokens",
                    "completion_tokens",
                    "latency_ms",
                    "retry_after_seconds",
                    "started_at",
                ]
            },
        ),
        (
            "Question and answer",
            {"fields": ["asked_about", "prompt_version", "prompt_hash", "question", "answered"]},
        ),
        ("Record", {"fields": ["of_cycle", "created_at"]}),
    ]
    readonly_fields = ["asked_about", "question", "answered", "of_cycle"]

    @display(description="status", ordering="status", label=STATUSES)  # type: ignore[untyped-decorator]  # unfold has no type hints
    def status_label(self, call: ModelCall) -> str:
        """Show how it ended."""
        return call.status

    @admin.display(description="symbols")
    def asked_about(self, call: ModelCall) -> str:
        """Show what was asked about."""
        return f"{len(call.symbols)}: {', '.join(call.symbols)}"

    @admin.display(description="question")
    def question(self, call: ModelCall) -> str:
        """Show what each message said, with its line breaks, folded."""
        return render_to_string("console/facts.html", {"nested": {"question": call.prompt}})

    @admin.display(description="answer")
    def answered(self, call: ModelCall) -> str:
        """Show the answer, folded; JSON with its line breaks."""
        return render_to_string(
            "console/facts.html", {"nested": {"answer": call.answer} if call.answer else {}}
        )

    @admin.display(description="cycle")
    def of_cycle(self, call: ModelCall) -> str:
        """Link to the cycle that asked."""
        if call.cycle_id is None:
            return "-"
        url = reverse("admin:trading_cycle_change", args=[call.cycle_id])
        return format_html('<a class="tc-link" href="{}">…{}</a>', url, str(call.cycle_id)[-8:])

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Any:
        """Offer no history of changes: a record has none."""
        context["show_history"] = False
        return super().render_change_form(request, context, *args, **kwargs)

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


class SetByPersonAdmin(ModelAdmin):  # type: ignore[misc]  # unfold has no type hints
    """Rows that a person enters, each under its name for good; who did it last is noted, and nothing is deleted."""

    list_per_page = 30
    actions = None
    readonly_fields = ["updated_at", "updated_by"]

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> list[str]:
        """Keep a row's name: another one is another row."""
        return [self.model._meta.pk.name, *self.readonly_fields] if obj else list(self.readonly_fields)

    def construct_change_message(
        self, request: HttpRequest, form: Any, formsets: Any, add: bool = False
    ) -> Any:
        """Say in the row's history what was changed from what to what."""
        words = [
            f"{name}: {form.initial.get(name)} -> {form.cleaned_data.get(name)}" for name in form.changed_data
        ]
        return ("" if add else "; ".join(words)) or super().construct_change_message(
            request, form, formsets, add
        )

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Note who set it."""
        obj.updated_by = request.user.get_username()
        super().save_model(request, obj, form, change)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nothing is deleted in the console; a row is changed."""
        return False


@admin.register(ModelPrice)
class ModelPriceAdmin(SetByPersonAdmin):
    """Prices that a person sets; they go before litellm's. The next analysis reckons with them."""

    list_display = [
        "model",
        usd("input_usd_per_million"),
        usd("output_usd_per_million"),
        "updated_at",
        "updated_by",
    ]
    search_fields = ["model"]


@admin.register(ModelCutoff)
class ModelCutoffAdmin(SetByPersonAdmin):
    """How far models' training reaches; outcomes get their window anew within an hour of market time."""

    list_display = ["pattern", "trained_until", "released_on", "source", "updated_at", "updated_by"]
    search_fields = ["pattern"]


@admin.register(ModelCapability)
class ModelCapabilityAdmin(ModelAdmin):  # type: ignore[misc]  # unfold has no type hints
    """What models were found to take. Deleting a row forgets it: the next analysis learns it anew."""

    list_display = [
        "model",
        "address",
        "form_words",
        "takes_temperature",
        "most_symbols",
        "milliseconds_per_symbol",
        "tokens_per_second",
        "calls_at_once",
        "learnt_at",
    ]
    fields = list_display
    readonly_fields = ["form_words"]
    search_fields = ["model"]
    list_per_page = 30
    actions = None

    @display(description="answer form", ordering="answer_form")  # type: ignore[untyped-decorator]  # unfold has no type hints
    def form_words(self, row: ModelCapability) -> str:
        """Show how its answers are asked for."""
        return row.answer_form.replace("_", " ")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """It is learnt, never set."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """It is learnt, never set."""
        return False
