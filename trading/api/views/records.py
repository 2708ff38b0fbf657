"""What is set and what is written down: strategies, limits, candidates, model calls, events."""

from collections.abc import Mapping
from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from ai.domain.text import LONGEST_MODEL_NAME
from ai.models import ModelCall
from risk.models import RiskLimits
from trading.api.schema import page_of
from trading.api.serializers import ListQuery, RowSerializer
from trading.api.views.base import ListView, columns_of
from trading.domain.statuses import CandidateStatus
from trading.models import Event, Strategy, UniverseCandidate
from trading.queries.reading import listings
from trading.queries.reading.keyset import ListOrder

IN_TIME = ListOrder(("occurred_at", "id"))


class StrategySerializer(RowSerializer):
    """A strategy in its current version; empty lists and null limits mean the account's."""

    class Meta:
        model = Strategy
        fields = columns_of(Strategy)


class LimitsSerializer(RowSerializer):
    """One version of the account's limits, in percent of equity."""

    class Meta:
        model = RiskLimits
        fields = columns_of(RiskLimits)


class CandidateSerializer(RowSerializer):
    """A symbol that somebody wants in the universe."""

    class Meta:
        model = UniverseCandidate
        fields = columns_of(UniverseCandidate)


class ModelCallSerializer(RowSerializer):
    """One question put to one model, without its texts; costs in USD."""

    symbols = serializers.ListField(child=serializers.CharField())

    class Meta:
        model = ModelCall
        fields = columns_of(ModelCall, "prompt", "answer")


class EventSerializer(RowSerializer):
    """One transition; `sequence` counts from 1 for each aggregate."""

    payload = serializers.DictField()

    class Meta:
        model = Event
        fields = columns_of(Event, "transaction_id")


class StrategiesQuery(ListQuery):
    """Parameters of the list of strategies, each optional."""

    is_active = serializers.BooleanField(
        required=False, help_text="`false`: the inactive ones; left out: the active ones."
    )
    all = serializers.BooleanField(default=False, help_text="Active or not, whatever `isActive` says.")


class CandidatesQuery(ListQuery):
    """Parameters of the list of candidates: status and whether on the watchlist, each optional."""

    status = serializers.ChoiceField([status.value for status in CandidateStatus], required=False)
    on_watchlist = serializers.BooleanField(required=False)


class ModelCallsQuery(ListQuery):
    """Parameters of the list of model calls; all that are given have to be met."""

    model = serializers.CharField(required=False, max_length=LONGEST_MODEL_NAME)
    status = serializers.ChoiceField(ModelCall.Status.values, required=False)
    cycle_id = serializers.UUIDField(required=False)


class EventsQuery(ListQuery):
    """Parameters of the list of events; all that are given have to be met."""

    aggregate_type = serializers.CharField(required=False, max_length=20)
    aggregate_id = serializers.CharField(required=False, max_length=64)
    type = serializers.CharField(required=False, max_length=80)
    cycle_id = serializers.UUIDField(required=False)


class StrategiesView(ListView):
    """Serve the list of strategies by name."""

    permissions = {"GET": "trading.view_strategy"}
    queries = {"GET": StrategiesQuery}
    row_serializer = StrategySerializer
    order = ListOrder(("name",), newest_first=False)

    def rows(self, filters: Mapping[str, Any]) -> QuerySet[Strategy]:
        """Return the strategies under these filters."""
        return listings.strategies(filters)

    @extend_schema(summary="The active strategies by name, or all", responses=page_of(StrategySerializer))
    def get(self, request: Request) -> Response:
        """They are changed in the console; each change is a version."""
        return self.page()


class LimitsView(ListView):
    """Serve all versions of the account's limits."""

    permissions = {"GET": "risk.view_risklimits"}
    row_serializer = LimitsSerializer
    order = ListOrder(("version",))
    parsers = {"version": int}

    def rows(self, filters: Mapping[str, Any]) -> QuerySet[RiskLimits]:
        """Return all versions."""
        return listings.limits(filters)

    @extend_schema(summary="The account's limits, the newest first", responses=page_of(LimitsSerializer))
    def get(self, request: Request) -> Response:
        """Every change is a new version; the first row, the newest, is in force."""
        return self.page()


class CandidatesView(ListView):
    """Serve the candidates of the universe."""

    permissions = {"GET": "trading.view_universecandidate"}
    queries = {"GET": CandidatesQuery}
    row_serializer = CandidateSerializer
    order = ListOrder(("symbol",), newest_first=False)

    def rows(self, filters: Mapping[str, Any]) -> QuerySet[UniverseCandidate]:
        """Return the candidates under these filters."""
        return listings.candidates(filters)

    @extend_schema(summary="Candidates of the universe by symbol", responses=page_of(CandidateSerializer))
    def get(self, request: Request) -> Response:
        """Proposed by people, strategies and models; answered by people, in the console."""
        return self.page()


class ModelCallsView(ListView):
    """Serve the record of model calls, without their texts."""

    permissions = {"GET": "ai.view_modelcall"}
    queries = {"GET": ModelCallsQuery}
    row_serializer = ModelCallSerializer

    def rows(self, filters: Mapping[str, Any]) -> QuerySet[ModelCall]:
        """Return the calls under these filters."""
        return listings.model_calls(filters)

    @extend_schema(summary="Model calls, the newest first", responses=page_of(ModelCallSerializer))
    def get(self, request: Request) -> Response:
        """Tokens, cost and outcome of each call; its prompt and answer are shown in the console only."""
        return self.page()


class EventsView(ListView):
    """Serve the log of events."""

    permissions = {"GET": "trading.view_event"}
    queries = {"GET": EventsQuery}
    row_serializer = EventSerializer
    order = IN_TIME

    def rows(self, filters: Mapping[str, Any]) -> QuerySet[Event]:
        """Return the events under these filters."""
        return listings.events(filters)

    @extend_schema(summary="Events, the newest first", responses=page_of(EventSerializer))
    def get(self, request: Request) -> Response:
        """Every change of a status, written in the transaction that made it."""
        return self.page()
