"""Approvals: the queue a person answers, one or several at once, and the history of answers."""

from typing import cast
from uuid import UUID

from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.core.paginator import Paginator
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import RangeDateTimeFilter

from risk.domain.types import Verdict
from trading.admin.answers import ANSWER, MOST_AT_ONCE, AnswerForm, AnswersForm, answer_and_tell
from trading.admin.base import GrowingRecordAdmin, cycle_link, linked, of_symbol, status_label
from trading.admin.hands.cards import cards_of, place_url
from trading.admin.hands.picking import CARDS_A_PAGE, NOTHING_ASKED, Picked, asked_of
from trading.admin.pages import came_from, console_page, nothing_sent, require
from trading.admin.stories.universe_page import uuid_of
from trading.models import Approval
from trading.queries.approval_queue import (
    QueueLine,
    Sort,
    in_turn,
    lines_among,
    queue_page,
    together,
    waiting_keys,
)
from trading.queries.gate_preview import Together

QUEUE = "admin:trading_approval_queue"


@admin.register(Approval)
class ApprovalAdmin(GrowingRecordAdmin):
    """The history; open requests are answered in the queue."""

    list_display = [
        "requested_at",
        of_symbol("decision__symbol"),
        "action",
        "decision_link",
        status_label,
        "expires_at",
        "answered_at",
        "answered_by",
        "reason",
        "held_until",
        cycle_link,
    ]
    list_filter = ["status", ("requested_at", RangeDateTimeFilter)]
    list_select_related = ["decision", "answered_by"]
    search_fields = ["decision__symbol__exact", "reason"]
    search_help_text = "A symbol, words of the reason, or an id of an approval, a decision or a cycle"
    uuid_search = ("pk", "decision_id", "cycle_id")
    ordering = ["-requested_at"]

    @admin.display(description="decision")
    def decision_link(self, approval: Approval) -> SafeString:
        """Lead to the decision, whose page tells all of it."""
        return linked("aidecision", approval.decision_id)

    @admin.display(description="action")
    def action(self, approval: Approval) -> str:
        """Show what the decision wants."""
        return approval.decision.action

    def get_urls(self) -> list[URLPattern]:
        """Add the queue and its answers."""
        wrap = self.admin_site.admin_view
        return [
            path("queue/", wrap(self.queue_view), name="trading_approval_queue"),
            path("queue/sum/", wrap(self.sum_view), name="trading_approval_sum"),
            path("queue/answer/", wrap(self.answers_view), name="trading_approval_answers"),
            path("<uuid:pk>/answer/", wrap(self.answer_view), name="trading_approval_answer"),
            *super().get_urls(),
        ]

    def queue_view(self, request: HttpRequest) -> HttpResponse:
        """Show what waits for an answer: what ends first, is surest or largest stands first."""
        require(request, "trading.view_approval")
        waiting = waiting_keys()
        sort = _sort(request)
        asked = asked_of(request) if request.user.has_perm(ANSWER) else NOTHING_ASKED
        pages = Paginator(range(len(waiting)), CARDS_A_PAGE)
        page = pages.get_page(request.GET.get("page"))  # one that is gone, or no number: the nearest there is
        first = (page.number - 1) * CARDS_A_PAGE
        found = queue_page(most=CARDS_A_PAGE, first=first, sort=sort, best=asked.number)
        return console_page(
            request,
            "console/approval_queue.html",
            {
                "title": "Approvals",
                "cards": cards_of(found.lines),
                "queue": found.lines,
                "page": page,
                "newest": max(waiting, default=""),
                "sort": sort.value,
                "sorts": [each.value for each in Sort],
                "here": request.get_full_path() if not asked.was_asked else f"{request.path}?sort={sort}",
                "picked": Picked(asked, found.picked),
                "sum": found.sum,
                "may_answer": request.user.has_perm(ANSWER),
            },
        )

    def sum_view(self, request: HttpRequest) -> HttpResponse:
        """Say what the gate would make of the selected together, as a piece of the queue's page."""
        require(request, "trading.view_approval")
        wanted = [pk for pk in map(uuid_of, request.GET.getlist("approval")[:MOST_AT_ONCE]) if pk]
        found = together(wanted) if wanted else None
        return render(request, "console/approval_sum.html", {"sum": found})

    def answer_view(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Take a person's answer to one request, say what came of it and show the next one."""
        require(request, ANSWER)
        if request.method != "POST":
            return nothing_sent(request, reverse(QUEUE))
        approval = get_object_or_404(Approval.objects.select_related("decision"), pk=pk)
        form = AnswerForm(request.POST)
        if form.is_valid():
            answer_and_tell(request, _person(request), [approval], form)
            return redirect(place_url(request, reverse(QUEUE)))
        _refuse(request, form, f"{approval.decision.symbol}: ")
        return redirect(place_url(request, reverse(QUEUE), place=pk))

    def answers_view(self, request: HttpRequest) -> HttpResponse:
        """Take one answer to several requests; before approving several, show them once more."""
        require(request, ANSWER)
        if request.method != "POST":
            return nothing_sent(request, reverse(QUEUE))
        back = came_from(request, reverse(QUEUE))
        form = AnswersForm(request.POST)
        if not form.is_valid():
            _refuse(request, form)
            return redirect(back)
        chosen = in_turn(form.cleaned_data["approval"])
        if form.needs_confirmation:
            return _confirmation(request, chosen, reason=form.cleaned_data["reason"], back=back)
        answer_and_tell(request, _person(request), chosen, form)
        return redirect(back)


def _sort(request: HttpRequest) -> Sort:
    """Return the order that the address names; the most urgent first where it names none there is."""
    try:
        return Sort(request.GET.get("sort", Sort.URGENCY))
    except ValueError:
        return Sort.URGENCY


def _confirmation(request: HttpRequest, chosen: list[Approval], *, reason: str, back: str) -> HttpResponse:
    """Show several requests in the order in which they are approved, each with what the gate would say in its turn."""
    wanted = [approval.pk for approval in chosen]
    lines = {line.approval.pk: line for line in lines_among(wanted)}
    found = together(wanted)
    context = {
        "title": f"Approve {len(lines)} decisions",
        "queue": [(lines[pk], _in_its_turn(found, lines[pk])) for pk in wanted if pk in lines],
        "sum": found,
        "reason": reason,
        "back": back,
    }
    return console_page(request, "console/approval_confirm.html", context)


def _in_its_turn(found: Together | None, line: QueueLine) -> Verdict | None:
    return found.verdicts.get(line.approval.decision_id) if found else None


def _person(request: HttpRequest) -> User:
    return cast(User, request.user)  # admin_view and the permission let no anonymous user get here


def _refuse(request: HttpRequest, form: Form, about: str = "") -> None:
    for name, lines in form.errors.items():
        for line in map(str, lines):
            named = line.startswith(f"{name}:") or name not in form.fields
            messages.error(request, f"{about}{line}" if named else f"{about}{name}: {line}")
