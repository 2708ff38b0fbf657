"""The asset master and the strategies."""

import json
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.widgets import UnfoldAdminTextInputWidget

from risk.domain.limits import LIMIT_NAMES
from trading.admin.base import (
    ConsoleAdmin,
    GrowingRecordAdmin,
    RecordAdmin,
    figure,
    labelled,
)
from trading.analysis.sealed_facts import unsealed
from trading.analysis.strategies import CONTENT, check_strategy, save_strategy
from trading.errors import RecordError
from trading.models import Asset, BarHistory, DecisionRecord, Strategy, StrategyVersion


@admin.register(Asset)
class AssetAdmin(RecordAdmin):
    """What the broker lists."""

    list_display = [
        "symbol",
        "name",
        "asset_class",
        "exchange",
        "tradable",
        "fractionable",
        figure("dollar_volume"),
        "refreshed_at",
    ]
    list_filter = ["asset_class", "tradable", "fractionable"]
    search_fields = ["symbol", "name"]


@admin.register(BarHistory)
class BarHistoryAdmin(RecordAdmin):
    """Daily bars as kept between cycles; deleted by nobody, replaced on the next market day."""

    list_display = ["symbol", "market_date", "bar_count", "fetched_at"]
    search_fields = ["symbol__exact"]

    @admin.display(description="bars")
    def bar_count(self, history: BarHistory) -> int:
        """Show how many days are kept."""
        return len(history.bars)


class StrategyForm(forms.ModelForm):  # type: ignore[type-arg]  # generic in the stubs alone
    """A strategy that the service would take; what it would not is named beside its field."""

    class Meta:
        model = Strategy
        fields = [*CONTENT, "is_active"]
        labels = {"model_names": "Models"}
        widgets = {name: UnfoldAdminTextInputWidget() for name in ("symbols", "model_names", "keywords")}
        help_texts = {
            "size_percent": "The notional of an entry in percent of equity; the account's limits still apply.",
            "sizing": "Scaled sizes are only ever smaller: by volatility above 20 % a year, or times the confidence.",
            "instructions": "What the model is told to do. The built-in analyst is not a language model: it has"
            " its own rules and does not read this.",
            "universe": "What of a cycle's symbols it looks at.",
            "symbols": "Only these of them, separated by commas; empty: all.",
            "model_names": "litellm names in order of fallback, separated by commas; empty: AI_MODELS.",
            "keywords": "Separated by commas; headlines with one of them are shown to its models.",
            **dict.fromkeys(LIMIT_NAMES, "Tighter than the account's, or empty: the account's."),
        }

    def clean(self) -> dict[str, Any]:
        """Name each value that cannot be taken, and what was expected."""
        values: dict[str, Any] = super().clean() or self.cleaned_data
        for name, problem in check_strategy(values).items():
            self.add_error(name, problem)
        return values

    def validate_constraints(self) -> None:
        """Leave the bounds to ``check_strategy``, which says them in words; the database holds them too."""
        self.instance.validate_unique()


@admin.register(Strategy)
class StrategyAdmin(ConsoleAdmin):
    """Strategies; one that is not wanted any more is made inactive, its trades keep pointing at it."""

    form = StrategyForm
    list_display = ["name", "active_label", "version", "universe", figure("size_percent"), "updated_at"]
    list_filter = ["is_active"]
    search_fields = ["name", "instructions"]
    readonly_fields = ["version", "created_at", "updated_at"]

    @labelled(
        description="state", ordering="-is_active", colours={"active": "success", "inactive": "default"}
    )
    def active_label(self, strategy: Strategy) -> str:
        """Show whether cycles use it."""
        return "active" if strategy.is_active else "inactive"

    def save_model(self, request: HttpRequest, obj: Strategy, form: Any, change: bool) -> None:
        """Store it through the service, as its next version."""
        save_strategy(obj, author=request.user.get_username())


@admin.register(StrategyVersion)
class StrategyVersionAdmin(RecordAdmin):
    """What each strategy was in each version."""

    list_display = ["created_at", "strategy", "version", "author"]
    list_filter = ["strategy"]
    list_select_related = ["strategy"]
    ordering = ["-created_at"]


@admin.register(DecisionRecord)
class DecisionRecordAdmin(GrowingRecordAdmin):
    """What decisions saw, by fingerprint."""

    list_display = ["created_at", "sha256", "size"]
    search_fields = ["sha256__startswith"]
    ordering = ["-created_at"]
    fields = ["sha256", "size", "created_at", "content"]
    readonly_fields = ["content"]

    @admin.display(description="content")
    def content(self, record: DecisionRecord) -> SafeString:
        """Show the record as it was written."""
        try:
            text = json.dumps(unsealed(record), indent=1, ensure_ascii=False)
        except RecordError as error:
            text = str(error)
        return format_html('<pre class="tc-wrap">{}</pre>', text)
