"""The record of every model call."""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

import uuid6
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone

from ai.domain.budget import Price
from ai.domain.refusals import AnswerForm
from ai.domain.text import LONGEST_MODEL_NAME

NOT_NEGATIVE = MinValueValidator(0, "price: was %(show_value)s, expected a number of USD from 0")


class ModelCallQuerySet(models.QuerySet["ModelCall"]):
    """Phrases about model calls; of costs and health, what trades alone counts unless a purpose is named."""

    def trading(self) -> "ModelCallQuerySet":
        """Return the calls that decisions to trade were asked by."""
        return self.filter(purpose=ModelCall.Purpose.TRADE)

    def cost_since(self, moment: datetime) -> Decimal:
        """Return what the calls since ``moment`` that trade are charged with in USD."""
        return self.trading().filter(created_at__gte=moment)._cost()

    def evaluation_cost_since(self, moment: datetime) -> Decimal:
        """Return what the calls since ``moment`` that only evaluate are charged with in USD."""
        return self.filter(created_at__gte=moment).exclude(purpose=ModelCall.Purpose.TRADE)._cost()

    def cost_of_cycle(self, cycle_id: UUID) -> Decimal:
        """Return what the calls of a cycle are charged with in USD."""
        return self.filter(cycle_id=cycle_id)._cost()

    def telling_about(self, model: str, *, shortest_timeout_ms: int) -> "ModelCallQuerySet":
        """Return the calls that say how a model fares, the newest first.

        Left out are rejected requests, which say that a key or a name is wrong, and timeouts of calls that
        were given less than ``shortest_timeout_ms``.
        """
        hasty = Q(status=ModelCall.Status.TIMEOUT, latency_ms__lt=shortest_timeout_ms)
        told = self.trading().filter(model=model).exclude(hasty).exclude(error_type="ModelRejectedError")
        return told.order_by("-created_at")

    def _cost(self) -> Decimal:
        total: Decimal | None = self.aggregate(total=models.Sum("charged_usd"))["total"]
        return Decimal(0) if total is None else total


