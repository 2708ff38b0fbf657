"""What the database itself refuses, and what it adds up."""

import uuid
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError
from django.utils import timezone

from ai.models import ModelCall, ModelPrice

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
        ({"charged_usd": Decimal("-0.01")}, "model_calls_charge_not_negative"),
        ({"latency_ms": -1}, "latency_ms"),
    ],
    ids=str,
)
def test_rows_that_make_no_sense_are_refused(wrong: dict[str, Any], constraint: str) -> None:
    with pytest.raises(IntegrityError, match=constraint):
        make_call(**wrong)


def test_what_calls_are_charged_with_is_added_up_by_time_and_by_cycle() -> None:
    cycle_id = uuid.uuid4()
    yesterday = timezone.now() - timedelta(days=1)
    make_call(charged_usd=Decimal("1.5"), cycle_id=cycle_id, created_at=yesterday)
    make_call(charged_usd=Decimal("0.25"), cost_usd=None, cycle_id=cycle_id)
    make_call(cost_usd=Decimal(7))

    assert ModelCall.objects.cost_since(timezone.now() - timedelta(hours=1)) == Decimal("0.25")
    assert ModelCall.objects.cost_of_cycle(cycle_id) == Decimal("1.75")
    assert ModelCall.objects.cost_of_cycle(uuid.uuid4()) == 0


def test_a_call_never_changes() -> None:
    call = make_call(answer="hold")

    with pytest.raises(IntegrityError, match="a row of model_calls never changes"):
        ModelCall.objects.filter(pk=call.pk).update(answer="buy")


def test_a_price_below_nothing_is_refused() -> None:
    with pytest.raises(IntegrityError, match="model_prices_not_negative"):
        ModelPrice.objects.create(model="a", input_usd_per_million=-1, output_usd_per_million=0)
