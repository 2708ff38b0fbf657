"""The asset master and the strategies."""

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.widgets import UnfoldAdminTextInputWidget, UnfoldBooleanWidget

from risk.domain.limits import LIMIT_NAMES
from trading.admin.base import (
    REASON,
    ChangedAdmin,
    GrowingRecordAdmin,
    RecordAdmin,
    figure,
    labelled,
    list_url,
    of_symbol,
    yes_no,
)
from trading.admin.extras import STRATEGY_DEEDS
from trading.admin.hands.deeds import Deed
from trading.admin.hands.rolling_back import CHANGE, roll_back_view
from trading.admin.pages import reason_field
from trading.admin.shown.read_only import facts_block
from trading.admin.stories.symbol_page import PAGE as SYMBOL
from trading.admin.stories.symbol_page import symbol_view
from trading.analysis.sealed_facts import unsealed
from trading.analysis.shadowing import effects_of
from trading.analysis.strategies import CONTENT, check_strategy, save_strategy
from trading.errors import RecordError
from trading.models import Asset, BarHistory, DecisionRecord, Strategy, StrategyVersion
from trading.queries.changes import Difference, all_of, changed_names, differences_of, differences_to_now


@admin.register(Asset)
class AssetAdmin(RecordAdmin):
    """What the broker lists."""

    list_display = [
        of_symbol(),
        "name",
        "asset_class",
        "exchange",
        yes_no("tradable"),
        yes_no("fractionable"),
        figure("dollar_volume"),
        "refreshed_at",
    ]
    list_display_links = ["asset_class"]
    list_filter = ["asset_class", "tradable", "fractionable"]
    search_fields = ["symbol", "name"]

    def get_urls(self) -> list[URLPattern]:
        """Add the page of a symbol, which the broker may no longer list."""
        page = path("symbol/<path:symbol>/", self.admin_site.admin_view(symbol_view), name=SYMBOL)
        return [page, *super().get_urls()]


@admin.register(BarHistory)
class BarHistoryAdmin(RecordAdmin):
    """Daily bars as kept between cycles; deleted by nobody, replaced on the next market day."""

    list_display = [of_symbol(), "market_date", "bar_count", "fetched_at"]
    list_display_links = ["market_date"]
    search_fields = ["symbol__exact"]

    @admin.display(description="bars")
    def bar_count(self, history: BarHistory) -> int:
        """Show how many days are kept."""
        return len(history.bars)


EXIT_HELP = {
    "stop_percent": "How far below its entry a position is given up, in percent. A decision may propose its own,"
    " within the tightest and the widest stop.",
    "stop_atr_multiple": "The stop in average daily ranges (ATR 14) instead, where that range is known; empty: the"
    " percentage.",
    "target_percent": "How far above its entry a position is sold, in percent; empty: by reward to risk.",
    "reward_to_risk": "The target in multiples of the stop's distance: 2 puts it 10 % above the entry where the stop is"
    " 5 % below. Empty, and no target percent: no target.",
    "trailing_percent": "The stop follows the highest price at this distance, in percent, and never falls; empty: it"
    " stays where it is.",
    "time_stop_sessions": "After so many trading sessions a position is sold, whatever it is worth; empty: no such end."
    " A decision's own horizon may only be shorter.",
    "tightest_stop_percent": "No stop is nearer to the entry than this, in percent.",
    "widest_stop_percent": "No stop is further from the entry than this, in percent, whoever proposes it.",
    "allows_fractions": "Whether it may buy parts of shares. The broker takes no stop for a part of a share: such a"
    " position is protected only while this system runs. Not ticked: whole shares alone, and what is too small for one"
    " is not bought.",
}


SAMPLING_HELP = {
    "samples": "How often its models are asked about every symbol, each time in another order; 1: once. Costs as many"
    " times as much. What too few answers agree on (setting min agreement) is held as unstable.",
    "confirm": "The same, but only about what the first answer would trade: a handful of symbols instead of all. 1: not"
    " at all. Half of the analysis's time is kept for it.",
}


