"""Outcomes: the list, what came of a decision on its own page, and the verdict line on the dashboard."""

from collections.abc import Mapping
from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from evaluation.admin.calibration import CONFIDENCES, STANDINGS, WINDOWS, standing_words
from evaluation.domain.verdict import Standing, percent
from evaluation.models import Outcome
from evaluation.services.calibration.reading import NOTHING_YET, leading
from evaluation.services.calibration.rendering import title
from evaluation.services.outcomes.reading import OutcomeStory, story_of
from trading.admin.base import GrowingRecordAdmin, change_url, figure, labelled, moment, of_symbol
from trading.admin.extras import DASHBOARD_TILES, DECISION_SECTIONS, Piece
from trading.models import AIDecision

VIEW_OUTCOME, VIEW_REPORT = "evaluation.view_outcome", "evaluation.view_calibrationreport"
CAME_OF = {"right": "success", "wrong": "danger", "missed": "warning", "rightly held": "success"}


@admin.register(Outcome)
class OutcomeAdmin(GrowingRecordAdmin):
    """What came of each opinion, by each label."""

    list_display = [
        moment("as_of"), of_symbol(), "action", figure("confidence"), "label_spec", "percent", "came_of", "verdict",
        "verdict_reason", "model", "window_label",
    ]  # fmt: skip
    list_filter = ["label_spec", "action", "window", "verdict"]
    search_fields = ["symbol__exact"]
    search_help_text = "A symbol, or an id of a decision or a cycle"
    uuid_search = ("decision_id", "cycle_id")
    ordering = ["-id"]
    exclude = ["scene", "cost"]
    readonly_fields = ["costs"]

    @admin.display(description="costs")
    def costs(self, row: Outcome) -> str:
        """Show what a round trip would have cost, in percent of the price."""
        return percent(float(row.cost))

    @admin.display(description="excess, %")
    def percent(self, row: Outcome) -> str:
        """Show the excess return, or why there is none."""
        return row.reason or ("-" if row.excess_return is None else f"{100 * row.excess_return:+.2f}")

    @labelled(description="it was", colours=CAME_OF)
    def came_of(self, row: Outcome) -> str:
        """Show whether it was right."""
        return words_of(row)

    @labelled(description="window", colours=WINDOWS, ordering="window")
    def window_label(self, row: Outcome) -> str:
        """Show where it lies to the model's training."""
        return row.window


def words_of(row: Outcome) -> str:
    """Return in a word what came of it; - while that is not known."""
    if row.excess_return is None:
        return "-"
    if row.action == "hold":
        return "missed" if row.missed else "rightly held"
    return "right" if row.right else "wrong"


def _story(request: HttpRequest, decision: AIDecision) -> Mapping[str, Any] | None:
    """Return what came of a decision, for its page."""
    if not request.user.has_perm(VIEW_OUTCOME):
        return None
    story: OutcomeStory = story_of(decision)
    return {"outcomes": [_shown(row) for row in story.rows], "why_none": story.why_none}


def _shown(row: Outcome) -> dict[str, Any]:
    """Return a label's line: the row, its word, and its returns in percent."""
    returns = {
        name: getattr(row, name) for name in ("excess_return", "symbol_return", "universe_return", "cost")
    }
    written = {name: "" if value is None else percent(float(value)) for name, value in returns.items()}
    word = words_of(row)
    return {"row": row, "word": word, "colour": CAME_OF.get(word, "default"), **written}


def _tile(request: HttpRequest, _: None) -> Mapping[str, Any] | None:
    """Return the verdict line of who decides now, for the dashboard."""
    if not request.user.has_perm(VIEW_REPORT):
        return None
    report = leading()
    if report is None:
        return {"sentence": NOTHING_YET, "words": Standing.EARLY.value, "colour": "info"}
    verdict = report.parts["verdict"]
    return {
        "sentence": verdict["sentence"],
        "words": standing_words(verdict["standing"]),
        "colour": STANDINGS[verdict["standing"]],
        "confidence": verdict["confidence"],
        "confidence_colour": CONFIDENCES[verdict["confidence"]],
        "whose": title(report, ""),
        "url": change_url("evaluation", "calibrationreport", report.pk),
    }


DECISION_SECTIONS.put(Piece("evaluation/outcome.html", _story))
DASHBOARD_TILES.put(Piece("evaluation/verdict_tile.html", _tile))