class ModelCall(models.Model):
    """One question put to one model, with what came back; written once, when the call has ended.

    ``prompt`` and ``answer`` are stored as they were, save what PostgreSQL cannot hold and what exceeds 64 KB
    of an answer. ``cost_usd`` is null where the model's price is not known. ``charged_usd`` is what the
    budgets count: the cost, or the most it can have been where no reply said. ``retry_after_seconds`` is the
    provider's own, rounded up. ``request_hash`` names what was sent (``ai/domain/request.py``), ``params`` is what of
    it is neither model nor messages, ``sample`` which of several answers was asked for. The database refuses to change
    a row.
    """

    class Purpose(models.TextChoices):
        """What it was asked for; what does not trade has a purse of its own and says nothing of a model's health."""

        TRADE = "trade"
        SHADOW = "shadow"
        REPLAY = "replay"

    class Status(models.TextChoices):
        """How the call ended; ``invalid``: it was answered, but with nothing that can be used."""

        SUCCEEDED = "succeeded"
        FAILED = "failed"
        INVALID = "invalid"
        TIMEOUT = "timeout"

    id = models.UUIDField(primary_key=True, default=uuid6.uuid7, editable=False)
    cycle_id = models.UUIDField(null=True, blank=True)
    model = models.CharField(max_length=LONGEST_MODEL_NAME)
    provider = models.CharField(max_length=100)
    prompt_version = models.CharField(max_length=40)
    prompt_hash = models.CharField(max_length=64, help_text="SHA-256 of the messages, in hex.")
    prompt = models.JSONField(help_text="The chat messages.")
    symbols = models.JSONField(help_text="The symbols that were asked.")
    answer = models.TextField(blank=True)
    status = models.CharField(max_length=10, choices=Status.choices)
    error_type = models.CharField(max_length=100, blank=True)
    error_message = models.TextField(blank=True)
    prompt_tokens = models.PositiveIntegerField(default=0)
    completion_tokens = models.PositiveIntegerField(default=0)
    cost_usd = models.DecimalField(max_digits=12, decimal_places=6, null=True, blank=True)
    charged_usd = models.DecimalField(max_digits=12, decimal_places=6, default=Decimal(0))
    latency_ms = models.PositiveIntegerField()
    retry_after_seconds = models.PositiveIntegerField(null=True, blank=True)
    started_at = models.DateTimeField()
    purpose = models.CharField(
        max_length=10, choices=Purpose.choices, default=Purpose.TRADE, db_default=Purpose.TRADE
    )
    sample = models.PositiveSmallIntegerField(default=0, db_default=0)
    request_hash = models.CharField(max_length=64, blank=True, default="", db_default="")
    params = models.JSONField(default=dict, db_default={}, blank=True)
    answered_model = models.CharField(max_length=200, blank=True, default="", db_default="")
    system_fingerprint = models.CharField(max_length=200, blank=True, default="", db_default="")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = ModelCallQuerySet.as_manager()

    class Meta:
        db_table = "model_calls"
        ordering = ("-created_at",)
        indexes = [
            # Read by the console's page of a cycle and by the timeline of a decision.
            models.Index(fields=["cycle_id"], name="model_calls_cycle"),
            # Read by the budget of the day (cost_since), the console's list and the pruning of old rows.
            models.Index(fields=["created_at"], name="model_calls_created"),
            # Read by the purse of evaluations (evaluation_cost_since) and by the page of models.
            models.Index(fields=["created_at"], name="model_calls_evaluating", condition=~Q(purpose="trade")),
            # Read by the report of performance: what calls cost, without the rows, which hold prompts and answers.
            models.Index(
                fields=["id"],
                name="model_calls_costs",
                include=["model", "prompt_version", "cost_usd", "charged_usd", "cycle_id", "created_at"],
                condition=Q(purpose="trade"),
            ),
            # Read by the breaker of a model: its last calls.
            models.Index(fields=["model", "-created_at"], name="model_calls_of_model"),
        ]
        constraints = [
            models.CheckConstraint(
                name="model_calls_status_known",
                condition=Q(status__in=["succeeded", "failed", "invalid", "timeout"]),
            ),
            models.CheckConstraint(
                name="model_calls_failure_says_why",
                condition=Q(status="succeeded", error_type="") | (~Q(status="succeeded") & ~Q(error_type="")),
            ),
            models.CheckConstraint(
                name="model_calls_cost_not_negative", condition=Q(cost_usd__isnull=True) | Q(cost_usd__gte=0)
            ),
            models.CheckConstraint(name="model_calls_charge_not_negative", condition=Q(charged_usd__gte=0)),
        ]

    def __str__(self) -> str:
        return f"{self.model} {self.status} {self.created_at:%Y-%m-%d %H:%M:%S}"


class ModelAnswer(models.Model):
    """A complete answer, raw and compressed, under the hash of the request it was given to; the database refuses to
    change a row.
    """

    request_hash = models.CharField(max_length=64, primary_key=True)
    model = models.CharField(max_length=LONGEST_MODEL_NAME)
    endpoint = models.CharField(max_length=16, help_text="Where it was asked, as a hash; provider: its own.")
    sample = models.PositiveSmallIntegerField(default=0)
    text = models.BinaryField(help_text="zlib.")
    answered_model = models.CharField(max_length=200, blank=True)
    system_fingerprint = models.CharField(max_length=200, blank=True)
    prompt_tokens = models.PositiveIntegerField(default=0)
    completion_tokens = models.PositiveIntegerField(default=0)
    cost_usd = models.DecimalField(max_digits=12, decimal_places=6, null=True, blank=True)
    latency_ms = models.PositiveIntegerField()
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        db_table = "model_answers"

    def __str__(self) -> str:
        return f"{self.model} {self.request_hash[:12]}"