class StrategyForm(forms.ModelForm):  # type: ignore[type-arg]  # generic in the stubs alone
    """A strategy that the service would take; what it would not is named beside its field."""

    confirmed = forms.BooleanField(
        label="I want this",
        required=False,
        widget=UnfoldBooleanWidget,
        help_text="To be ticked where a strategy that trades becomes a shadow, or a shadow is to trade.",
    )
    reason = reason_field("Why")

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
            "symbols": "Only these of them, separated by commas, e.g. AAPL, BTC/USD; empty: all.",
            "model_names": "litellm names in order of fallback, separated by commas, e.g. openai/gpt-4o-mini;"
            " empty: AI_MODELS.",
            "is_active": "Cycles ask for active strategies alone. A new one is inactive until you tick this.",
            "is_shadow": "It decides on what cycles saw, on a book of its own, and never trades. It is asked after the"
            " cycle has decided, out of the purse for evaluations.",
            "keywords": "Separated by commas; headlines with one of them are shown to its models.",
            **dict.fromkeys(LIMIT_NAMES, "Tighter than the account's, or empty: the account's."),
            **EXIT_HELP,
            **SAMPLING_HELP,
        }

    def clean(self) -> dict[str, Any]:
        """Name each value that cannot be taken, and what was expected."""
        values: dict[str, Any] = super().clean() or self.cleaned_data
        stored = Strategy.objects.filter(pk=self.instance.pk).first()
        # What was not sent at all stays as it is; what was emptied is a value.
        given = {name: value for name, value in values.items() if value is not None or name in self.data}
        for name, problem in check_strategy(given, stored=stored).items():
            self.add_error(name, problem)
        if stored is not None and not values.get("confirmed"):
            effects = effects_of(
                stored, is_active=bool(given.get("is_active")), is_shadow=bool(given.get("is_shadow"))
            )
            if effects:
                said = "; ".join(effects)
                self.add_error("confirmed", f"confirmed: was not ticked; {said}. Tick it to go on.")
        return values

    def validate_constraints(self) -> None:
        """Leave the bounds to ``check_strategy``, which says them in words; the database holds them too."""
        self.instance.validate_unique()


@admin.register(Strategy)
class StrategyAdmin(ChangedAdmin):
    """Strategies; one that is not wanted any more is made inactive, its trades keep pointing at it."""

    form = StrategyForm
    change_log = "strategy"
    list_display = [
        "name",
        "active_label",
        "trades",
        "version",
        "universe",
        figure("size_percent"),
        "updated_at",
    ]
    list_filter = ["is_active", "is_shadow"]
    search_fields = ["name", "instructions"]
    readonly_fields = ["version", "created_at", "updated_at", "changes"]
    change_form_before_template = "console/deeds.html"

    def row_context(self, request: HttpRequest, object_id: str) -> dict[str, Any]:
        """Lead to its versions, and to what other rooms do with a strategy."""
        if not object_id:
            return {}
        versions = list_url("trading", "strategyversion", strategy__id__exact=object_id)
        strategy = self.get_object(request, object_id)
        pieces = STRATEGY_DEEDS.shown(request, strategy) if strategy else []
        return {"deeds": [Deed("Versions, differences, roll-back", versions)], "pieces": pieces}

    @labelled(
        description="state", ordering="-is_active", colours={"active": "success", "inactive": "default"}
    )
    def active_label(self, strategy: Strategy) -> str:
        """Show whether cycles use it."""
        return "active" if strategy.is_active else "inactive"

    @labelled(
        description="decides for",
        ordering="is_shadow",
        colours={"the account": "info", "a shadow": "default"},
    )
    def trades(self, strategy: Strategy) -> str:
        """Show whether its decisions may become orders."""
        return "a shadow" if strategy.is_shadow else "the account"

    def get_fields(self, request: HttpRequest, obj: Strategy | None = None) -> list[str]:
        """Ask those who may write it for the reason; show everybody what was changed before."""
        may = self.has_change_permission(request, obj) if obj else self.has_add_permission(request)
        asked = [*CONTENT, "is_active", *(["confirmed", REASON] if may else [])]
        return [*asked, "version", "created_at", "updated_at", "changes"] if obj else asked

    def save_model(self, request: HttpRequest, obj: Strategy, form: Any, change: bool) -> None:
        """Store it through the service, as its next version."""
        save_strategy(obj, author=request.user.get_username(), reason=form.cleaned_data[REASON])


