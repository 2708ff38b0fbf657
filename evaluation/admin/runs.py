"""The list of replays, and each one's page: *Compare*, with its progress while it runs."""

from typing import Any, cast
from uuid import UUID

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path
from unfold.contrib.filters.admin import RangeDateTimeFilter

from evaluation.admin.asking import ASK, PAGE, ask_view
from evaluation.admin.comparison import comparison
from evaluation.admin.models_page import models_view
from evaluation.admin.trying import try_view
from evaluation.errors import RunStateError
from evaluation.models import Run
from evaluation.services.replay.orders import stop, take_up
from trading.admin.base import GrowingRecordAdmin, status_label
from trading.admin.pages import nothing_sent, require
from trading.templatetags.console import percent


@admin.register(Run)
class RunAdmin(GrowingRecordAdmin):
    """What was asked again, and what came of it."""

    list_display = ["created_at", "what", "author", status_label, "reason", "decisions", "agreement", "cost"]
    list_filter = ["status", ("created_at", RangeDateTimeFilter)]
    list_select_related = ["experiment"]
    search_fields = ["experiment__name"]
    search_help_text = "Part of a name, or an id"
    uuid_search = ("pk", "experiment_id")
    ordering = ["-created_at", "-id"]
    change_form_outer_before_template = "evaluation/run.html"
    fields = ["in_background", "started_at", "ended_at"]

    @admin.display(description="what")
    def what(self, run: Run) -> str:
        """Return what was asked again."""
        return run.experiment.name

    @admin.display(description="author")
    def author(self, run: Run) -> str:
        """Return who asked."""
        return run.experiment.author

    @admin.display(description="decisions")
    def decisions(self, run: Run) -> Any:
        """Return how many are done."""
        return run.figures.get("decisions", run.progress.get("decisions", "-"))

    @admin.display(description="action equal")
    def agreement(self, run: Run) -> str:
        """Return the share of the same actions."""
        share = run.figures.get("agreement")
        return percent(None if share is None else 100 * share)

    @admin.display(description="cost, USD")
    def cost(self, run: Run) -> str:
        """Return what was spent so far."""
        return str(run.figures.get("costUsd", run.progress.get("costUsd", "-")))

    def get_queryset(self, request: HttpRequest) -> QuerySet[Run]:
        """Have the experiment with each."""
        return cast("QuerySet[Run]", super().get_queryset(request).select_related("experiment"))

    def get_urls(self) -> list[URLPattern]:
        """Add the ways to ask, to stop and to go on, and the page of models."""
        view = self.admin_site.admin_view
        return [
            path("ask/<uuid:pk>/", view(ask_view), name="evaluation_run_ask"),
            path("try/<uuid:pk>/", view(try_view), name="evaluation_run_try"),
            path("models/", view(models_view), name="evaluation_run_models"),
            path("<uuid:pk>/stop/", view(self.stop_view), name="evaluation_run_stop"),
            path("<uuid:pk>/take-up/", view(self.take_up_view), name="evaluation_run_take_up"),
            *super().get_urls(),
        ]

    def row_context(self, request: HttpRequest, object_id: str) -> dict[str, Any]:
        """Show the comparison above the record."""
        try:
            wanted = UUID(object_id)
        except ValueError:
            return {}
        run = self.get_queryset(request).filter(pk=wanted).first()
        if run is None or not self.has_view_permission(request):
            return {}
        found = comparison(run, page=request.GET.get("p", ""), change=request.GET.get("change", ""))
        return {**found, "title": run.experiment.name, "may_ask": request.user.has_perm(ASK)}

    def stop_view(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Have it ask nothing more."""
        require(request, ASK)
        if request.method != "POST":
            return nothing_sent(request, "../change/")
        stop(get_object_or_404(Run, pk=pk))
        messages.success(request, "It asks for nothing more; what is under way is waited for.")
        return redirect(PAGE, pk)

    def take_up_view(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Have the evaluator go on with it."""
        require(request, ASK)
        if request.method != "POST":
            return nothing_sent(request, "../change/")
        try:
            take_up(get_object_or_404(Run, pk=pk))
        except RunStateError as error:
            messages.error(request, f"Nothing was done: {error}.")
        else:
            messages.success(request, "It goes on; what was answered is not asked again.")
        return redirect(PAGE, pk)