class ModelCapability(models.Model):
    """What a model at an address was found to take; forgotten after some days, or deleted by a person.

    ``answer_form`` is the strictest form that was not refused. ``most_symbols`` is how many symbols fit into one
    question, null where no limit was met, 0 where not even one fits. ``milliseconds_per_symbol`` is what its answers
    took, calls beside them included; null where none came yet. ``calls_at_once`` is how many calls may be under way to
    it, null where the setting alone says so.
    """

    model = models.CharField(max_length=LONGEST_MODEL_NAME)
    address = models.CharField(
        max_length=500, blank=True, help_text="AI_API_BASE; empty: the provider's own."
    )
    answer_form = models.CharField(max_length=20, default=AnswerForm.SCHEMA.value)
    takes_temperature = models.BooleanField(default=True)
    most_symbols = models.PositiveIntegerField(null=True, blank=True)
    milliseconds_per_symbol = models.PositiveIntegerField(null=True, blank=True)
    tokens_per_second = models.PositiveIntegerField(null=True, blank=True)
    calls_at_once = models.PositiveIntegerField(null=True, blank=True)
    learnt_at = models.DateTimeField(default=timezone.now)

    class Meta:
        db_table = "model_capabilities"
        ordering = ("model", "address")
        verbose_name_plural = "model capabilities"
        constraints = [
            models.UniqueConstraint(fields=["model", "address"], name="one_capability_per_address")
        ]

    def __str__(self) -> str:
        return f"{self.model} at {self.address or 'its provider'}"


class ModelCutoff(models.Model):
    """How far a model's training reaches, as a person entered it; ``pattern`` is a name, or one with ``*`` in it.

    ``trained_until`` is the last day of the data it was trained on, inclusive; null: nobody tells. ``released_on`` is
    when it came out, which bounds an untold end. Of several patterns that match, the longest counts.
    """

    pattern = models.CharField(max_length=LONGEST_MODEL_NAME, primary_key=True)
    trained_until = models.DateField(null=True, blank=True)
    released_on = models.DateField(null=True, blank=True)
    source = models.CharField(max_length=500, help_text="Where that is said.")
    updated_at = models.DateTimeField(auto_now=True)
    updated_by = models.CharField(max_length=150, blank=True)

    class Meta:
        db_table = "model_cutoffs"
        ordering = ("pattern",)
        constraints = [
            models.CheckConstraint(
                name="model_cutoff_says_something",
                condition=Q(trained_until__isnull=False) | Q(released_on__isnull=False),
            )
        ]

    def __str__(self) -> str:
        return self.pattern


class ModelPrice(models.Model):
    """What a model costs: set by a person, for models litellm has no price of, or another than litellm's."""

    model = models.CharField(
        max_length=LONGEST_MODEL_NAME,
        primary_key=True,
        help_text="The name as in AI_MODELS, e.g. openai/gpt-4o-mini.",
    )
    input_usd_per_million = models.DecimalField(
        max_digits=12,
        decimal_places=6,
        validators=[NOT_NEGATIVE],
        help_text="USD per million tokens asked; 0 where they cost nothing.",
    )
    output_usd_per_million = models.DecimalField(
        max_digits=12,
        decimal_places=6,
        validators=[NOT_NEGATIVE],
        help_text="USD per million tokens answered.",
    )
    updated_at = models.DateTimeField(auto_now=True)
    updated_by = models.CharField(max_length=150, blank=True, editable=False)

    class Meta:
        db_table = "model_prices"
        ordering = ("model",)
        constraints = [
            models.CheckConstraint(
                name="model_prices_not_negative",
                condition=Q(input_usd_per_million__gte=0, output_usd_per_million__gte=0),
            )
        ]

    def __str__(self) -> str:
        return self.model

    @property
    def price(self) -> Price:
        """The price as a value."""
        return Price(self.input_usd_per_million, self.output_usd_per_million)
