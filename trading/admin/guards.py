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
from trading.admin.pages import (
    FormPage,
    ReasonForm,
    add_problem,
    came_from,
    form_page,
    posted,
    reason_field,
    require,
)
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
UNLOCK_EFFECTS = ("Entries in the symbol pass the risk gate again, from the next decision on.",)


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
        """Add the form in place of the table's own, and the one that ends a symbol's lock."""
        wrap = self.admin_site.admin_view
        return [
            path("add/", wrap(self.lock_view), name="trading_symbollock_add"),
            path("<path:symbol>/unlock/", wrap(self.unlock_view), name="trading_symbollock_unlock"),
            *super().get_urls(),
        ]

    def lock_view(self, request: HttpRequest) -> HttpResponse:
        """Ask what is locked, why and until when."""
        require(request, LOCK)
        form = LockForm(posted(request), initial={"symbol": request.GET.get("symbol", "")})
        back = came_from(request, reverse(PAGE))
        if form.is_valid() and _lock(request, form):
            return redirect(back)
        page = FormPage("Lock a symbol", EFFECTS, "Lock it", back)
        return form_page(request, form=form, page=page)

    def unlock_view(self, request: HttpRequest, symbol: str) -> HttpResponse:
        """Ask why, then end the symbol's lock."""
        require(request, LOCK)
        form, back = ReasonForm(posted(request)), came_from(request, reverse(PAGE))
        if form.is_valid():
            actor = request.user.get_username()
            if unlock_symbol(symbol=symbol, actor=actor, reason=form.cleaned_data["reason"]):
                messages.success(request, f"{symbol} is unlocked.")
            else:
                messages.warning(request, f"Nothing was done: {symbol} is not locked.")
            return redirect(back)
        page = FormPage(f"Unlock {symbol}", UNLOCK_EFFECTS, "Unlock it", back)
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
        add_problem(form, error)
        return False
    messages.success(request, f"{lock.symbol} is locked.")
    return True
