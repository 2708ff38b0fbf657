"""The universe: its candidates, who answers them, and what a cycle made of them."""

from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path, reverse
from unfold.decorators import action
from unfold.widgets import UnfoldAdminTextareaWidget

from trading.admin.base import (
    ConsoleAdmin,
    change_url,
    labelled,
    of_symbol,
    status_badge,
    status_label,
)
from trading.admin.pages import FormPage, ReasonForm, form_page, nothing_sent, posted, require
from trading.admin.stories.universe_page import SEATS, uuid_of
from trading.analysis import candidates
from trading.domain.universe_record import UniverseLine
from trading.errors import CandidateError
from trading.labels import words_of
from trading.market.universe import SymbolStanding, last_universe, symbol_standings
from trading.models import UniverseCandidate

CHANGE = "trading.change_universecandidate"
PAGE = "admin:trading_universecandidate_changelist"
STANDING = "standing"  # of a row, how it fared in the last cycle
UNCONSIDERED = {
    "proposed": "no: waits for an answer",
    "approved": "from the next cycle on",
    "rejected": "no: rejected",
}
REJECT_EFFECTS = (
    "Cycles leave the symbol out, unless there is an open position in it; it leaves the watchlist, too.",
    "Strategies and models that propose it again are not heard; a person may still approve it.",
)


class CandidateForm(forms.ModelForm):  # type: ignore[type-arg]  # generic in the stubs alone
    """A candidate whose symbol can be traded."""

    class Meta:
        model = UniverseCandidate
        fields = ["symbol", "on_watchlist", "reason"]
        widgets = {"reason": UnfoldAdminTextareaWidget(attrs={"rows": 3})}
        labels = {"reason": "Why"}
        help_texts = {
            "symbol": "A stock like AAPL or BRK.B, or a coin like BTC/USD, that the broker lists as tradable.",
            "on_watchlist": "Cycles look at it from the next one on, with priority high and score 20.",
            "reason": "Kept with the candidate and its events.",
        }
        error_messages = {
            "symbol": {
                "required": "symbol: was empty, expected a stock like AAPL or a coin like BTC/USD",
                "unique": "symbol: is a candidate already, expected another one (search the list for it)",
            }
        }

    def clean_symbol(self) -> str:
        """Take what has the shape of a symbol and is in the asset master."""
        symbol: str = self.cleaned_data["symbol"]
        try:
            return candidates.checked_candidate_symbol(symbol)
        except CandidateError as error:
            raise ValidationError(str(error)) from None


