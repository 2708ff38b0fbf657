"""`manage.py calibrate` as a person and a program use it."""

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from evaluation.models import CalibrationReport
from risk.models import TrustCurve
from tests.evaluation.services.agents import STRATEGY, live
from tests.factories import make_agent, make_strategy

pytestmark = pytest.mark.django_db


def calibrated(*arguments: str) -> str:
    out = StringIO()
    call_command("calibrate", *arguments, stdout=out, stderr=StringIO())
    return out.getvalue()


def test_without_outcomes_it_says_so() -> None:
    assert calibrated() == "Too early to say: no decision has an outcome yet.\n"
    assert json.loads(calibrated("--json")) == {"reports": []}


def test_every_figure_comes_with_its_doubt_or_its_reason() -> None:
    live(40, right=lambda _: 0.5)

    said = calibrated()

    assert "builtin/technical-v1, excess-5s-v1, untrained: 400 decisions in 40 sessions" in said
    assert "confidence: overconfident" in said
    for line in said.splitlines()[3:]:
        assert (
            not line or ("[" in line and "effective)" in line) or "not known: " in line or "to come" in line
        ), line


def test_json_is_one_object_with_the_whole_report() -> None:
    live(40, right=lambda stated: stated)

    (report,) = json.loads(calibrated("--json"))["reports"]

    figure = report["figures"]["debiased_ece"]
    assert set(figure) == {"value", "low", "high", "n", "nEffective", "window"}
    assert (report["decisions"], report["sessions"], report["label"]) == (400, 40, "excess-5s-v1")
    assert {"bandLow", "bandHigh"} <= set(report["curve"][0])
    assert report["id"] == str(CalibrationReport.objects.get().pk)


def test_publishing_makes_a_curve_and_says_its_version() -> None:
    live(60, right=lambda stated: stated)
    make_agent(market_time=timezone.now(), market_time_read_at=timezone.now())

    said = calibrated("--publish")

    row = TrustCurve.objects.get()
    assert f"trust: version {row.version} published" in said
    assert row.author == "cli"


def test_what_cannot_be_published_is_said_and_fails() -> None:
    live(60, right=lambda _: 0.9, model="openai/a", window="inside")
    make_agent(market_time=timezone.now(), market_time_read_at=timezone.now())
    out = StringIO()

    with pytest.raises(CommandError, match="nothing was published") as refused:
        call_command("calibrate", "--publish", stdout=out, stderr=StringIO())

    assert refused.value.returncode == 1
    assert (
        "trust: not published, outcomes that lie inside to the model's training earn no trust"
        in out.getvalue()
    )
    assert not TrustCurve.objects.exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["--label", "excess"],
            "--label: was 'excess', expected one of excess-1s-v1, excess-5s-v1, excess-20s-v1",
        ),
        (
            ["--window", "dirty"],
            "--window: was 'dirty', expected one of clean, grey, inside, untrained, mixed",
        ),
        (["--from", "yesterday"], "--from: was 'yesterday', expected a day such as 2026-10-01"),
        (
            ["--from", "2026-03-01", "--to", "2026-02-01"],
            "--to: was 2026-02-01, expected a day from 2026-03-01 on",
        ),
        (
            ["--model", "openai/b"],
            "--model: was 'openai/b', expected one that has outcomes: builtin/technical-v1",
        ),
        (["--strategy", "Nobody"], "--strategy: was 'Nobody', expected the name of one: Momentum"),
    ],
)
def test_arguments_it_cannot_take_are_named(arguments: list[str], said: str) -> None:
    make_strategy(name="Momentum")
    live(2, right=lambda _: 0.5)

    with pytest.raises(CommandError) as refused:
        calibrated(*arguments)

    assert (str(refused.value), refused.value.returncode) == (said, 2)


def test_one_strategy_is_reported_by_its_prompt_version() -> None:
    make_strategy(name="Momentum", pk=STRATEGY)
    live(25, right=lambda _: 0.5)

    (report,) = json.loads(calibrated("--strategy", "Momentum", "--json"))["reports"]

    found: dict[str, Any] = {name: report[name] for name in ("strategy", "promptVersion", "decisions")}
    assert found == {"strategy": "Momentum", "promptVersion": "decisions-v2", "decisions": 250}
