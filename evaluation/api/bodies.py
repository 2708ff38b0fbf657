"""What is asked for with a replay, as a body; read into an order."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from rest_framework import serializers

from ai.replaying import MOST_SAMPLES, AnswerPolicy
from evaluation.errors import EvaluationError
from evaluation.models import LONGEST_NAME
from evaluation.services.replay.background import checked
from evaluation.services.replay.orders import Order
from evaluation.services.replay.selecting import Selection
from evaluation.services.replay.variation import PROMPTS, Variation
from risk.domain.numbers import plain_decimal
from trading.api.problems import Problem, invalid
from trading.api.serializers import (
    PlainDecimalField,
    StrictBooleanField,
    StrictCharField,
    StrictSerializer,
)

MOST_MODELS = 10
LONGEST_INSTRUCTIONS = 20_000
# What a service calls a part of an order, and the body.
FIELDS = {
    "model": "models",
    "prompt": "promptVersion",
    "strategy": "strategyVersion",
    "--from": "from",
    "--to": "to",
    "decision": "decisionId",
    "cycle": "cycleId",
}


class VariationBody(StrictSerializer):
    """What is other than it was, each optional; nothing: the same is asked again."""

    models = serializers.ListField(
        child=StrictCharField(max_length=500),
        max_length=MOST_MODELS,
        default=list,
        help_text="litellm names; empty: the model that was asked.",
    )
    prompt_version = serializers.ChoiceField(PROMPTS, required=False, allow_null=True, default=None)
    instructions = StrictCharField(
        required=False, allow_null=True, default=None, allow_blank=True, max_length=LONGEST_INSTRUCTIONS
    )
    strategy_version = StrictCharField(
        required=False, default="", allow_blank=True, max_length=200, help_text="NAME or NAME@VERSION."
    )
    temperature = serializers.FloatField(
        required=False, allow_null=True, default=None, min_value=0, max_value=2
    )
    samples = serializers.IntegerField(default=1, min_value=1, max_value=MOST_SAMPLES)
    limits = serializers.DictField(
        child=StrictCharField(max_length=40), default=dict, help_text="Of the account, as text by name."
    )
    stops = serializers.DictField(
        child=StrictCharField(max_length=40), default=dict, help_text="Of the strategy, as text by name."
    )
    threshold = StrictCharField(
        required=False,
        allow_null=True,
        default=None,
        max_length=40,
        help_text="Confidence from which an entry may pass, 0 to 1.",
    )
    cached_only = StrictBooleanField(default=False, help_text="Read what was answered, and ask nobody.")
    fresh = StrictBooleanField(default=False, help_text="Ask, whatever was answered before.")
    max_usd = PlainDecimalField(
        required=False, allow_null=True, default=None, min_value=Decimal(0), help_text="What it may cost."
    )

    def validate(self, values: Mapping[str, Any]) -> Mapping[str, Any]:
        """Refuse two places for answers to come from."""
        if values["cached_only"] and values["fresh"]:
            raise serializers.ValidationError({"fresh": ["It excludes cachedOnly; expected one of both."]})
        return values


class ExperimentBody(VariationBody):
    """What is asked again: one of a decision, a cycle, `from` with `to` (sessions, inclusive), or a data set."""

    name = StrictCharField(required=False, default="", allow_blank=True, max_length=LONGEST_NAME)
    decision_id = serializers.UUIDField(required=False, allow_null=True, default=None)
    cycle_id = serializers.UUIDField(required=False, allow_null=True, default=None)
    to = serializers.DateField(required=False, allow_null=True, default=None)
    dataset = StrictCharField(required=False, default="", allow_blank=True, max_length=LONGEST_NAME)

    def get_fields(self) -> dict[str, Any]:
        """Add ``from``, which no attribute can be called."""
        first = serializers.DateField(required=False, allow_null=True, default=None, source="first")
        return {"from": first, **super().get_fields()}


def order_of(values: Mapping[str, Any], selection: Selection) -> Order:
    """Return the order of a body.

    Raises:
        Problem: 400, naming the field.
    """
    policy = AnswerPolicy.FRESH if values["fresh"] else AnswerPolicy.REPLAY
    variation = Variation(
        models=tuple(values["models"]),
        strategy=values["strategy_version"],
        prompt=values["prompt_version"],
        instructions=values["instructions"],
        temperature=values["temperature"],
        samples=values["samples"],
        threshold=values["threshold"],
        limits=values["limits"],
        stops=values["stops"],
        policy=AnswerPolicy.CACHED_ONLY if values["cached_only"] else policy,
    )
    most = values["max_usd"]
    order = Order(selection, variation, None if most is None else plain_decimal(most))
    return named(lambda: checked(order))


def selection_of(values: Mapping[str, Any]) -> Selection:
    """Return what a body of an experiment selects, unchecked."""
    return Selection(
        decision=str(values["decision_id"] or ""),
        cycle=str(values["cycle_id"] or ""),
        first=str(values["first"] or ""),
        last=str(values["to"] or ""),
        dataset=values["dataset"],
    )


def named(work: Callable[[], Order]) -> Order:
    """Do it; what the evaluation refuses is a problem of the field it names.

    Raises:
        Problem: 400.
    """
    try:
        return work()
    except EvaluationError as error:
        name, separator, words = str(error).partition(": ")
        if not separator or " " in name:
            raise Problem(400, str(error)) from error
        raise invalid(FIELDS.get(name, name), words) from error
