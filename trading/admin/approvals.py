"""Approvals: the queue a person answers, and the history of answers."""

from typing import cast
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path
from unfold.widgets import UnfoldAdminTextInputWidget

from trading.admin.base import RecordAdmin, cycle_link, status_label
from trading.admin.pages import console_page, require
from trading.models import Approval
from trading.services import approvals
from trading.services.overview import open_approvals

ANSWER = "trading.answer_approval"
QUEUE = "admin:trading_approval_queue"


class AnswerForm(forms.Form):
    """Approve, or reject with a reason."""

    answer = forms.ChoiceField(
        choices=[("approve", "approve"), ("reject", "reject")],
        error_messages={
            "required": "answer: was not given, expected approve or reject",
            "invalid_choice": "answer: was '%(value)s', expected approve or reject",
        },
    )
    reason = forms.CharField(required=False, max_length=500, widget=UnfoldAdminTextInputWidget)

    def clean(self) -> dict[str, object]:
        """Require why something is rejected."""
        given: dict[str, object] = super().clean() or self.cleaned_data
        if given.get("answer") == "reject" and not given.get("reason"):
            raise ValidationError("reason: was empty, expected why the decision is rejected")
        return given


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
            path("<uuid:pk>/answer/", wrap(self.answer_view), name="trading_approval_answer"),
            *super().get_urls(),
        ]

    def queue_view(self, request: HttpRequest) -> HttpResponse:
        """Show what waits for an answer."""
        require(request, "trading.view_approval")
        return console_page(
            request,
            "console/approval_queue.html",
            {"title": "Approvals", "queue": open_approvals(), "may_answer": request.user.has_perm(ANSWER)},
        )

    def answer_view(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Record a person's answer and say what came of it."""
        require(request, ANSWER)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        approval = get_object_or_404(Approval.objects.select_related("decision"), pk=pk)
        form = AnswerForm(request.POST)
        if form.is_valid():
            _answer(request, approval, form)
        else:
            for error in [message for lines in form.errors.values() for message in lines]:
                messages.error(request, f"{approval.decision.symbol}: {error}")
        return redirect(QUEUE)


def _answer(request: HttpRequest, approval: Approval, form: AnswerForm) -> None:
    granted = form.cleaned_data["answer"] == "approve"
    user = cast(User, request.user)  # admin_view and the permission let no anonymous user get here
    taken = approvals.answer(approval, granted=granted, user=user, reason=form.cleaned_data["reason"])
    what = f"{approval.decision.action} {approval.decision.symbol}"
    if not taken:
        messages.warning(request, f"{what}: nothing was done, it was answered or had expired before.")
    elif granted:
        messages.success(request, f"{what}: approved; it passes the risk gate anew before it is ordered.")
    else:
        messages.success(request, f"{what}: rejected.")
