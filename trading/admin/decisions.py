"""Decisions, why they were made, and what became of them."""

from typing import Any, cast
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path, reverse
from django.utils.text import Truncator
from unfold.contrib.filters.admin import RangeDateTimeFilter

from trading.admin.answers import ANSWER, follow, tell
from trading.admin.base import (
    GrowingRecordAdmin,
    change_url,
    cycle_link,
    figure,
    of_symbol,
    status_badge,
    status_label,
)
from trading.admin.extras import DECISION_DEEDS, DECISION_SECTIONS
from trading.admin.hands.cards import cards_of
from trading.admin.hands.deeds import Deed, symbol_deeds
from trading.admin.hands.withdrawing import withdraw_view
from trading.admin.pages import nothing_sent, require
from trading.admin.standing import standing_of
from trading.admin.stories.universe_page import uuid_of
from trading.execution.approvals import send_to_execution
from trading.execution.by_hand.withdrawing import may_be_withdrawn
from trading.labels import words_of
from trading.market.market_time import market_now
from trading.models import AIDecision
from trading.queries.approval_queue import line_of
from trading.queries.decision_story import DecisionStory, deciding_of, decision_story
from trading.queries.news import reasons_of_late
from trading.queries.pages.symbol_standing import symbol_standing

PAGE = "admin:trading_aidecision_change"


class SendForm(forms.Form):
    """Why a stored decision is sent to execution; the tick is the confirmation."""

    reason = forms.CharField(required=False, max_length=500)
    confirmed = forms.BooleanField(
        error_messages={"required": "confirmed: was not ticked, expected a tick"},
    )


class ReasonFilter(admin.SimpleListFilter):
    """Why it did not trade: the reasons of the newest cycles, and whichever the address names."""

    title = "reason"
    parameter_name = "reason"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return each reason with its words."""
        asked = {request.GET[self.parameter_name]} if self.parameter_name in request.GET else set()
        return [(reason, words_of(reason)) for reason in sorted({*reasons_of_late(), *asked})]

    def queryset(self, request: HttpRequest, queryset: QuerySet[AIDecision]) -> QuerySet[AIDecision]:
        """Keep the decisions with the reason."""
        return queryset.filter(reason=self.value()) if self.value() else queryset


@admin.register(AIDecision)
class AIDecisionAdmin(GrowingRecordAdmin):
    """What the model decided per symbol, and the reason when it did not trade."""

    list_display = [
        "created_at",
        of_symbol(),
        "action",
        figure("confidence"),
        status_label,
        "why",
        figure("price"),
        "strategy",
        cycle_link,
    ]
    list_filter = ["status", "action", ReasonFilter, "strategy", ("created_at", RangeDateTimeFilter)]
    list_select_related = ["strategy", "risk_check"]
    search_fields = ["symbol__exact"]
    search_help_text = "A symbol, or an id of a decision or a cycle"
    uuid_search = ("pk", "cycle_id")
    ordering = ["-created_at", "-id"]
    change_form_outer_before_template = "console/decision.html"
    readonly_fields = [status_badge]
    fieldsets = [
        (
            "Record",
            {
                "fields": [
                    status_badge,
                    "reason",
                    "reason_detail",
                    "approved",
                    "cycle",
                    "strategy",
                    "model",
                    "model_call",
                    "risk_check",
                    "created_at",
                    "settled_at",
                    "attempts",
                    "lease_until",
                ]
            },
        ),
    ]

    @admin.display(description="reason")
    def why(self, decision: AIDecision) -> str:
        """Show the reason's words, the figures that decided, and its sentence where there is one."""
        said = " ".join(filter(None, [words_of(decision.reason), deciding_of(decision)]))
        return Truncator(": ".join(filter(None, [said, decision.reason_detail]))).chars(90)

    def get_urls(self) -> list[URLPattern]:
        """Add the way of a stored decision to execution, and the way back of an approved one."""
        wrap = self.admin_site.admin_view
        return [
            path("<uuid:pk>/send/", wrap(self.send_view), name="trading_aidecision_send"),
            path("<uuid:pk>/withdraw/", wrap(withdraw_view), name="trading_aidecision_withdraw"),
            *super().get_urls(),
        ]

    def row_context(self, request: HttpRequest, object_id: str) -> dict[str, Any]:
        """Show the timeline and the evidence above the record."""
        context: dict[str, Any] = {"may_answer": request.user.has_perm(ANSWER)}
        wanted = uuid_of(object_id)
        story = decision_story(wanted) if wanted is not None and self.has_view_permission(request) else None
        if story is None:
            return context
        request.console_row = story.decision  # type: ignore[attr-defined]  # Django's way to keep per-request facts
        if story.approval is not None and not story.may_be_sent and story.preview is not None:
            story.approval.decision = story.decision
            context["cards"] = cards_of([line_of(story.approval, story.preview, story.stands_on)])
        return context | {
            "story": story,
            "title": f"{story.decision.action.capitalize()} {story.decision.symbol}",
            "here": request.path,
            "deeds": _deeds(request, story),
            "pieces": DECISION_DEEDS.shown(request, story.decision),
            "sections": DECISION_SECTIONS.shown(request, story.decision),
        }

    def send_view(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Send a stored decision through the gate, and say what came of it."""
        require(request, ANSWER)
        if request.method != "POST":
            return nothing_sent(request, change_url("trading", "aidecision", pk))
        decision = get_object_or_404(AIDecision, pk=pk)
        form = SendForm(request.POST)
        if form.is_valid():
            user = cast(User, request.user)  # admin_view and the permission let no anonymous user get here
            said = send_to_execution(decision, user=user, reason=form.cleaned_data["reason"])
            follow(request, said)
            tell(request, said)
        else:
            for error in [message for lines in form.errors.values() for message in lines]:
                messages.error(request, f"{decision.symbol}: {error}")
        return redirect(PAGE, pk)


def _deeds(request: HttpRequest, story: DecisionStory) -> list[Deed]:
    """Return what the user may do with the decision's symbol, and with an approval that has not left yet."""
    decision, read, agent = story.decision, story.stands_on, standing_of(request).agent
    if read:
        is_held = any(position.symbol == decision.symbol for position in read["positions"])
        is_locked = any(
            lock.symbol == decision.symbol and lock.is_in_force(market_now(agent)) for lock in read["locks"]
        )
    else:
        now = symbol_standing(decision.symbol, agent)
        is_held, is_locked = now.position is not None, now.lock is not None
    found = symbol_deeds(request, decision.symbol, is_held=is_held, is_locked=is_locked)
    if request.user.has_perm(ANSWER) and may_be_withdrawn(decision):
        url = reverse("admin:trading_aidecision_withdraw", args=[decision.pk])
        found.insert(0, Deed("Withdraw the approval …", url))
    return found
