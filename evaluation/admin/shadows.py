"""Shadow strategies: each beside the account that trades."""

from decimal import Decimal
from typing import Any

from django.contrib import admin
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse

from evaluation.admin.line_charts import Line, line_chart
from evaluation.models import ShadowBook, ShadowDecision, ShadowFill, ShadowPoint
from evaluation.services.shadow.reading import (
    CurvePoint,
    curve_of,
    positions_of,
    standing,
    state_of,
    thinned,
)
from risk.domain.numbers import share_percent
from trading.admin.base import GrowingRecordAdmin, RecordAdmin, figure, labelled, list_url, moment, of_symbol
from trading.models import Strategy
from trading.templatetags.console import money

SHOWN = 20
TABLE_ROWS = 24
START, ACCOUNT_START = figure("start_equity"), figure("start_account_equity")
COLOURS = {"filled": "success", "waiting": "info", "denied": "warning", "given up": "default"}


@admin.register(ShadowBook)
class ShadowBookAdmin(RecordAdmin):
    """The books of the strategies that never trade."""

    list_before_template = "evaluation/shadow_intro.html"
    change_form_before_template = "evaluation/shadow_book.html"
    list_display = [
        "strategy", "state", "equity", "earned", "account", "decided", "unanswered", "cycles_missed",
        figure("cost_usd"), "last_seen",
    ]  # fmt: skip
    list_select_related = ["strategy"]
    search_fields = ["strategy__name"]
    ordering = ["strategy__name"]
    readonly_fields = [START, ACCOUNT_START]
    fields = ["strategy", "origin", START, ACCOUNT_START, "opened_at", "requests_asked"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[ShadowBook]:
        """Bring the newest point of each along."""
        newest = ShadowPoint.objects.filter(book=OuterRef("pk")).order_by("-cycle_number")
        found: QuerySet[ShadowBook] = super().get_queryset(request)
        return found.annotate(
            now_equity=Subquery(newest.values("equity")[:1]),
            now_account=Subquery(newest.values("account_equity")[:1]),
            now_at=Subquery(newest.values("at")[:1]),
        )

    @labelled(description="state", colours={"decides": "success", "at rest": "default"})
    def state(self, book: ShadowBook) -> str:
        """Show whether it goes on."""
        strategy: Strategy = book.strategy
        return "decides" if strategy.is_active and strategy.is_shadow else "at rest"

    @admin.display(description="equity, USD")
    def equity(self, book: Any) -> str:
        """Show what it is worth, USD."""
        return money(book.now_equity)

    @admin.display(description="earned")
    def earned(self, book: Any) -> str:
        """Show its return since its first cycle."""
        return _percent(book.start_equity, book.now_equity)

    @admin.display(description="the account meanwhile")
    def account(self, book: Any) -> str:
        """Show the account's return over the same time."""
        return _percent(book.start_account_equity, book.now_account)

    @admin.display(description="missed")
    def cycles_missed(self, book: ShadowBook) -> int:
        """Count the cycles it was not asked about."""
        return book.missed + book.passed_over

    @admin.display(description="seen up to (market time)")
    def last_seen(self, book: Any) -> str:
        """Show market time of the last cycle it has seen."""
        return "-" if book.now_at is None else f"{book.now_at:%Y-%m-%d %H:%M}"

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Name the shadows that have seen no cycle yet."""
        new = Strategy.objects.shadows().filter(shadow_book__isnull=True)
        more = {"without_book": list(new.values_list("name", flat=True))}
        found: HttpResponse = super().changelist_view(request, more | (extra_context or {}))
        return found

    def row_context(self, request: HttpRequest, object_id: str) -> dict[str, Any]:
        """Show both curves, what is held, the last decisions and fills."""
        book = self.get_object(request, object_id)
        return {} if book is None else {"shadow": _shown(book), "title": str(book)}


@admin.register(ShadowDecision)
class ShadowDecisionAdmin(GrowingRecordAdmin):
    """What shadows wanted to trade, and what the gate said."""

    list_display = [
        moment("as_of"), "book", of_symbol(), "action", "state", "reason", figure("confidence"), figure("quantity"),
        "model",
    ]  # fmt: skip
    list_filter = ["book", "status", "action"]
    list_select_related = ["book__strategy"]
    search_fields = ["symbol__exact"]
    uuid_search = ("id", "cycle_id")
    ordering = ["-created_at", "-id"]

    @labelled(description="status", colours=COLOURS)
    def state(self, decision: ShadowDecision) -> str:
        """Show its status as a label."""
        return str(decision.get_status_display())


@admin.register(ShadowFill)
class ShadowFillAdmin(GrowingRecordAdmin):
    """What shadows' orders became."""

    list_display = [
        moment("at"), "book", of_symbol(), "side", "cause", figure("quantity"), figure("price"),
        figure("snapshot_price"), figure("fees"), figure("realised"),
    ]  # fmt: skip
    list_filter = ["book", "cause", "side"]
    list_select_related = ["book__strategy"]
    search_fields = ["symbol__exact"]
    uuid_search = ("id", "cycle_id", "decision_id")
    ordering = ["-created_at", "-id"]


def _shown(book: ShadowBook) -> dict[str, Any]:
    curve, point = curve_of(book), book.points.first()
    found = standing(book.strategy, book, point)
    return {
        "standing": found,
        "chart": _chart(curve, book) if len(curve) > 1 else None,
        "rows": [(each, *_returns(each, book)) for each in reversed(thinned(curve, TABLE_ROWS))],
        "positions": positions_of(state_of(book)),
        "decisions": book.decisions.all()[:SHOWN],
        "fills": book.fills.all()[:SHOWN],
        "missed": book.points.filter(outcome__in=["missed", "unanswered"])[:SHOWN],
        "told": list(book.points.exclude(notes=[])[:SHOWN]),
        "decisions_url": list_url("evaluation", "shadowdecision", book__id__exact=book.pk),
        "fills_url": list_url("evaluation", "shadowfill", book__id__exact=book.pk),
    }


def _chart(curve: list[CurvePoint], book: ShadowBook) -> dict[str, str]:
    returns = [_returns(each, book) for each in curve]
    lines = (
        Line(str(book.strategy), [own for own, _ in returns], "var(--color-primary-500)"),
        Line("the account", [theirs for _, theirs in returns], "#d97706", is_dashed=True),
    )
    return line_chart([f"{each.at:%Y-%m-%d %H:%M}" for each in curve], lines, unit="% since the first cycle")


def _returns(point: CurvePoint, book: ShadowBook) -> tuple[float | None, float | None]:
    return (
        _return(book.start_equity, point.equity),
        _return(book.start_account_equity, point.account_equity),
    )


def _return(start: Decimal | None, now: Decimal | None) -> float | None:
    return None if not start or now is None else round(float(share_percent(now - start, start)), 3)


def _percent(start: Decimal | None, now: Decimal | None) -> str:
    found = _return(start, now)
    return "-" if found is None else f"{found:+.2f} %"
