"""How runs and their items are shown."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from evaluation.api.calibration_reports import EstimateFigureSerializer
from evaluation.models import ReplayItem, Run
from trading.api.schema import page_of
from trading.api.serializers import ApiSerializer, PlainDecimalField, RowSerializer


class EstimateSerializer(serializers.Serializer[Any]):
    """What asking takes: how many requests are known, how many must be asked, and the most that can cost in USD."""

    requestsKnown = serializers.IntegerField()
    requestsToAsk = serializers.IntegerField()
    mostUsd = serializers.CharField()
    unpricedModels = serializers.ListField(child=serializers.CharField())


class EarnedSerializer(serializers.Serializer[Any]):
    """What all decisions with a known outcome earned after so many sessions, USD; the mean change is paired."""

    sessions = serializers.IntegerField()
    wasUsd = serializers.CharField()
    wouldBeUsd = serializers.CharField()
    changeUsd = serializers.CharField()
    meanChangeUsd = EstimateFigureSerializer()


class ReplaySerializer(ApiSerializer):
    """One execution of an experiment: how far it is, and what it comes to."""

    id = serializers.UUIDField()
    experiment_id = serializers.UUIDField()
    name = serializers.CharField(source="experiment.name")
    author = serializers.CharField(source="experiment.author")
    spec = serializers.DictField(source="experiment.spec", help_text="What was asked for, whole.")
    status = serializers.ChoiceField(Run.Status.values)
    reason = serializers.CharField(allow_blank=True)
    estimate = serializers.SerializerMethodField()
    progress = serializers.SerializerMethodField()
    figures = serializers.DictField(help_text="Counts, agreement, flips, cost; empty until it has ended.")
    created_at = serializers.DateTimeField()
    started_at = serializers.DateTimeField(allow_null=True)
    ended_at = serializers.DateTimeField(allow_null=True)

    @extend_schema_field(EstimateSerializer(allow_null=True))
    def get_estimate(self, run: Run) -> dict[str, Any] | None:
        """Return what it was expected to take; null until that is known."""
        found: dict[str, Any] | None = run.progress.get("estimate")
        return found

    def get_progress(self, run: Run) -> dict[str, Any]:
        """Return decisions done, requests asked and USD spent so far."""
        return {name: value for name, value in run.progress.items() if name != "estimate"}


class ReplayItemSerializer(RowSerializer):
    """A decision as it was beside what it would be; `change` is what changed most of it."""

    cost_usd = PlainDecimalField()
    change = serializers.SerializerMethodField()
    before = serializers.DictField()
    after = serializers.DictField()

    class Meta:
        model = ReplayItem
        fields = [
            "decision_id", "symbol", "as_of", "model", "sample", "change", "shift", "before", "after",
            "request_hash", "from_cache", "cost_usd",
        ]  # fmt: skip

    def get_change(self, item: ReplayItem) -> str:
        """Return the change in words."""
        return str(ReplayItem.Change(item.change).label)


class ReplayWithItemsSerializer(ReplaySerializer):
    """A replay with a page of its items, what changed most first."""

    profits = EarnedSerializer(
        many=True, help_text="The nearest horizon first; empty until outcomes are known."
    )
    items = page_of(ReplayItemSerializer)()


class ExperimentSerializer(ApiSerializer):
    """Something tried, and how its last execution stands."""

    id = serializers.UUIDField(source="experiment_id")
    kind = serializers.CharField(source="experiment.kind")
    name = serializers.CharField(source="experiment.name")
    author = serializers.CharField(source="experiment.author")
    spec = serializers.DictField(source="experiment.spec")
    replay_id = serializers.UUIDField(source="pk")
    status = serializers.ChoiceField(Run.Status.values)
    reason = serializers.CharField(allow_blank=True)
    figures = serializers.DictField()
    created_at = serializers.DateTimeField()