@admin.register(UniverseCandidate)
class UniverseCandidateAdmin(ConsoleAdmin):
    """Symbols proposed for the universe; every change goes through a service, with its author."""

    form = CandidateForm
    list_display = [
        of_symbol(),
        status_label,
        "watched",
        "score",
        "speaks",
        "last_cycle",
        "proposed",
        "answered",
    ]
    list_display_links = ["proposed"]
    list_filter = ["status", "on_watchlist"]
    search_fields = ["symbol", "source"]
    search_help_text = "A symbol, or who proposed it"
    uuid_search = ("pk",)
    actions = ["approve_chosen", "reject_chosen", "watch_chosen", "unwatch_chosen"]
    change_form_outer_before_template = "console/candidate_answer.html"  # it has a form of its own

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Read how the candidates fared in the last cycle, once for the page."""
        page = super().get_changelist_instance(request)
        _add_standings(page.result_list)
        return page

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> UniverseCandidate | None:
        """Read how the candidate fared in the last cycle."""
        row: UniverseCandidate | None = super().get_object(request, object_id, from_field)
        _add_standings([row] if row else [])
        return row

    @labelled(
        description="watchlist", ordering="-on_watchlist", colours={"watched": "success", "-": "default"}
    )
    def watched(self, row: UniverseCandidate) -> str:
        """Show whether it is on the watchlist."""
        return "watched" if row.on_watchlist else "-"

    @admin.display(description="score")
    def score(self, row: UniverseCandidate) -> str:
        """Show its score in the last cycle."""
        line = _line(row)
        return str(line.score) if line else "-"

    @admin.display(description="what speaks for it")
    def speaks(self, row: UniverseCandidate) -> str:
        """Show the reasons of the last cycle."""
        line = _line(row)
        return ", ".join(map(words_of, line.reasons)) if line else "-"

    @admin.display(description="in the last cycle")
    def last_cycle(self, row: UniverseCandidate) -> str:
        """Show how it fared: in by which right, waiting at which place, or left out and why."""
        standing = _standing(row)
        if standing is None:
            return UNCONSIDERED.get(row.status, "-") if not row.on_watchlist else "from the next cycle on"
        if standing.line is None:
            return standing.left_out
        if standing.line.turn is not None:
            return f"waits, number {standing.line.turn} in line"
        return f"in: {SEATS[standing.line.seat][0]}"

    @admin.display(description="proposed by", ordering="source")
    def proposed(self, row: UniverseCandidate) -> str:
        """Show who proposed it, and why."""
        return f"{row.source}: {row.reason}" if row.reason else row.source or "-"

    @admin.display(description="answered by", ordering="answered_at")
    def answered(self, row: UniverseCandidate) -> str:
        """Show who answered, and why."""
        return f"{row.answered_by}: {row.answer_reason}" if row.answer_reason else row.answered_by or "-"

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Ask for little; show all."""
        if obj is None:
            return ["symbol", "on_watchlist", "reason"]
        shown: list[Any] = ["symbol", status_badge, "on_watchlist", "score", "speaks", "last_cycle"]
        return [*shown, "proposed", "answered", "answered_at", "created_at", "updated_at"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Keep a candidate's symbol: another symbol is another candidate. A rejected one cannot be watched."""
        if obj is None:
            return []
        editable = set() if obj.status == UniverseCandidate.Status.REJECTED else {"on_watchlist"}
        return [name for name in self.get_fields(request, obj) if name not in editable]

    def get_urls(self) -> list[URLPattern]:
        """Add the answers."""
        wrap = self.admin_site.admin_view
        return [
            path("reject/", wrap(self.reject_view), name="trading_universecandidate_reject"),
            path("<uuid:pk>/approve/", wrap(self.approve_view), name="trading_universecandidate_approve"),
            *super().get_urls(),
        ]

    def save_model(self, request: HttpRequest, obj: UniverseCandidate, form: Any, change: bool) -> None:
        """Write through the services, which record the author."""
        actor = request.user.get_username()
        given = form.cleaned_data
        symbol = obj.symbol
        if not change:
            obj.pk = candidates.propose_candidate(symbol=symbol, source=actor, reason=given["reason"]).pk
        if "on_watchlist" in given and (change or given["on_watchlist"]):
            candidates.set_watchlist(symbol=symbol, on=given["on_watchlist"], actor=actor)

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        """Add who may answer; say so when somebody else was quicker."""
        more = {"may_answer": request.user.has_perm(CHANGE)}
        try:
            return super().changeform_view(request, object_id, form_url, more | (extra_context or {}))
        except CandidateError as error:
            messages.error(request, f"Nothing was saved: {error}.")
            return redirect(request.path)

    def approve_view(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Approve one candidate from its own page."""
        require(request, CHANGE)
        if request.method != "POST":
            return nothing_sent(request, change_url("trading", "universecandidate", pk))
        row = get_object_or_404(UniverseCandidate, pk=pk)
        _do(
            request,
            [row],
            "approved",
            lambda r, actor: candidates.approve_candidate(symbol=r.symbol, actor=actor),
        )
        return redirect(change_url("trading", "universecandidate", pk))

    def reject_view(self, request: HttpRequest) -> HttpResponse:
        """Ask why, then reject the candidates named in the address."""
        require(request, CHANGE)
        wanted = [pk for pk in map(uuid_of, request.GET.getlist("id")) if pk]
        rows = list(UniverseCandidate.objects.filter(pk__in=wanted))
        if not rows:
            messages.warning(request, "Nothing was done: no candidate was chosen.")
            return redirect(PAGE)
        form = ReasonForm(posted(request))
        if form.is_valid():
            reason = form.cleaned_data["reason"]
            _do(
                request,
                rows,
                "rejected",
                lambda r, actor: candidates.reject_candidate(symbol=r.symbol, actor=actor, reason=reason),
            )
            return redirect(PAGE)
        names = ", ".join(row.symbol for row in rows)
        page = FormPage(f"Reject {names}", REJECT_EFFECTS, "Reject", reverse(PAGE))
        return form_page(request, form=form, page=page)

    @action(description="Approve", permissions=["change"])  # type: ignore[untyped-decorator]  # unfold has no type hints
    def approve_chosen(self, request: HttpRequest, chosen: QuerySet[UniverseCandidate]) -> None:
        """Approve what is ticked."""
        _do(
            request,
            chosen,
            "approved",
            lambda r, actor: candidates.approve_candidate(symbol=r.symbol, actor=actor),
        )

    @action(description="Reject …", permissions=["change"])  # type: ignore[untyped-decorator]  # unfold has no type hints
    def reject_chosen(self, request: HttpRequest, chosen: QuerySet[UniverseCandidate]) -> HttpResponse:
        """Go and ask why."""
        query = urlencode([("id", str(row.pk)) for row in chosen])
        return redirect(f"{reverse('admin:trading_universecandidate_reject')}?{query}")

    @action(description="Put on the watchlist", permissions=["change"])  # type: ignore[untyped-decorator]  # unfold has no type hints
    def watch_chosen(self, request: HttpRequest, chosen: QuerySet[UniverseCandidate]) -> None:
        """Put what is ticked on the watchlist."""
        _do(
            request,
            chosen,
            "watched",
            lambda r, a: candidates.set_watchlist(symbol=r.symbol, on=True, actor=a),
        )

    @action(description="Take off the watchlist", permissions=["change"])  # type: ignore[untyped-decorator]  # unfold has no type hints
    def unwatch_chosen(self, request: HttpRequest, chosen: QuerySet[UniverseCandidate]) -> None:
        """Take what is ticked off the watchlist."""
        _do(
            request,
            chosen,
            "taken off the watchlist",
            lambda r, a: candidates.set_watchlist(symbol=r.symbol, on=False, actor=a),
        )


def _add_standings(rows: Iterable[UniverseCandidate]) -> None:
    known = symbol_standings(last_universe())
    for row in rows:
        setattr(row, STANDING, known.get(row.symbol))


def _standing(row: UniverseCandidate) -> SymbolStanding | None:
    standing: SymbolStanding | None = getattr(row, STANDING, None)
    return standing


def _line(row: UniverseCandidate) -> UniverseLine | None:
    standing = _standing(row)
    return standing.line if standing else None


def _do(
    request: HttpRequest,
    rows: Any,
    done: str,
    act: Callable[[UniverseCandidate, str], object],
) -> None:
    """Do it to each, and say what was done and what could not be."""
    actor = request.user.get_username()
    changed: list[str] = []
    for row in rows:
        try:
            act(row, actor)
        except CandidateError as error:
            messages.error(request, f"{row.symbol}: nothing was done, {error}.")
        else:
            changed.append(row.symbol)
    if changed:
        messages.success(request, f"{', '.join(changed)}: {done}.")
