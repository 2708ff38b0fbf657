"""The asset master, the universe's candidates and the strategies."""

from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import Model
from django.http import HttpRequest
from unfold.widgets import UnfoldAdminTextInputWidget

from trading.admin.base import ConsoleAdmin, RecordAdmin, figure, labelled, status_label
from trading.errors import SymbolsError
from trading.models import Asset, BarHistory, Strategy, UniverseCandidate
from trading.services.universe import checked_symbols


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


class CandidateForm(forms.ModelForm):  # type: ignore[type-arg]  # generic in the stubs alone
    """A candidate whose symbol can be traded."""

    class Meta:
        model = UniverseCandidate
        fields = ["symbol", "status", "on_watchlist", "score", "reasons"]
        widgets = {"reasons": UnfoldAdminTextInputWidget()}
        help_texts = {
            "symbol": "A stock like AAPL or BRK.B, or a coin like BTC/USD, that the broker lists as tradable.",
            "reasons": "Separated by commas.",
        }

    def clean_symbol(self) -> str:
        """Take what has the shape of a symbol and is in the asset master."""
        symbol: str = self.cleaned_data["symbol"]
        try:
            return checked_symbols([symbol])[0]
        except SymbolsError as error:
            said = "; ".join(error.problems.values())
            raise ValidationError(f"symbol: was {symbol!r}, {said}") from None


@admin.register(UniverseCandidate)
class UniverseCandidateAdmin(ConsoleAdmin):
    """Symbols proposed for the universe."""

    form = CandidateForm
    list_display = ["symbol", status_label, "score", "on_watchlist", "reasons", "updated_at"]
    list_filter = ["status", "on_watchlist"]
    search_fields = ["symbol"]

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> list[str]:
        """Keep a candidate's symbol: another symbol is another candidate."""
        fixed: list[Any] = ["created_at", "updated_at"]
        return ["symbol", *fixed] if obj else []
