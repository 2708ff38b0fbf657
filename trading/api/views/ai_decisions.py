"""Enriched decisions: each with its order, trade and position, and the six stages of its way."""

from collections.abc import Mapping
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from trading.api.enriched import shown
from trading.api.pagination import Cursors, cursors
from trading.api.schema import page_of
from trading.api.serializers import ApiSerializer, ListQuery, PlainDecimalField
from trading.api.views.ai_decisions_example import PAGE
from trading.api.views.base import KEY_PARSERS, ApiView
from trading.api.views.decisions import StageSerializer
from trading.domain.order_ids import Purpose
from trading.domain.stage_keys import keys_with
from trading.domain.statuses import DecisionStatus, OrderStatus
from trading.domain.symbols import EXPECTED, is_symbol
from trading.domain.timeline import StageName, StageStatus
from trading.models import AIDecision
from trading.models.order import SideChoice
from trading.queries.enriched_decisions import NEWEST_FIRST, DecisionFilter, decision_page

STAGES = [name.value for name in StageName]
STAGE_STATUSES = [status.value for status in StageStatus]
PAIR = "Expected together with {}."


class EnrichedQuery(ListQuery):
    """Filters of enriched decisions; all that are given have to be met."""

    symbol = serializers.CharField(required=False, max_length=32, help_text="e.g. `AAPL` or `BTC/USD`.")
    action = serializers.ChoiceField(AIDecision.Action.values, required=False)
    strategy = serializers.UUIDField(required=False, help_text="Id of the strategy.")
    cycle = serializers.UUIDField(required=False, help_text="Id of the cycle.")
    stage = serializers.ChoiceField(STAGES, required=False, help_text="Together with `stageStatus`.")
    stage_status = serializers.ChoiceField(
        STAGE_STATUSES, required=False, help_text="The status `stage` has."
    )
    reason = serializers.CharField(
        required=False, max_length=40, help_text="Why it did not trade, in its one word, e.g. `stale_price`."
    )
    to = serializers.DateTimeField(required=False, help_text="Decided before this moment.")

    def get_fields(self) -> dict[str, Any]:
        """Add the parameter whose name is a word of Python."""
        fields: dict[str, Any] = super().get_fields()
        fields["from"] = serializers.DateTimeField(
            required=False, help_text="Decided at this moment or later.", source="since"
        )
        return fields

    def validate_symbol(self, value: str) -> str:
        """Refuse what no symbol looks like."""
        if not is_symbol(value):
            raise serializers.ValidationError(f"Expected {EXPECTED}.")
        return value

    def validate(self, attrs: Mapping[str, Any]) -> Mapping[str, Any]:
        """Refuse half a pair, and a span that ends before it begins."""
        if "stage" in attrs and "stage_status" not in attrs:
            raise serializers.ValidationError({"stageStatus": PAIR.format("stage")})
        if "stage_status" in attrs and "stage" not in attrs:
            raise serializers.ValidationError({"stage": PAIR.format("stageStatus")})
        if "since" in attrs and "to" in attrs and attrs["since"] >= attrs["to"]:
            raise serializers.ValidationError({"to": "Expected a moment after from."})
        return attrs


class EnrichedDecisionFacts(ApiSerializer):
    """What was decided, and what became of it."""

    id = serializers.UUIDField()
    cycle_id = serializers.UUIDField()
    strategy_id = serializers.UUIDField()
    strategy_name = serializers.CharField()
    strategy_version = serializers.IntegerField(allow_null=True)
    symbol = serializers.CharField()
    action = serializers.ChoiceField(AIDecision.Action.values)
    confidence = PlainDecimalField(help_text="From 0 to 1.")
    reasoning = serializers.CharField()
    model = serializers.CharField(help_text="Empty where no model was asked.")
    price = PlainDecimalField(allow_null=True, help_text="What the decision saw, in USD.")
    price_warning = serializers.CharField()
    stop_percent = PlainDecimalField(
        allow_null=True, help_text="How far below its entry it wants the position given up; of a buy alone."
    )
    target_percent = PlainDecimalField(allow_null=True, help_text="How far above it, with its profit.")
    horizon_sessions = serializers.IntegerField(allow_null=True, help_text="In how many sessions at most.")
    invalidation = serializers.CharField(help_text="What would prove it wrong, in its own words.")
    proposal_note = serializers.CharField(
        help_text="What of these it said that was dropped, or taken as the strategy's bound."
    )
    against_thesis = serializers.BooleanField(
        help_text="Whether it sells before the horizon of the entry's thesis, with stop and target untouched."
    )
    status = serializers.ChoiceField([status.value for status in DecisionStatus])
    reason = serializers.CharField(help_text="Why it did not trade, in one word; empty where it did.")
    reason_detail = serializers.CharField()
    approved = serializers.BooleanField(help_text="Whether a person let it pass.")
    created_at = serializers.DateTimeField()
    settled_at = serializers.DateTimeField(allow_null=True)


