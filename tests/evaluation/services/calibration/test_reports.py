"""Reports tell simulated agents apart whose truth is known, say when nothing can be said, and repeat themselves."""

from datetime import date

import pytest

from evaluation.domain.figures import Window
from evaluation.domain.outcomes import LabelSpec
from evaluation.models import CalibrationReport, Outcome
from evaluation.services.calibration.reading import leading, newest
from evaluation.services.calibration.reports import report_of, store
from evaluation.services.calibration.scopes import Question, ReportScope, asked_scopes
from tests.evaluation.services.agents import STRATEGY, live
from tests.evaluation.services.years import BUILTIN

pytestmark = pytest.mark.django_db


def reported(**overrides: object) -> CalibrationReport:
    scope = ReportScope(BUILTIN, "", LabelSpec.FIVE_SESSIONS, Window.UNTRAINED, **overrides)  # type: ignore[arg-type]  # a test's own overrides
    report = report_of(scope)
    assert report is not None
    return report


def covers(figure: dict[str, float], truth: float) -> bool:
    return figure["low"] <= truth <= figure["high"]


def test_a_calibrated_agent_is_not_called_anything_else() -> None:
    live(80, right=lambda stated: stated)

    report = reported()

    assert report.parts["verdict"]["confidence"] == "not told apart from calibrated"
    assert covers(report.figures["overconfidence"], 0.0)
    assert covers(report.figures["base_rate"], 0.75)
    assert report.parts["recalibration"]["method"] == "stated"
    assert report.parts["verdict"]["standing"] == "better than"
    assert sum(each["count"] for each in report.bins) == report.decisions == 800
    assert len(report.curve) >= 5


def test_an_overconfident_agent_is_called_so_and_mended() -> None:
    live(120, right=lambda _: 0.5)

    report = reported()

    assert report.parts["verdict"]["confidence"] == "overconfident"
    assert covers(report.figures["overconfidence"], 0.25)
    assert covers(report.figures["gain"], 0.0)
    assert report.parts["verdict"]["standing"] == "not told apart from"
    mended = report.parts["recalibration"]
    assert mended["method"] != "stated"
    assert all(abs(probability - 0.5) < 0.12 for _, probability in mended["points"])


def test_too_little_says_so_and_when_it_could_be_said() -> None:
    live(6, right=lambda _: 1.0)

    verdict = reported().parts["verdict"]

    assert (verdict["standing"], verdict["confidence"]) == ("too early to say", "too early to say")
    assert verdict["sentence"].startswith(
        "Too early to say: 6 of 20 sessions, 60 of 100 decisions have an outcome."
    )
    # Of labels over five sessions an interval takes thirty sessions, and the last of them takes five more.
    assert verdict["earliest"] == "2026-02-24"


@pytest.mark.parametrize("window", ["inside", "grey"])
def test_what_a_model_may_remember_says_nothing(window: str) -> None:
    live(60, right=lambda _: 0.9, model="openai/a", answered_model="a-1", window=window)
    scope = ReportScope("openai/a", "a-1", LabelSpec.FIVE_SESSIONS, Window(window))

    report = report_of(scope)

    assert report is not None
    assert report.parts["verdict"]["sentence"].startswith("Nothing can be said of skill")
    assert report.parts["verdict"]["confidence"] == "too early to say"
    assert {figure["window"] for figure in report.figures.values()} == {window}


def test_what_the_gates_refusals_were_worth() -> None:
    live(120, right=lambda stated: 0.8 if stated >= 0.7 else 0.3)

    refusals = reported().parts["refusals"]

    assert refusals["difference"]["low"] > 0
    assert refusals["passed"]["value"] > 0 > refusals["denied"]["value"]
    assert [each["reason"] for each in refusals["by_reason"]] == ["low_confidence"]


def test_actions_holds_and_ranks_are_told_apart() -> None:
    live(60, right=lambda _: 0.7, actions=("buy", "sell", "hold"))

    report = reported()

    by_action = report.parts["by_action"]
    assert by_action["buy"]["base_rate"]["n"] + by_action["sell"]["base_rate"]["n"] == report.decisions < 600
    assert report.parts["missed"]["n"] == 600 - report.decisions
    assert report.figures["information_coefficient"]["low"] > 0
    assert report.figures["information_coefficient"]["n"] == 60


def test_the_same_outcomes_are_the_same_report() -> None:
    live(30, right=lambda stated: stated)

    first, again = store(reported()), store(reported())

    assert first.pk == again.pk
    assert CalibrationReport.objects.count() == 1
    live(30, right=lambda stated: stated, seed=2, symbols=3, first=date(2026, 6, 1))
    later = store(reported())
    assert later.pk != first.pk
    assert list(newest()) == [later]
    assert leading() == later


def test_scopes_are_those_that_have_outcomes() -> None:
    live(5, right=lambda _: 0.5)
    live(5, right=lambda _: 0.5, model="openai/a", answered_model="a-1", window="clean")
    live(5, right=lambda _: 0.5, model="openai/a", answered_model="a-2", window="grey", seed=3)
    Outcome.objects.filter(model=BUILTIN).exclude(symbol="S1").update(prompt_version="decisions-v3")

    found = asked_scopes(Question())

    assert {(each.model, each.answered_model, each.window, each.prompt_version) for each in found} >= {
        (BUILTIN, "", "untrained", "*"),
        ("openai/a", "a-1", "clean", "*"),
        ("openai/a", "a-2", "grey", "*"),
    }
    assert [each.answered_model for each in asked_scopes(Question(model="openai/a", window="grey"))] == [
        "a-2"
    ]
    assert all(each.strategy_id == STRATEGY for each in found if each.strategy_id is not None)
