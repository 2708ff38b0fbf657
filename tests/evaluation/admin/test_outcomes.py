"""What came of a decision stands on its page, and the verdict line on the dashboard."""

from collections.abc import Callable
from datetime import date
from decimal import Decimal

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from ai.models import ModelCutoff
from evaluation.models import JobMark
from evaluation.services.calibration.job import CalibrationJob
from tests.evaluation.services.agents import live, make_outcome
from tests.factories import make_cycle, make_decision, make_model_call
from tests.trading.admin.conftest import login
from trading.models import AIDecision

__all__ = ["login"]
Login = Callable[..., Client]


@pytest.fixture
def decision(prepared: None) -> AIDecision:
    return make_decision(symbol="TSLA", model_call=make_model_call())


def page_of(client: Client, decision: AIDecision) -> str:
    url = reverse("admin:trading_aidecision_change", args=[decision.pk])
    return " ".join(client.get(url).content.decode().split())


def test_each_label_says_what_came_or_when_or_why_not(login: Login, decision: AIDecision) -> None:
    late = timezone.now()
    known = {"symbol_return": Decimal("0.0312"), "universe_return": Decimal("-0.0011")}
    make_outcome(
        decision_id=decision.pk,
        label_spec="excess-1s-v1",
        horizon=1,
        excess_return=Decimal("0.0323"),
        **known,
    )
    gone = {
        "excess_return": None,
        "symbol_return": None,
        "universe_return": None,
        "right": None,
        "members": None,
    }
    make_outcome(decision_id=decision.pk, label_spec="excess-5s-v1", horizon=5, reason="delisted", **gone)
    make_outcome(
        decision_id=decision.pk, label_spec="excess-20s-v1", horizon=20, resolved_at=None, due_at=late, **gone
    )

    page = page_of(login("viewer"), decision)

    assert "1 session<" in page
    assert "<b>+3.23 %</b>" in page
    assert "+3.12 %" in page
    assert "-0.11 %" in page
    assert "there never will be an outcome: delisted" in page
    assert f"known after the close of {late:%Y-%m-%d}" in page
    assert "A purchase is right above its cost of +0.08 %" in page


def test_a_decision_without_an_outcome_says_why(login: Login, decision: AIDecision) -> None:
    client = login("viewer")
    assert "noted within an hour of market time" in page_of(client, decision)
    JobMark.objects.create(job="outcomes", cycle_number=decision.cycle.number)
    assert "An earlier decision of this session on this symbol speaks for it" in page_of(client, decision)

    unanswered = make_decision(action="hold", status="held", reason="analysis_timeout", cycle=make_cycle())

    assert "No model has given an opinion here" in page_of(client, unanswered)


def test_the_tile_says_the_verdict_of_who_decides_now(login: Login) -> None:
    client = login("viewer")
    home = reverse("admin:index")
    assert "Too early to say: no decision has an outcome yet." in client.get(home).content.decode()
    live(120, right=lambda stated: stated)
    CalibrationJob().run("today")

    page = " ".join(client.get(home).content.decode().split())

    assert "Better than equal weight: excess" in page
    assert "not told apart from calibrated" in page
    assert "/evaluation/calibrationreport/" in page


def test_the_list_says_what_each_was(login: Login) -> None:
    make_outcome()
    make_outcome(decision_id=make_decision().pk, action="hold", right=None, missed=True, symbol="S1")

    page = login("viewer").get(reverse("admin:evaluation_outcome_changelist")).content.decode()

    assert "right" in page
    assert "missed" in page


def test_an_officer_enters_how_far_a_models_training_reaches(login: Login) -> None:
    client = login("risk officer")
    values = {"pattern": "openai/gpt-4o*", "trained_until": "2023-10-01", "source": "the provider's page"}

    client.post(reverse("admin:ai_modelcutoff_add"), values)

    row = ModelCutoff.objects.get()
    assert (row.pattern, row.trained_until) == ("openai/gpt-4o*", date(2023, 10, 1))
    assert row.updated_by
    nothing = client.post(reverse("admin:ai_modelcutoff_add"), values | {"pattern": "b", "trained_until": ""})
    assert nothing.status_code == 200, "one of both days is needed"
    assert ModelCutoff.objects.count() == 1
