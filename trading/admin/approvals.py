"""Approvals: the queue a person answers, one or several at once, and the history of answers."""

from typing import cast
from uuid import UUID

from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.core.paginator import Paginator
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path, reverse

from trading.admin.answers import ANSWER, MOST_AT_ONCE, AnswerForm, AnswersForm, answer_and_tell
from trading.admin.base import RecordAdmin, cycle_link, status_label
from trading.admin.pages import console_page, nothing_sent, require
from trading.models import Approval
from trading.queries.approval_queue import queue_lines, waiting_count

QUEUE = "admin:trading_approval_queue"


@admin.register(Approval)
class ApprovalAdmin(RecordAdmin):
    """The history; open requests are answered in the queue."""

    list_display = [
        "requested_at",
        "symbol",
        "action",
        status_label,
        "expires_at",
        "answered_at",
        "answered_by",
        "reason",
        cycle_link,
    ]
    list_filter = ["status"]
    list_select_related = ["decision", "answered_by"]
    search_fields = ["=decision__symbol", "reason"]
    search_help_text = "A symbol, words of the reason, or an id of an approval, a decision or a cycle"
    uuid_search = ("pk", "decision_id", "cycle_id")
    date_hierarchy = "requested_at"
    ordering = ["-requested_at"]

    @admin.display(description="symbol", ordering="decision__symbol")
    def symbol(self, approval: Approval) -> str:
        """Show the decision's symbol."""
        return approval.decision.symbol

    @admin.display(description="action")
    def action(self, approval: Approval) -> str:
        """Show what the decision wants."""
        return approval.decision.action

    def get_urls(self) -> list[URLPattern]:
        """Add the queue and its answers."""
        wrap = self.admin_site.admin_view
        return [
            path("queue/", wrap(self.queue_view), name="trading_approval_queue"),
            path("queue/answer/", wrap(self.answers_view), name="trading_approval_answers"),
            path("<uuid:pk>/answer/", wrap(self.answer_view), name="trading_approval_answer"),
            *super().get_urls(),
        ]

    def queue_view(self, request: HttpRequest) -> HttpResponse:
        """Show what waits for an answer, newest first."""
        require(request, "trading.view_approval")
        pages = Paginator(range(waiting_count()), MOST_AT_ONCE)
        page = pages.get_page(request.GET.get("page"))  # one that is gone, or no number: the nearest there is
        lines = queue_lines(most=MOST_AT_ONCE, first=(page.number - 1) * MOST_AT_ONCE)
        return console_page(
            request,
            "console/approval_queue.html",
            {
                "title": "Approvals",
                "queue": lines,
                "page": page,
                "may_answer": request.user.has_perm(ANSWER),
            },
        )

    def answer_view(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Take a person's answer to one request and say what came of it."""
        require(request, ANSWER)
        if request.method != "POST":
            return nothing_sent(request, reverse(QUEUE))
        approval = get_object_or_404(Approval.objects.select_related("decision"), pk=pk)
        form = AnswerForm(request.POST)
        if form.is_valid():
            answer_and_tell(request, _person(request), [approval], form)
        else:
            _refuse(request, form, f"{approval.decision.symbol}: ")
        return redirect(QUEUE)

    def answers_view(self, request: HttpRequest) -> HttpResponse:
        """Take one answer to several requests; before approving several, show them once more."""
        require(request, ANSWER)
        if request.method != "POST":
            return nothing_sent(request, reverse(QUEUE))
        form = AnswersForm(request.POST)
        if not form.is_valid():
            _refuse(request, form)
            return redirect(QUEUE)
        chosen = form.cleaned_data["approval"]
        if form.needs_confirmation:
            lines = queue_lines(most=MOST_AT_ONCE, only=[approval.pk for approval in chosen])
            return console_page(
                request,
                "console/approval_confirm.html",
                {
                    "title": f"Approve {len(lines)} decisions",
                    "queue": lines,
                    "reason": form.cleaned_data["reason"],
                },
            )
        answer_and_tell(request, _person(request), chosen, form)
        return redirect(QUEUE)


def _person(request: HttpRequest) -> User:
    return cast(User, request.user)  # admin_view and the permission let no anonymous user get here


def _refuse(request: HttpRequest, form: Form, about: str = "") -> None:
    for name, lines in form.errors.items():
        for line in map(str, lines):
            named = line.startswith(f"{name}:") or name not in form.fields
            messages.error(request, f"{about}{line}" if named else f"{about}{name}: {line}")