class LinkedOrder(ApiSerializer):
    """The decision's own order; quantities in base units, prices in USD per unit."""

    id = serializers.UUIDField()
    client_order_id = serializers.CharField()
    broker_order_id = serializers.CharField(allow_null=True)
    symbol = serializers.CharField()
    side = serializers.ChoiceField(SideChoice.values)
    purpose = serializers.ChoiceField([Purpose.ENTRY.value, Purpose.EXIT.value])
    quantity = PlainDecimalField(allow_null=True)
    reference_price = PlainDecimalField(allow_null=True)
    time_in_force = serializers.CharField()
    status = serializers.ChoiceField([status.value for status in OrderStatus])
    filled_quantity = PlainDecimalField()
    average_price = PlainDecimalField(allow_null=True)
    broker_message = serializers.CharField()
    created_at = serializers.DateTimeField()
    submitted_at = serializers.DateTimeField(allow_null=True)
    acknowledged_at = serializers.DateTimeField(allow_null=True)
    ended_at = serializers.DateTimeField(allow_null=True)


class LinkedTrade(ApiSerializer):
    """The trade made of the order's executions."""

    id = serializers.UUIDField()
    symbol = serializers.CharField()
    side = serializers.ChoiceField(SideChoice.values)
    quantity = PlainDecimalField()
    price = PlainDecimalField()
    realised_pnl = PlainDecimalField(allow_null=True, help_text="In USD; null on an order that opens.")
    traded_at = serializers.DateTimeField(help_text="Market time of the last fill.")


class LinkedPosition(ApiSerializer):
    """The open position that the order opened or added to."""

    symbol = serializers.CharField()
    quantity = PlainDecimalField()
    average_entry_price = PlainDecimalField()
    market_value = PlainDecimalField(allow_null=True)
    unrealised_pnl = PlainDecimalField(allow_null=True)
    opened_at = serializers.DateTimeField(help_text="Market time.")
    fetched_at = serializers.DateTimeField()
    is_stale = serializers.BooleanField(help_text="Too old to be taken for live.")

    def get_fields(self) -> dict[str, Any]:
        """Add the field whose name a serializer has itself."""
        return super().get_fields() | {"source": serializers.ChoiceField(["broker_live", "cache_stale"])}


class EnrichedDecision(ApiSerializer):
    """A decision with what it led to; links are null where there is nothing to link."""

    decision = EnrichedDecisionFacts()
    linked_order = LinkedOrder(allow_null=True)
    linked_trade = LinkedTrade(allow_null=True)
    linked_position = LinkedPosition(allow_null=True)
    timeline = serializers.ListField(child=StageSerializer(), min_length=6, max_length=6)


class EnrichedDecisionsView(ApiView):
    """Serve decisions with their orders, trades, positions and timelines."""

    permissions = {"GET": "trading.view_aidecision"}
    queries = {"GET": EnrichedQuery}

    @extend_schema(
        summary="Decisions with their orders, trades, positions and timelines, the newest first",
        responses=page_of(EnrichedDecision),
        examples=[OpenApiExample("A position that is open", value=PAGE, response_only=True)],
    )
    def get(self, request: Request) -> Response:
        """The timeline always has six stages: decision, risk_gate, order, fill, position, exit."""
        marks = marks_of(self.parameters)
        page = decision_page(
            filter_of(self.parameters),
            position=marks.read(self.parameters.get("cursor")),
            limit=self.parameters["limit"],
        )
        now = timezone.now()
        return Response(marks.envelope(page, [shown(row, now) for row in page.rows]))


def marks_of(parameters: Mapping[str, Any]) -> Cursors:
    """Return the cursors of this list under its parameters."""
    parsers = {"decision_created_at": KEY_PARSERS["created_at"], "decision_id": KEY_PARSERS["id"]}
    return cursors(EnrichedDecisionsView.__name__, parameters, NEWEST_FIRST, parsers)


def filter_of(parameters: Mapping[str, Any]) -> DecisionFilter:
    """Return what the parameters ask for."""
    words = None
    if "stage" in parameters:
        words = keys_with(StageName(parameters["stage"]), StageStatus(parameters["stage_status"]))
    return DecisionFilter(
        symbol=parameters.get("symbol"),
        action=parameters.get("action"),
        strategy_id=parameters.get("strategy"),
        cycle_id=parameters.get("cycle"),
        stages=words,
        reason=parameters.get("reason"),
        since=parameters.get("since"),
        until=parameters.get("to"),
    )
