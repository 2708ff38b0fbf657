"""The console's pages of the risk room: limits, checks and reservations.

The kill switch's page is in the trading room, because engaging it is a procedure of that room.
"""

from collections.abc import Iterable
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import models
from django.db.models import Exists, Model, OuterRef
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.loader import render_to_string
from django.urls import URLPattern, path
from unfold.admin import ModelAdmin
from unfold.contrib.filters.admin import RangeDateTimeFilter
from unfold.decorators import display
from unfold.paginator import InfinitePaginator

from risk.admin_columns import facts, link_to, money, number, symbol
from risk.decimal_widget import PlainDecimalWidget
from risk.domain.deciding_words import deciding_words
from risk.domain.trust import ANY
from risk.errors import LimitsError
from risk.limits_form import RiskLimitsForm
from risk.models import RiskCheck, RiskLimits, RiskReservation, TrustCurve
from risk.services.limits import (
    LIMIT_FIELDS,
    add_version,
    changed,
    limits_in_force,
    restore_version,
)

SHORT = {
    "max_position_percent": "position",
    "max_exposure_percent": "exposure",
    "max_positions": "positions",
    "max_daily_loss_percent": "daily loss",
    "max_position_risk_percent": "position's loss at its stop",
    "max_open_risk_percent": "all losses at stops",
}
ADD_PAGE = {
    "title": "Edit the limits",
    "show_save_and_add_another": False,
    "show_save_and_continue": False,
}


