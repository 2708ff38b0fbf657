"""What trading earned: the same report as the command's."""

from collections.abc import Mapping
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from trading.api.serializers import ApiSerializer, PlainDecimalField, QuerySerializer
from trading.api.views.base import ApiView
from trading.performance.rendering import as_json
from trading.performance.report import GROUPS, performance

BACKWARDS = "It is before `from`; expected that day or a later one."


class PerformanceQuery(QuerySerializer):
    """The time and the groups of a report, each optional."""

    to = serializers.DateField(required=False, help_text="The last session, inclusive.")
    by = serializers.ChoiceField(GROUPS, default="strategy", help_text="What the rows are of.")

    def get_fields(self) -> dict[str, Any]:
        """Add ``from``, which no attribute can be called."""
        first = serializers.DateField(required=False, source="first", help_text="The first session.")
        return {"from": first, **super().get_fields()}

    def validate(self, values: Mapping[str, Any]) -> Mapping[str, Any]:
        """Refuse a time that ends before it begins."""
        if "first" in values and "to" in values and values["to"] < values["first"]:
            raise serializers.ValidationError({"to": [BACKWARDS]})
        return values


class MoneySerializer(ApiSerializer):
    """An amount in USD; null with the reason where it is not known."""

    usd = PlainDecimalField(allow_null=True)
    reason = serializers.CharField(allow_blank=True)


class FigureSerializer(ApiSerializer):
    """A figure with how many observations it rests on; null with the reason where it is not known."""

    value = serializers.FloatField(allow_null=True)
    n = serializers.IntegerField()
    reason = serializers.CharField(allow_blank=True)


class ModelCostSerializer(ApiSerializer):
    """What models were paid in USD, which is not in the broker's equity; `unpriced` calls have no known price."""

    usd = PlainDecimalField()
    calls = serializers.IntegerField()
    unpriced = serializers.IntegerField()


class EquityChangeSerializer(ApiSerializer):
    """How the account changed, to the cent.

    `change` = `realised` + `unrealised` + `income` + `broughtIn` + `transferred` + `unexplained`.
    """

    start_at = serializers.DateTimeField(allow_null=True)
    end_at = serializers.DateTimeField(allow_null=True)
    start = MoneySerializer()
    end = MoneySerializer()
    change = MoneySerializer()
    realised = MoneySerializer()
    unrealised = MoneySerializer()
    income = MoneySerializer()
    brought_in = MoneySerializer()
    transferred = MoneySerializer()
    unexplained = MoneySerializer()
    fees = PlainDecimalField()


class DrawdownSerializer(ApiSerializer):
    """The deepest fall: `depth` is -0.2 for 20 %; `recovered` null while the peak was not reached again."""

    depth = serializers.FloatField()
    peak = serializers.DateField()
    trough = serializers.DateField()
    recovered = serializers.DateField(allow_null=True)
    days_under_water = serializers.IntegerField()


class BenchmarkSerializer(ApiSerializer):
    """What the figures against a benchmark are against, over how many days; empty with the reason: nothing."""

    name = serializers.CharField(allow_blank=True)
    days = serializers.IntegerField()
    reason = serializers.CharField(allow_blank=True)


class PerformanceRowSerializer(ApiSerializer):
    """One group: what it realised and holds, after fees and before what models cost."""

    key = serializers.CharField(allow_blank=True)
    label = serializers.CharField()  # type: ignore[assignment]  # the base has an attribute of this name
    trades = serializers.IntegerField()
    open_lots = serializers.IntegerField()
    realised = PlainDecimalField()
    fees = PlainDecimalField()
    income = PlainDecimalField(
        help_text="Dividends, interest and fees that the broker booked by itself, USD."
    )
    unrealised = MoneySerializer()
    profit = MoneySerializer()
    equity_change = MoneySerializer(allow_null=True)
    model_cost = ModelCostSerializer(allow_null=True)
    figures = serializers.DictField(child=FigureSerializer())


class PerformanceSerializer(ApiSerializer):
    """What the account earned in a time, from what, and how good that was (docs/metrics.md)."""

    to = serializers.DateField(allow_null=True)
    by = serializers.ChoiceField(GROUPS)
    equity = EquityChangeSerializer()
    model_cost = ModelCostSerializer()
    after_model_cost = MoneySerializer()
    figures = serializers.DictField(child=FigureSerializer())
    drawdown = DrawdownSerializer(allow_null=True)
    benchmark = BenchmarkSerializer()
    rows = PerformanceRowSerializer(many=True)

    def get_fields(self) -> dict[str, Any]:
        """Add ``from``, which no attribute can be called."""
        return {"from": serializers.DateField(allow_null=True, source="first"), **super().get_fields()}


class PerformanceView(ApiView):
    """Serve the report."""

    permissions = {"GET": "trading.view_roundtrip"}
    queries = {"GET": PerformanceQuery}

    @extend_schema(
        summary="What trading earned, from what, and how good that was", responses=PerformanceSerializer
    )
    def get(self, request: Request) -> Response:
        """Sessions are the exchange's, in market time; what nobody can know is null with the reason."""
        asked = self.parameters
        report = performance(first=asked.get("first"), last=asked.get("to"), by=asked["by"])
        return Response(as_json(report))
