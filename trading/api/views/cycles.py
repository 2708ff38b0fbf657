"""Cycles: what runs, what ran, and the four things a person may do about it."""

from collections.abc import Mapping
from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from connectors.errors import ConnectorError
from trading import tasks
from trading.api.idempotency import idempotent
from trading.api.problems import Problem
from trading.api.schema import page_of
from trading.api.serializers import ListQuery, RowSerializer, StrictCharField, StrictSerializer
from trading.api.views.base import ApiView, ListView, columns_of
from trading.cycle import cycle_control, cycles
from trading.domain.statuses import CycleStatus
from trading.errors import CycleRunningError, CycleStateError, NotConfiguredError, SymbolsError
from trading.market.universe import checked_symbols
from trading.models import Cycle
from trading.queries.reading import listings
from trading.queries.reading.keyset import ListOrder

VIEW, RUN = "trading.view_cycle", "trading.run_cycle"
MOST_SYMBOLS = 140
BROKER_AWAY = {503: "The broker, or something else that is needed, does not answer; the cycle stays paused."}


class CycleSerializer(RowSerializer):
    """A cycle; `reason` says why it is paused, failed or aborted, `metrics` are its figures once it has ended."""

    symbols = serializers.ListField(child=serializers.CharField())
    errors = serializers.ListField(child=serializers.DictField())  # type: ignore[assignment]  # the column's name
    metrics = serializers.DictField()
    cycle_id = serializers.UUIDField(source="pk")
    decisions_count = serializers.SerializerMethodField(
        method_name="decisions", help_text="While it runs: by now."
    )
    trades_count = serializers.SerializerMethodField(method_name="trades", help_text="While it runs: by now.")
    completed_at = serializers.DateTimeField(source="ended_at", allow_null=True)
    is_paused_by_person = serializers.SerializerMethodField(
        method_name="paused_by_person", help_text="Whether it waits for a person, and not for the broker."
    )

    class Meta:
        model = Cycle
        fields = [
            "errors" if name == "kept_errors" else name
            for name in columns_of(Cycle, "universe", "headlines", "lease_until", "number", "ordinal")
        ] + ["cycle_id", "decisions_count", "trades_count", "completed_at", "is_paused_by_person"]

    def decisions(self, cycle: Cycle) -> int:
        """Return how many decisions it has."""
        return cycles.counts(cycle)[0]

    def trades(self, cycle: Cycle) -> int:
        """Return how many trades it has."""
        return cycles.counts(cycle)[1]

    def paused_by_person(self, cycle: Cycle) -> bool:
        """Return whether only a person resumes it."""
        return cycle_control.is_paused_by_hand(cycle)


class CyclesQuery(ListQuery):
    """Parameters of the list of cycles: status and type, each optional."""

    status = serializers.ChoiceField([status.value for status in CycleStatus], required=False)
    cycle_type = serializers.ChoiceField(Cycle.Type.values, required=False)


class CycleStartSerializer(StrictSerializer):
    """Which cycle to start, and of which symbols it is."""

    symbols = serializers.ListField(
        child=StrictCharField(max_length=32),
        required=False,
        allow_empty=False,
        min_length=1,
        max_length=MOST_SYMBOLS,
        help_text="What to look at, e.g. AAPL or BTC/USD; left out: the universe.",
    )
    cycle_type = serializers.ChoiceField(Cycle.Type.values, default=Cycle.Type.ANALYSIS.value)


class ReasonSerializer(StrictSerializer):
    """The reason a person gives, kept with the cycle and in its events."""

    reason = StrictCharField(required=False, default="", allow_blank=True, max_length=300)


class EmptySerializer(StrictSerializer):
    """A body without fields: an empty object, or no body at all."""


class CurrentCycleView(ApiView):
    """Serve the one cycle that has not ended."""

    permissions = {"GET": VIEW}
    may_be_null = True

    @extend_schema(
        summary="The cycle that runs or is paused; null when there is none", responses=CycleSerializer
    )
    def get(self, request: Request) -> Response:
        """At most one cycle is open at a time."""
        cycle = cycle_control.current_cycle()
        return Response(None if cycle is None else CycleSerializer(cycle).data)