class RiskAdmin(ModelAdmin):  # type: ignore[misc]  # unfold has no type hints
    """A table of the risk room; nothing in it is ever changed or deleted by hand."""

    list_per_page = 30
    show_full_result_count = False
    list_filter_submit = True
    actions = None
    formfield_overrides = {models.DecimalField: {"widget": PlainDecimalWidget}}

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Any:
        """Offer no history of changes: nothing here is changed."""
        context["show_history"] = False
        return super().render_change_form(request, context, *args, **kwargs)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Facts are written by the gate alone."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Facts do not change."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Facts stay."""
        return False


@admin.register(RiskLimits)
class RiskLimitsAdmin(RiskAdmin):
    """Versions of the limits: adding one is the only way to change them."""

    form = RiskLimitsForm
    list_display = [
        "version",
        "state",
        "changed",
        number("max_position_percent", " %"),
        number("max_exposure_percent", " %"),
        "max_positions",
        number("max_daily_loss_percent", " %"),
        number("max_position_risk_percent", " %"),
        number("max_open_risk_percent", " %"),
        "author",
        "note",
        "created_at",
    ]
    readonly_fields = ["changed"]
    list_before_template = "console/limits_intro.html"
    show_add_link = False
    search_fields = ["author", "note"]

    @display(description="state", label={"in force": "success", "replaced": "default"})  # type: ignore[untyped-decorator]  # unfold has no type hints
    def state(self, limits: RiskLimits) -> str:
        """Show which version the gate uses."""
        return "replaced" if getattr(limits, "is_replaced", False) else "in force"

    @display(description="changed")  # type: ignore[untyped-decorator]  # unfold has no type hints
    def changed(self, limits: RiskLimits) -> str:
        """Say what the version changed of the one before."""
        said = changed(limits.before, limits) if hasattr(limits, "before") else {}
        return ", ".join(f"{SHORT[name]} {words}" for name, words in said.items()) or "-"

    def get_queryset(self, request: HttpRequest) -> Any:
        """Read with each version whether a newer one replaced it."""
        newer = RiskLimits.objects.filter(version__gt=OuterRef("version"))
        return super().get_queryset(request).annotate(is_replaced=Exists(newer))

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Read the version before each, once for the page."""
        page = super().get_changelist_instance(request)
        _add_before(page.result_list)
        return page

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """Read the version before it."""
        row = super().get_object(request, object_id, from_field)
        _add_before([row] if row else [])
        return row

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> list[Any]:
        """Show author and time on old versions; ask for neither."""
        if obj is not None:
            shown = [number(name, " %") if name.endswith("percent") else name for name in LIMIT_FIELDS]
            return ["version", *shown, "changed", "note", "author", "created_at"]
        return [*LIMIT_FIELDS, "note", "based_on"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Those who may add a version may change the limits."""
        return request.user.has_perm("risk.add_risklimits")

    def get_urls(self) -> list[URLPattern]:
        """Add the way back to an older version."""
        restore = self.admin_site.admin_view(self.restore_view)
        return [
            path("<path:object_id>/restore/", restore, name="risk_risklimits_restore"),
            *super().get_urls(),
        ]

    def restore_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Put the figures of an older version in force again, as a version of its own."""
        if not self.has_add_permission(request):
            raise PermissionDenied("risk.add_risklimits")
        older, newest = self.get_object(request, object_id), limits_in_force()
        if request.method != "POST" or older is None or newest is None:
            messages.warning(request, "Nothing was done: the answer did not arrive. Give it again here.")
            return redirect("admin:risk_risklimits_changelist")
        try:
            saved = restore_version(older, based_on=newest.version, author=request.user.get_username())
        except LimitsError as error:
            messages.error(request, f"Nothing was saved: {error}.")
        else:
            said = f"The limits of version {older.version} are in force again, as version {saved.version}."
            messages.success(request, said)
        return redirect("admin:risk_risklimits_changelist")

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """Offer the version before the one in force."""
        newest = limits_in_force()
        before = RiskLimits.objects.filter(version=newest.version - 1).first() if newest else None
        more = {"version_before": before, "difference": changed(newest, before) if before and newest else {}}
        return super().changelist_view(request, more | (extra_context or {}))

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Start from what is in force."""
        newest = limits_in_force()
        if newest is None:
            return {}
        return {name: getattr(newest, name) for name in LIMIT_FIELDS} | {"based_on": newest.version}

    def save_model(self, request: HttpRequest, obj: RiskLimits, form: Any, change: bool) -> None:
        """Add the version through the service."""
        values = form.cleaned_data
        saved = add_version(
            values={name: values[name] for name in LIMIT_FIELDS},
            author=request.user.get_username(),
            note=values["note"],
            based_on=values["based_on"],
        )
        obj.version, obj.author, obj.created_at = saved.version, saved.author, saved.created_at

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> Any:
        """Say so when somebody else was quicker."""
        try:
            return super().add_view(request, form_url, ADD_PAGE | (extra_context or {}))
        except LimitsError as error:
            messages.error(request, f"Nothing was saved: {error}.")
            return redirect("admin:risk_risklimits_add")


def _add_before(rows: Iterable[Any]) -> None:
    page = list(rows)
    earlier = RiskLimits.objects.in_bulk([row.version - 1 for row in page])
    for row in page:
        row.before = earlier.get(row.version - 1)


@admin.register(RiskCheck)
class RiskCheckAdmin(RiskAdmin):
    """What the gate answered, with every number it used."""

    paginator = InfinitePaginator
    list_display = [
        "created_at",
        symbol,
        "verdict",
        "why",
        "kind",
        number("quantity"),
        money("notional"),
        "limits_version",
        "strategy_version",
    ]
    list_filter = ["allowed", "reducing", ("created_at", RangeDateTimeFilter)]
    search_fields = ["symbol__exact", "reason__exact"]
    search_help_text = "A symbol, or a reason"
    ordering = ["-created_at"]
    fields = [
        symbol,
        "verdict",
        "why",
        "kind",
        number("quantity"),
        money("notional"),
        link_to("aidecision", "decision_id"),
        link_to("cycle", "cycle_id"),
        "limits_version",
        "strategy_version",
        facts("figures"),
        "created_at",
    ]
    readonly_fields = ["verdict", "why", "kind"]

    @display(description="for")  # type: ignore[untyped-decorator]  # unfold has no type hints
    def kind(self, check: RiskCheck) -> str:
        """Show whether it was asked about an entry or an exit."""
        return "exit" if check.reducing else "entry"

    @display(description="reason", ordering="reason")  # type: ignore[untyped-decorator]  # unfold has no type hints
    def why(self, check: RiskCheck) -> str:
        """Show the reason, with the figures that decided."""
        return (
            f"{check.reason.replace('_', ' ')} {deciding_words(check.reason, check.figures)}".strip() or "-"
        )

    @display(description="verdict", ordering="allowed", label={"allowed": "success", "denied": "default"})  # type: ignore[untyped-decorator]  # unfold has no type hints
    def verdict(self, check: RiskCheck) -> str:
        """Show the answer."""
        return "allowed" if check.allowed else "denied"


@admin.register(TrustCurve)
class TrustCurveAdmin(RiskAdmin):
    """Versions of what models' stated confidence is worth; the evaluation publishes them."""

    list_display = [
        "version",
        "model",
        "answered_model",
        "of_prompt",
        "of_strategy",
        "label_spec",
        number("break_even"),
        number("reference"),
        "valid",
        "author",
        "created_at",
    ]
    list_display_links = ["version"]
    search_fields = ["model", "author"]
    ordering = ["-version"]
    fields = [
        "version",
        "model",
        "answered_model",
        "of_strategy",
        "of_prompt",
        "label_spec",
        "worth",
        number("break_even"),
        number("reference"),
        "valid",
        facts("evidence"),
        "author",
        "created_at",
    ]
    readonly_fields = ["of_strategy", "of_prompt", "worth", "valid"]

    @display(description="strategy", ordering="strategy")  # type: ignore[untyped-decorator]  # unfold has no type hints
    def of_strategy(self, curve: TrustCurve) -> str:
        """Show whose entries it sizes."""
        return "any" if curve.strategy == ANY else curve.strategy

    @display(description="prompt", ordering="prompt_version")  # type: ignore[untyped-decorator]  # unfold has no type hints
    def of_prompt(self, curve: TrustCurve) -> str:
        """Show for which prompt it is."""
        return "any" if curve.prompt_version == ANY else curve.prompt_version

    @display(description="valid until (market time)", ordering="valid_until")  # type: ignore[untyped-decorator]  # unfold has no type hints
    def valid(self, curve: TrustCurve) -> str:
        """Show until when it is in force."""
        return f"{curve.valid_until:%Y-%m-%d %H:%M}"

    @display(description="what a confidence is worth")  # type: ignore[untyped-decorator]  # unfold has no type hints
    def worth(self, curve: TrustCurve) -> str:
        """Show each knot: from which stated confidence on how many purchases were right, and at least how many are."""
        return render_to_string("console/trust_knots.html", {"knots": curve.knots})


@admin.register(RiskReservation)
class RiskReservationAdmin(RiskAdmin):
    """Room in the risk book, and when it was given back."""

    paginator = InfinitePaginator

    list_display = [
        "created_at",
        symbol,
        "side",
        number("quantity"),
        money("notional"),
        "state",
        "released_at",
        "why_released",
    ]
    fields = [
        symbol,
        "side",
        number("quantity"),
        money("notional"),
        link_to("aidecision", "decision_id"),
        link_to("cycle", "cycle_id"),
        "created_at",
        "released_at",
        "why_released",
    ]
    list_filter = [
        "side",
        ("released_at", admin.EmptyFieldListFilter),
        ("created_at", RangeDateTimeFilter),
    ]
    readonly_fields = ["why_released"]
    search_fields = ["=symbol"]
    ordering = ["-created_at"]

    @display(description="release reason", ordering="release_reason")  # type: ignore[untyped-decorator]  # unfold has no type hints
    def why_released(self, reservation: RiskReservation) -> str:
        """Show why it was given back."""
        return reservation.release_reason.replace("_", " ") or "-"

    @display(description="state", label={"counts": "warning", "released": "default"})  # type: ignore[untyped-decorator]  # unfold has no type hints
    def state(self, reservation: RiskReservation) -> str:
        """Show whether it still takes room."""
        return "released" if reservation.released_at else "counts"
