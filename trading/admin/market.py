"""The asset master and the strategies."""

from decimal import Decimal

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError

from trading.admin.base import ConsoleAdmin, RecordAdmin, figure, labelled
from trading.models import Asset, BarHistory, Strategy


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
    """A strategy with a size that the database would take."""

    class Meta:
        model = Strategy
        fields = ["name", "instructions", "size_percent", "sizing", "is_active"]
        help_texts = {
            "size_percent": "The notional of an entry in percent of equity; the account's limits still apply.",
            "sizing": "Scaled sizes are only ever smaller: by volatility above 20 % a year, or times the confidence.",
            "instructions": "What the model is told to do. The built-in analyst is not a language model: it has"
            " its own rules and does not read this.",
        }

    def clean_size_percent(self) -> Decimal:
        """Say what was expected instead of naming a constraint."""
        size: Decimal = self.cleaned_data["size_percent"]
        if not 0 < size <= 100:
            raise ValidationError(f"size percent: was {size}, expected a number above 0 and at most 100")
        return size


@admin.register(Strategy)
class StrategyAdmin(ConsoleAdmin):
    """Strategies; one that is not wanted any more is made inactive, its trades keep pointing at it."""

    form = StrategyForm
    list_display = ["name", "active_label", figure("size_percent"), "updated_at"]
    list_filter = ["is_active"]
    search_fields = ["name", "instructions"]
    readonly_fields = ["created_at", "updated_at"]

    @labelled(
        description="state", ordering="-is_active", colours={"active": "success", "inactive": "default"}
    )
    def active_label(self, strategy: Strategy) -> str:
        """Show whether cycles use it."""
        return "active" if strategy.is_active else "inactive"
