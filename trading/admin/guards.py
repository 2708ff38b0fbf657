"""Locks on symbols: who keeps which from being bought, why and until when."""

from datetime import UTC
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from unfold.widgets import UnfoldAdminTextInputWidget

from trading.admin.base import RecordAdmin, labelled, moment, of_symbol
from trading.admin.pages import FormPage, form_page, posted, reason_field, require
from trading.errors import GuardError
from trading.guards.symbol_locks import lock_symbol, unlock_symbol
from trading.market.market_time import latest_market_time
from trading.models import SymbolLock

LOCK = "trading.lock_symbol"
PAGE = "admin:trading_symbollock_changelist"
EFFECTS = (
    "No entry in the symbol passes the risk gate, in every mode; what is held may be sold as before.",
    "A lock that the symbol has is replaced.",
)


class LockForm(forms.Form):
    """Which symbol, why, and until when."""

    symbol = forms.CharField(
        max_length=32,
        widget=UnfoldAdminTextInputWidget,
        error_messages={"required": "symbol: was empty, expected one like AAPL or BTC/USD"},
    )
    until = forms.DateTimeField(
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text="Market time in UTC, e.g. 2025-01-31 21:00; empty: until somebody unlocks it.",
    )
    reason = reason_field()


@admin.register(SymbolLock)
class SymbolLockAdmin(RecordAdmin):
    """Locks in force and those that ended; adding and ending go by the services, so that each is an event."""

    list_display = [
        of_symbol(),
        "state",
        moment("until"),
        "reason",
        "author",
        "created_at",
        "ended_at",
        "ended_by",
    ]
    list_display_links = ["created_at"]
    search_fields = ["=symbol", "reason", "author"]
    list_filter = [("ended_at", admin.EmptyFieldListFilter)]
    actions = ["unlock_selected"]

    @labelled(description="state", colours={"locked": "warning", "over": "default", "unlocked": "default"})
    def state(self, lock: SymbolLock) -> str:
        """Show whether it still keeps the symbol from being bought."""
        if lock.ended_at:
            return "unlocked"
        now = latest_market_time() if lock.until else None
        return "over" if lock.until and now and lock.until <= now else "locked"

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Whether the user may lock symbols."""
        return request.user.has_perm(LOCK)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """What was locked is a fact."""
        return False

    def get_urls(self) -> list[URLPattern]:
        """Add the form in place of the table's own."""
        add = path("add/", self.admin_site.admin_view(self.lock_view), name="trading_symbollock_add")
        return [add, *super().get_urls()]

    def lock_view(self, request: HttpRequest) -> HttpResponse:
        """Ask what is locked, why and until when."""
        require(request, LOCK)
        form = LockForm(posted(request), initial={"symbol": request.GET.get("symbol", "")})
        if form.is_valid() and _lock(request, form):
            return redirect(PAGE)
        page = FormPage("Lock a symbol", EFFECTS, "Lock it", reverse(PAGE))
        return form_page(request, form=form, page=page)

    def has_unlock_permission(self, request: HttpRequest) -> bool:
        """Whether the user may unlock symbols."""
        return request.user.has_perm(LOCK)

    @admin.action(description="Unlock the selected symbols", permissions=["unlock"])
    def unlock_selected(self, request: HttpRequest, queryset: "QuerySet[SymbolLock]") -> None:
        """End their locks at once."""
        actor = request.user.get_username()
        named = dict.fromkeys(queryset.filter(ended_at__isnull=True).values_list("symbol", flat=True))
        ended = [symbol for symbol in named if unlock_symbol(symbol=symbol, actor=actor)]
        messages.success(request, f"Unlocked: {', '.join(ended) or 'none, they had ended before'}.")


def _lock(request: HttpRequest, form: LockForm) -> bool:
    """Lock what the form says; where that is refused, say why at the field."""
    asked: dict[str, Any] = dict(form.cleaned_data)
    if asked["until"] is not None and asked["until"].tzinfo is None:
        asked["until"] = asked["until"].replace(tzinfo=UTC)
    try:
        lock = lock_symbol(actor=request.user.get_username(), **asked)
    except GuardError as error:
        field = str(error).partition(":")[0]
        form.add_error(field if field in form.fields else None, str(error))
        return False
    messages.success(request, f"{lock.symbol} is locked.")
    return True
