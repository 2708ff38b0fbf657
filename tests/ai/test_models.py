"""What the database itself refuses, and what it adds up."""

import uuid
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError
from django.utils import timezone

from ai.models import ModelCall

pytestmark = pytest.mark.django_db


def make_call(**overrides: Any) -> ModelCall:
    values: dict[str, Any] = {
        "model": "openai/any",
        "provider": "openai",
        "prompt_version": "v1",
        "prompt_hash": "0" * 64,
        "prompt": [],
        "symbols": ["AAPL"],
        "status": "succeeded",
        "latency_ms": 5,
        "started_at": timezone.now(),
    }
    return ModelCall.objects.create(**{**values, **overrides})


def test_ids_rise_with_time() -> None:
    first, second = make_call(), make_call()

    assert first.id.version == 7
    assert first.id < second.id


@pytest.mark.parametrize(
    ("wrong", "constraint"),
    [
        ({"status": "fine", "error_type": "x"}, "model_calls_status_known"),
        ({"status": "failed"}, "model_calls_failure_says_why"),
        ({"error_type": "ModelTimeoutError"}, "model_calls_failure_says_why"),
        ({"cost_usd": Decimal("-0.01")}, "model_calls_cost_not_negative"),
        ({"latency_ms": -1}, "latency_ms"),
    ],
    ids=str,
)
def test_rows_that_make_no_sense_are_refused(wrong: dict[str, Any], constraint: str) -> None:
    with pytest.raises(IntegrityError, match=constraint):
        make_call(**wrong)


def test_costs_are_added_up_by_time_and_by_cycle() -> None:
    cycle_id = uuid.uuid4()
    yesterday = make_call(cost_usd=Decimal("1.5"), cycle_id=cycle_id)
    ModelCall.objects.filter(pk=yesterday.pk).update(created_at=timezone.now() - timedelta(days=1))
    make_call(cost_usd=Decimal("0.25"), cycle_id=cycle_id)
    make_call(cost_usd=None)

    assert ModelCall.objects.cost_since(timezone.now() - timedelta(hours=1)) == Decimal("0.25")
    assert ModelCall.objects.cost_of_cycle(cycle_id) == Decimal("1.75")
    assert ModelCall.objects.cost_of_cycle(uuid.uuid4()) == 0
