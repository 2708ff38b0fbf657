"""Recorded decisions are asked again: ordered, looked at, stopped and taken up."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, ClassVar
from uuid import UUID

from django.db.models import QuerySet
from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from evaluation.api.bodies import VariationBody, order_of
from evaluation.api.serializers import (
    ReplayItemSerializer,
    ReplaySerializer,
    ReplayWithItemsSerializer,
)
from evaluation.errors import RunStateError
from evaluation.models import ReplayItem, Run
from evaluation.services.replay.background import order_from
from evaluation.services.replay.orders import Order, stop, take_up
from evaluation.services.replay.profits import earned_by
from evaluation.services.replay.selecting import Selection
from trading.api.idempotency import idempotent
from trading.api.problems import Problem
from trading.api.serializers import StrictSerializer
from trading.api.views.base import ApiView, ListView
from trading.models import AIDecision
from trading.queries.reading.keyset import ListOrder

ASK, VIEW = "evaluation.ask_again", "evaluation.view_run"


class NothingSerializer(StrictSerializer):
    """A body without members."""


def run_of(pk: UUID) -> Run:
    """Return a run with its experiment.

    Raises:
        Http404: there is none.
    """
    run = Run.objects.select_related("experiment").filter(pk=pk).first()
    if run is None:
        raise Http404(f"There is no replay {pk}.")
    return run


def ordered(order: Order, request: Request, *, name: str = "") -> Response:
    """Store the order for the evaluator, and answer where it can be followed."""
    run = order_from(order, author=request.user.get_username(), name=name)
    headers = {"Location": f"/evaluation/replays/{run.pk}"}
    return Response(ReplaySerializer(run).data, status=202, headers=headers)


class ReplayDecisionView(ApiView):
    """Ask one decision again."""

    permissions = {"POST": ASK}

    @extend_schema(summary="Ask a decision again", request=VariationBody, responses={202: ReplaySerializer})
    @idempotent
    def post(self, request: Request, pk: UUID) -> Response:
        """The evaluator does it: `estimate` is said first, `Location` is where it is followed.

        What was answered once costs nothing; more is asked only within the purse of evaluations and `maxUsd`.
        """
        if not AIDecision.objects.filter(pk=pk).exists():
            raise Http404(f"There is no decision {pk}.")
        asked = self.read_body(VariationBody, request)
        return ordered(order_of(asked, Selection(decision=str(pk))), request)


class ReplayView(ListView):
    """Serve one replay."""

    permissions = {"GET": VIEW}
    row_serializer = ReplayItemSerializer
    order = ListOrder(("change", "shift", "id"))
    parsers: ClassVar[Mapping[str, Any]] = {"change": int, "shift": Decimal}
    run: Run

    def rows(self, filters: Mapping[str, Any]) -> QuerySet[ReplayItem]:
        """Return the replay's items."""
        return self.run.items.all()

    @extend_schema(summary="A replay: progress, figures, items", responses=ReplayWithItemsSerializer)
    def get(self, request: Request, pk: UUID) -> Response:
        """Items are in pages, what changed most first; those that stay the same under other rules are only counted."""
        self.run = run_of(pk)
        told = ReplaySerializer(self.run).data
        earned = {"profits": [each.to_json() for each in earned_by(self.run)]}
        return Response({**told, **earned, "items": self.page().data})


class StopReplayView(ApiView):
    """Stop a replay."""

    permissions = {"POST": ASK}

    @extend_schema(summary="Stop a replay", request=NothingSerializer, responses={200: ReplaySerializer})
    @idempotent
    def post(self, request: Request, pk: UUID) -> Response:
        """It asks for nothing more; what is under way is waited for. One that has ended stays as it is."""
        self.read_body(NothingSerializer, request)
        stop(run_of(pk))
        return Response(ReplaySerializer(run_of(pk)).data)


class TakeUpReplayView(ApiView):
    """Go on with a replay that ended open."""

    permissions = {"POST": ASK}

    @extend_schema(summary="Take a replay up", request=NothingSerializer, responses={202: ReplaySerializer})
    @idempotent
    def post(self, request: Request, pk: UUID) -> Response:
        """What was answered is not asked again. 409 where it is complete, waits, or is being carried out."""
        self.read_body(NothingSerializer, request)
        try:
            take_up(run_of(pk))
        except RunStateError as error:
            raise Problem(409, f"Nothing was done: {error}.", kind="not-open") from error
        return Response(ReplaySerializer(run_of(pk)).data, status=202)
