"""What is other than it was, as a form; read into a variation."""

from decimal import Decimal
from typing import Any

from django import forms
from unfold.widgets import (
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from ai.replaying import MOST_SAMPLES, AnswerPolicy
from evaluation.services.replay.variation import LIMITS, PROMPTS, STOPS, Variation, pairs
from risk.domain.numbers import plain_decimal
from trading.models import StrategyVersion

AS_IT_WAS = ("", "as it was")
VERSIONS_SHOWN = 50
POLICIES = [
    (AnswerPolicy.REPLAY.value, "the store, else the model is asked"),
    (AnswerPolicy.CACHED_ONLY.value, "the store alone: nothing is asked"),
    (AnswerPolicy.FRESH.value, "the model, whatever was answered before"),
]


class AskForm(forms.Form):
    """Everything that may be varied; what is left as it stands is as it was."""

    models = forms.CharField(
        required=False,
        max_length=2000,
        label="Models",
        help_text="litellm names, comma-separated; empty: the model that was asked.",
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "openai/gpt-4o-mini"}),
    )
    instructions = forms.CharField(
        required=False,
        max_length=20_000,
        label="Instructions",
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 6}),
    )
    strategy = forms.ChoiceField(
        required=False, label="Strategy version", widget=UnfoldAdminSelectWidget,
        help_text="Its instructions and its rules of sizes and exits.",
    )  # fmt: skip
    prompt = forms.ChoiceField(
        required=False, label="Prompt", choices=[AS_IT_WAS, *((name, name) for name in PROMPTS)],
        widget=UnfoldAdminSelectWidget,
    )  # fmt: skip
    temperature = forms.DecimalField(
        required=False, min_value=0, max_value=2, label="Temperature", widget=UnfoldAdminDecimalFieldWidget
    )
    samples = forms.IntegerField(
        min_value=1, max_value=MOST_SAMPLES, initial=1, label="Answers to each question",
        widget=UnfoldAdminIntegerFieldWidget,
    )  # fmt: skip
    limits = forms.CharField(
        required=False, label="Limits of the account", help_text=f"e.g. max_positions=20; of {', '.join(LIMITS)}.",
        widget=UnfoldAdminTextInputWidget,
    )  # fmt: skip
    threshold = forms.CharField(
        required=False, label="Confidence threshold", help_text="0 to 1.", widget=UnfoldAdminTextInputWidget
    )
    stops = forms.CharField(
        required=False, label="Exits of the strategy", help_text=f"e.g. stop_percent=3; of {', '.join(STOPS)}.",
        widget=UnfoldAdminTextInputWidget,
    )  # fmt: skip
    answers = forms.ChoiceField(
        choices=POLICIES, initial=POLICIES[0][0], label="Answers come from", widget=UnfoldAdminSelectWidget
    )
    max_usd = forms.DecimalField(
        required=False, min_value=Decimal(0), max_digits=12, decimal_places=6, label="At most, USD",
        help_text="Of the day's purse for evaluations.", widget=UnfoldAdminDecimalFieldWidget,
    )  # fmt: skip

    def __init__(self, *args: Any, instructions: str, **options: Any) -> None:
        super().__init__(*args, **options)
        self._as_recorded = instructions
        self.fields["instructions"].initial = instructions
        newest = StrategyVersion.objects.select_related("strategy").order_by("-created_at")[:VERSIONS_SHOWN]
        names = [f"{row.strategy.name}@{row.version}" for row in newest]
        choice = self.fields["strategy"]
        assert isinstance(choice, forms.ChoiceField)  # noqa: S101 - declared above
        choice.choices = [AS_IT_WAS, *((name, name) for name in names)]

    def variation(self) -> Variation:
        """Return what is other than it was.

        Raises:
            VariationError: a list of names and values cannot be read.
        """
        said = self.cleaned_data
        instructions = said["instructions"].replace("\r\n", "\n")
        temperature = said["temperature"]
        return Variation(
            models=tuple(filter(None, (name.strip() for name in said["models"].split(",")))),
            strategy=said["strategy"],
            prompt=said["prompt"] or None,
            instructions=None if instructions == self._as_recorded else instructions,
            temperature=None if temperature is None else float(temperature),
            samples=said["samples"],
            threshold=said["threshold"].strip() or None,
            limits=pairs("limits", said["limits"], LIMITS),
            stops=pairs("stops", said["stops"], STOPS),
            policy=AnswerPolicy(said["answers"]),
        )

    def most_usd(self) -> str | None:
        """Return what it may cost, as plain text; None: what the purse has."""
        most = self.cleaned_data["max_usd"]
        return None if most is None else plain_decimal(most)