class CyclesView(ListView):
    """Serve the list of all cycles, the newest first."""

    permissions = {"GET": VIEW}
    queries = {"GET": CyclesQuery}
    row_serializer = CycleSerializer
    order = ListOrder(("started_at", "id"))

    def rows(self, filters: Mapping[str, Any]) -> QuerySet[Cycle]:
        """Return the cycles under these filters."""
        return listings.cycles(filters)

    @extend_schema(summary="Cycles, the newest first", responses=page_of(CycleSerializer))
    def get(self, request: Request) -> Response:
        """Every cycle ends completed, failed or aborted."""
        return self.page()


class StartCycleView(ApiView):
    """Start a cycle by hand."""

    permissions = {"POST": RUN}

    @extend_schema(
        summary="Start a cycle now", request=CycleStartSerializer, responses={202: CycleSerializer}
    )
    @idempotent
    def post(self, request: Request) -> Response:
        """Answers as soon as the cycle is stored. 409: a cycle is open, or the kill switch is engaged."""
        asked = self.read_body(CycleStartSerializer, request)
        try:
            symbols = checked_symbols(asked["symbols"]) if "symbols" in asked else None
            cycle = cycles.start_cycle(
                cycle_type=asked["cycle_type"],
                trigger="api",
                started_by=request.user.get_username(),
                symbols=symbols,
            )
        except SymbolsError as error:
            raise _symbols(error) from error
        except CycleRunningError as error:
            current = cycle_control.current_cycle()
            more = {"cycleId": str(current.pk)} if current else {}
            raise Problem(409, str(error), kind="cycle-running", more=more) from error
        if not cycle.is_open:
            raise Problem(
                409,
                "The kill switch is engaged: the cycle was stored aborted.",
                kind="kill-switch-engaged",
                more={"cycleId": str(cycle.pk)},
            )
        tasks.launch(cycle)
        return Response(CycleSerializer(cycle).data, status=202)


class StopCycleView(ApiView):
    """Abort the open cycle."""

    permissions = {"POST": RUN}

    @extend_schema(
        summary="Abort the cycle that runs", request=ReasonSerializer, responses={200: CycleSerializer}
    )
    @idempotent
    def post(self, request: Request) -> Response:
        """What it has not started expires; orders already at the broker go on. 409 where no cycle is open."""
        asked = self.read_body(ReasonSerializer, request)
        cycle = _steered(
            lambda: cycle_control.stop(actor=request.user.get_username(), reason=asked["reason"])
        )
        return Response(CycleSerializer(cycle).data)


class PauseCycleView(ApiView):
    """Pause the cycle that runs."""

    permissions = {"POST": RUN}

    @extend_schema(
        summary="Pause the cycle that runs", request=ReasonSerializer, responses={200: CycleSerializer}
    )
    @idempotent
    def post(self, request: Request) -> Response:
        """Only a person resumes it; its deadline still ends it. 409: no cycle runs, or not in this stage."""
        asked = self.read_body(ReasonSerializer, request)
        cycle = _steered(
            lambda: cycle_control.pause(actor=request.user.get_username(), reason=asked["reason"])
        )
        return Response(CycleSerializer(cycle).data)


class ResumeCycleView(ApiView):
    """Resume the paused cycle."""

    permissions = {"POST": RUN}
    problems = BROKER_AWAY

    @extend_schema(
        summary="Let the paused cycle go on", request=EmptySerializer, responses={200: CycleSerializer}
    )
    @idempotent
    def post(self, request: Request) -> Response:
        """The account is synced first. 409 where no cycle is paused, 503 where the broker does not answer."""
        self.read_body(EmptySerializer, request)
        cycle, stage = _steered(lambda: cycle_control.resume(actor=request.user.get_username()))
        tasks.take_up(str(cycle.pk), stage)
        return Response(CycleSerializer(cycle).data)


def _steered(act: Any) -> Any:
    """Call ``act``; a state that forbids it becomes a 409 problem, a broker that does not answer a 503."""
    try:
        return act()
    except CycleStateError as error:
        raise Problem(409, str(error), kind="cycle-state") from error
    except (ConnectorError, NotConfiguredError) as error:
        raise Problem(503, str(error), kind="broker-unavailable", retry_after=5) from error


def _symbols(error: SymbolsError) -> Problem:
    entries = [
        {"field": "symbols", "in": "body", "expected": f"{symbol}: {problem}"}
        for symbol, problem in error.problems.items()
    ]
    return Problem(400, str(error), errors=entries)