@admin.register(StrategyVersion)
class StrategyVersionAdmin(RecordAdmin):
    """What each strategy was in each version."""

    list_display = ["created_at", "strategy", "version", "changed", "author", "reason"]
    list_filter = ["strategy"]
    list_select_related = ["strategy"]
    ordering = ["-created_at"]
    change_form_before_template = "console/deeds.html"
    fields = [
        "strategy", "version", "author", "reason", "created_at", "difference", "to_now", "content_in_words",
    ]  # fmt: skip
    readonly_fields = ["difference", "to_now", "content_in_words"]

    def get_urls(self) -> list[URLPattern]:
        """Add the way back to a version."""
        roll_back = self.admin_site.admin_view(roll_back_view)
        return [
            path("<path:object_id>/roll-back/", roll_back, name="trading_strategyversion_roll_back"),
            *super().get_urls(),
        ]

    def row_context(self, request: HttpRequest, object_id: str) -> dict[str, Any]:
        """Offer the way back to those who may change strategies."""
        if not object_id or not request.user.has_perm(CHANGE):
            return {}
        url = reverse("admin:trading_strategyversion_roll_back", args=[object_id])
        return {"deeds": [Deed("Roll back to this version …", url)]}

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Read what each version changed, once for the page."""
        page = super().get_changelist_instance(request)
        rows = list(page.result_list)
        for row, (_, names) in zip(rows, changed_names(rows), strict=True):
            row.changed_names = names
        return page

    @admin.display(description="changed")
    def changed(self, version: StrategyVersion) -> str:
        """Name what differs from the version before."""
        names = getattr(version, "changed_names", None)
        return "all of it" if names is None else ", ".join(names) or "-"

    @admin.display(description="changed")
    def difference(self, version: StrategyVersion) -> SafeString | str:
        """Show what it changed of the version before."""
        if version.version == 1:
            return "the first version"
        words = {"was": f"version {version.version - 1}", "now": f"version {version.version}"}
        return _table(differences_of(version), **words)

    @admin.display(description="otherwise than in force")
    def to_now(self, version: StrategyVersion) -> SafeString | str:
        """Show what it has otherwise than the strategy in force."""
        found = differences_to_now(version)
        words = {"was": f"version {version.strategy.version}, in force", "now": f"version {version.version}"}
        return _table(found, **words) if found else "nothing"

    @admin.display(description="all of it")
    def content_in_words(self, version: StrategyVersion) -> SafeString:
        """Show every figure and word of it."""
        return _table(all_of(version), was="", now=f"version {version.version}")


def _table(differences: list[Difference], *, was: str, now: str) -> SafeString:
    return render_to_string("console/differences.html", {"differences": differences, "was": was, "now": now})


@admin.register(DecisionRecord)
class DecisionRecordAdmin(GrowingRecordAdmin):
    """What decisions saw, by fingerprint."""

    list_display = ["created_at", "sha256", "size"]
    search_fields = ["sha256__startswith", "seen_sha256__startswith"]
    ordering = ["-created_at"]
    fields = ["sha256", "seen_sha256", "size", "created_at", "content"]
    readonly_fields = ["content"]

    @admin.display(description="content")
    def content(self, record: DecisionRecord) -> SafeString:
        """Show the record as it was written."""
        try:
            return facts_block(unsealed(record))
        except RecordError as error:
            return format_html("{}", str(error))
