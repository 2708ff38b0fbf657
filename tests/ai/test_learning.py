"""What was measured of a model's speed is written once an analysis, whatever else was learnt at once."""

from typing import Any

import pytest
from django.utils import timezone

from ai.calls import CallOutcome
from ai.errors import ModelTimeoutError
from ai.learning import Learning
from ai.models import ModelCapability
from ai.skills import Skills

pytestmark = pytest.mark.django_db
MODEL, ADDRESS = "openai/one", "http://127.0.0.1:1"


def took(milliseconds: int, **columns: Any) -> CallOutcome:
    values = {"symbols": ("A", "B"), "completion_tokens": 40, "skills": Skills()} | columns
    return CallOutcome(model=MODEL, messages=(), started_at=timezone.now(), latency_ms=milliseconds, **values)


def remembered() -> int | None:
    return ModelCapability.objects.get().milliseconds_per_symbol


def learning() -> Learning:
    return Learning([MODEL], api_base=ADDRESS)


def take(of: Learning, outcome: CallOutcome) -> None:
    of.take(outcome, given_seconds=5.0, under_way=1)


def test_speeds_of_many_answers_are_written_together_at_the_end() -> None:
    running = learning()
    take(running, took(1000))
    assert remembered() == 500, "the first at once"

    take(running, took(3000))
    take(running, took(2000))
    assert remembered() == 500
    assert running.of(MODEL).seconds_per_symbol == 1.0

    running.end(share_of_time=0.9, most_calls=8)
    assert remembered() == 1000
    assert learning().of(MODEL).seconds_per_symbol == 1.0


def test_answer_that_comes_too_late_is_remembered_at_once() -> None:
    running = learning()
    take(running, took(1000))

    error = ModelTimeoutError(MODEL, "no answer")
    take(running, took(9000, error=error, skills=None))

    assert remembered() == 5000
