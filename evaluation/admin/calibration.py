"""Calibration: the newest report of each scope, and each one's page with its diagram."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path, reverse

from evaluation.admin.calibration_charts import coverage_chart, reliability_chart
from evaluation.domain.figures import Figure
from evaluation.domain.outcomes import LabelSpec
from evaluation.domain.verdict import Standing
from evaluation.errors import NotPublishedError
from evaluation.models import CalibrationReport
from evaluation.services.calibration.publishing import PUBLISH, VALID_SESSIONS, publish_newest
from evaluation.services.calibration.reading import newest, strategy_names
from evaluation.services.calibration.rendering import SHOWN, report_json, title
from trading.admin.base import GrowingRecordAdmin, known_values, labelled
from trading.admin.pages import ConfirmForm, FormPage, form_page, posted, require
from trading.core import settings

PUBLISH_PAGE = "evaluation_calibrationreport_publish"
STANDINGS = {
    "better than": "success",
    "worse than": "danger",
    "not told apart from": "default",
    "too early to say": "info",
}
CONFIDENCES = {
    "overconfident": "warning",
    "underconfident": "warning",
    "not told apart from calibrated": "success",
    "too early to say": "info",
}
WINDOWS = {
    "clean": "success",
    "untrained": "success",
    "grey": "warning",
    "inside": "danger",
    "mixed": "danger",
}
# Of the page's table, beside what the terminal shows, in the order in which they are read.
MORE = {
    "log_loss": "log loss",
    "cox_intercept": "Cox intercept",
    "plug_in_ece": "expected calibration error, as usually computed",
    "reliability": "reliability (of the Brier score)",
    "resolution": "resolution",
    "uncertainty": "uncertainty",
}


@admin.register(CalibrationReport)
class CalibrationReportAdmin(GrowingRecordAdmin):
    """Whether what models state is true, and worth anything."""

    list_before_template = "evaluation/calibration_intro.html"
    change_form_before_template = "evaluation/calibration.html"
    list_display = [
        "model", "strategy", "label", "window_label", "decisions", "last_session", "verdict", "confidence",
        "stated_less_right", "gain", "coefficient",
    ]  # fmt: skip
    list_filter = [known_values("label_spec", LabelSpec), known_values("window", WINDOWS), "model"]
    search_fields = ["model__startswith"]
    search_help_text = "The beginning of a model's name, or an id"
    uuid_search = ("pk", "strategy_id")
    ordering = ["label_spec", "model", "-created_at"]
    fields = [
        "answered_model",
        "prompt_version",
        "first_session",
        "last_session",
        "created_at",
        "is_published",
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[CalibrationReport]:
        """List the newest of each scope; an older one keeps its page."""
        found: QuerySet[CalibrationReport] = super().get_queryset(request)
        is_list = request.resolver_match is not None and str(request.resolver_match.url_name).endswith(
            "changelist"
        )
        return found & newest() if is_list else found

    @admin.display(description="strategy, prompt")
    def strategy(self, report: Any) -> str:
        """Show whose part of the model's decisions it is."""
        return f"{report.strategy_name}, {report.prompt_version}" if report.strategy_id else "all"

    @admin.display(description="label", ordering="label_spec")
    def label(self, report: CalibrationReport) -> str:
        """Show by which label decisions were judged."""
        return report.label_spec

    @labelled(description="window", colours=WINDOWS, ordering="window")
    def window_label(self, report: CalibrationReport) -> str:
        """Show where the decisions lie to the model's training."""
        return report.window

    @labelled(description="against equal weight", colours=STANDINGS)
    def verdict(self, report: CalibrationReport) -> str:
        """Show what may be said of what it earned."""
        return str(report.parts["verdict"]["standing"])

    @labelled(description="confidence", colours=CONFIDENCES)
    def confidence(self, report: CalibrationReport) -> str:
        """Show what may be said of what it states."""
        return str(report.parts["verdict"]["confidence"])

    @admin.display(description="stated less right")
    def stated_less_right(self, report: CalibrationReport) -> str:
        """Show by how much it overstates, with the interval."""
        return in_short(report.figures["overconfidence"])

    @admin.display(description="gain of a decision, %")
    def gain(self, report: CalibrationReport) -> str:
        """Show what a decision earned against equal weight, with the interval."""
        return in_short(report.figures["gain"], percent=True)

    @admin.display(description="IC")
    def coefficient(self, report: CalibrationReport) -> str:
        """Show the information coefficient, with its interval."""
        return in_short(report.figures["information_coefficient"])

    def row_context(self, request: HttpRequest, object_id: str) -> dict[str, Any]:
        """Show the diagrams, each with its table, above the record."""
        report = self.get_object(request, object_id)
        return {} if report is None else shown(report) | {"may_publish": request.user.has_perm(PUBLISH)}

    def get_urls(self) -> list[URLPattern]:
        """Add the page that publishes."""
        view = self.admin_site.admin_view(self.publish_view)
        return [path("<uuid:pk>/publish/", view, name=PUBLISH_PAGE), *super().get_urls()]

    def publish_view(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Ask for confirmation, then put what the report's outcomes say before the gate."""
        require(request, PUBLISH)
        report = get_object_or_404(CalibrationReport, pk=pk)
        back = reverse("admin:evaluation_calibrationreport_change", args=[pk])
        form = ConfirmForm(posted(request))
        if form.is_valid():
            try:
                curve = publish_newest(report, author=request.user.get_username())
            except NotPublishedError as error:
                messages.error(request, f"Nothing was published: {error}.")
                return redirect(back)
            messages.success(
                request, f"Version {curve.version} is in force until {curve.valid_until:%Y-%m-%d}."
            )
            return redirect("admin:risk_trustcurve_change", curve.version)
        return form_page(request, form=form, page=publish_page(report, back))


def publish_page(report: CalibrationReport, back_url: str) -> FormPage:
    """Return what the page says that publishes a report."""
    return FormPage(
        title=f"Publish a trust curve of {report.model}",
        effects=(
            f"What its purchases' outcomes until today say becomes the next version, by {report.label_spec}.",
            f"The setting trust_sizing is {settings.word('trust_sizing')}: off asks no curve, shadow notes it with each"
            " check, on shrinks entries by it. Nothing is ever enlarged or let through.",
            f"It is valid for {VALID_SESSIONS} sessions, and renewed as outcomes come.",
        ),
        button="Publish",
        back_url=back_url,
    )


def in_short(figure: Mapping[str, Any], *, percent: bool = False) -> str:
    """Return a figure of a table's cell; - where it is not known."""
    if figure["value"] is None:
        return "-"
    scale, places = (100.0, 2) if percent else (1.0, 3)
    value, low, high = (figure[name] * scale for name in ("value", "low", "high"))
    return f"{value:+.{places}f} [{low:+.{places}f}, {high:+.{places}f}]"


def standing_words(standing: str) -> str:
    """Return a verdict's standing with what it is against; of one that is too early, as it is."""
    return standing if standing == Standing.EARLY else f"{standing} equal weight"


def shown(report: CalibrationReport) -> dict[str, Any]:
    """Return what a report's page shows."""
    name = strategy_names([report.strategy_id]).get(report.strategy_id, "") if report.strategy_id else ""
    body = report_json(report, name)
    verdict = body["verdict"]
    return {
        "title": title(report, name),
        "report": body,
        "standing_words": standing_words(verdict["standing"]),
        "standing_colour": STANDINGS[verdict["standing"]],
        "confidence_colour": CONFIDENCES[verdict["confidence"]],
        "window_colour": WINDOWS[report.window],
        "reliability": reliability_chart(body) if body["bins"] else None,
        "coverage": coverage_chart(body["coverageRisk"]),
        "rows": list(_rows(body["figures"], {**SHOWN, **MORE})),
        "actions": [(action, list(_rows(found, SHOWN))) for action, found in body["byAction"].items()],
        "refusals": _refusals(body["refusals"]),
        "missed": Figure.from_json(body["missed"]),
    }


def _rows(figures: Mapping[str, Any], labels: Mapping[str, str]) -> Iterator[tuple[str, Figure]]:
    return ((label, Figure.from_json(figures[name])) for name, label in labels.items() if name in figures)


def _refusals(found: Mapping[str, Any]) -> Sequence[tuple[str, Figure]]:
    fixed = (("passed", "let through"), ("denied", "denied"), ("difference", "let through less denied"))
    rows = [(words, found[name]) for name, words in fixed]
    rows += [(f"denied: {each['reason']}", each["gain"]) for each in found["byReason"]]
    return [(words, Figure.from_json(figure)) for words, figure in rows]
