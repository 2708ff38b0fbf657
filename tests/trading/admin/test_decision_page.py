"""What a decision's page tells of its confidence: what it has been worth, and how far answers agree."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from tests.factories import make_decision, make_model_call, make_risk_check
from trading.models import AIDecision

FIGURES = {
    "trust_mode": "on",
    "trust_factor": "0.25",
    "trust_standing": "earned",
    "trust_version": "3",
    "calibrated_confidence": "0.5412",
    "confidence_low": "0.5099",
}


def page_of(login: Callable[..., Client], decision: AIDecision) -> str:
    url = reverse("admin:trading_aidecision_change", args=[decision.pk])
    return login("viewer").get(url).content.decode()


@pytest.mark.parametrize(
    ("figures", "sentence"),
    [
        (FIGURES, "Confidence: 0.82 stated, 0.54 calibrated, at least 0.51: sized at 0.25"),
        (
            FIGURES | {"trust_mode": "shadow"},
            "Confidence: 0.82 stated, 0.54 calibrated, at least 0.51: would be sized at 0.25",
        ),
        ({}, None),
    ],
    ids=["on", "shadow", "before"],
)
def test_it_says_what_the_stated_confidence_was_worth(
    figures: dict[str, Any], sentence: str | None, login: Callable[..., Client]
) -> None:
    check = make_risk_check(figures=figures)
    decision = make_decision(confidence="0.82", risk_check=check, status="executing")

    page = page_of(login, decision)

    assert (sentence in page) if sentence else ("stated," not in page)


def test_it_shows_every_answer_with_its_call(login: Callable[..., Client]) -> None:
    calls = [make_model_call(sample=sample) for sample in range(2)]
    said = [("buy", "0.9"), ("hold", "0.6")]
    answers = [
        {"sample": call.sample, "action": action, "confidence": confidence, "call": str(call.pk)}
        for call, (action, confidence) in zip(calls, said, strict=True)
    ]
    samples = {"asked": 3, "agreement": 0.5, "answers": answers}
    decision = make_decision(action="hold", status="held", reason="unstable", samples=samples)

    page = page_of(login, decision)

    assert "Asked 3 times, 2 answered:" in page
    assert "a share of 0.50 says hold." in page
    for call, (action, confidence) in zip(calls, said, strict=True):
        url = reverse("admin:ai_modelcall_change", args=[call.pk])
        assert f'href="{url}">{action} {confidence}</a>' in page
