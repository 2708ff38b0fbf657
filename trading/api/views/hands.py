"""What a person does by hand: proposes a trade, withdraws an approval, reconciles, rolls a strategy back."""

from decimal import Decimal
from typing import Any
from uuid import UUID

from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from connectors.errors import ConnectorError
from trading import tasks
from trading.analysis.own_proposals import propose_for
from trading.analysis.proposals import start_waiting
from trading.analysis.strategy_versions import roll_back
from trading.api.idempotency import idempotent
from trading.api.problems import Problem, invalid
from trading.api.serializers import (
    ApiSerializer,
    PlainDecimalField,
    RowSerializer,
    StrictCharField,
    StrictSerializer,
)
from trading.api.views.base import ApiView, columns_of
from trading.api.views.cycles import EmptySerializer
from trading.api.views.decisions import DecisionSerializer
from trading.api.views.records import StrategySerializer
from trading.errors import NotConfiguredError, ProposalError, StrategyError, TradingError, WithdrawalError
from trading.execution.by_hand.withdrawing import withdraw
from trading.execution.reconciliation import reconcile_for
from trading.models import Strategy, TradeProposal
from trading.queries.reading import listings

PROPOSE, ANSWER = "trading.propose_trade", "trading.answer_approval"
RECONCILE, CHANGE = "trading.reconcile_position", "trading.change_strategy"


class ProposalSerializer(RowSerializer):
    """A proposed trade; `decisionId` once a cycle has taken it up, `reason` where none could."""

    class Meta:
        model = TradeProposal
        fields = columns_of(TradeProposal)


class ProposeSerializer(StrictSerializer):
    """What is to be traded, how sure the person is, and why."""

    symbol = StrictCharField(max_length=32)
    action = serializers.ChoiceField(["buy", "sell"])
    confidence = PlainDecimalField(
        min_value=Decimal(0), max_value=Decimal(1), help_text="0 to 1; judged as a model's is."
    )
    reasoning = StrictCharField(max_length=2000, help_text="Why.")
    strategy = StrictCharField(
        max_length=80, help_text="The name of one that trades: its size, stop and target apply."
    )


class WithdrawSerializer(StrictSerializer):
    """Why an approval is withdrawn."""

    reason = StrictCharField(max_length=300)


class RollBackSerializer(StrictSerializer):
    """Which version is to be in force again, and why."""

    version = serializers.IntegerField(min_value=1, max_value=2**31 - 1)
    reason = StrictCharField(max_length=300)


class ReconciliationSerializer(ApiSerializer):
    """What differed from the broker and was healed, in words; empty lists mean agreement."""

    orders_checked = serializers.IntegerField()
    adopted = serializers.ListField(
        child=serializers.CharField(), help_text="Orders that only the broker had."
    )
    refused = serializers.ListField(child=serializers.CharField(), help_text="Look at these.")
    healed = serializers.ListField(child=serializers.CharField())
    positions = serializers.ListField(child=serializers.CharField())
    booked = serializers.ListField(child=serializers.CharField())
    unreadable = serializers.ListField(child=serializers.CharField())


class ProposeView(ApiView):
    """Propose a trade."""

    permissions = {"POST": PROPOSE}

    @extend_schema(summary="Propose a trade", request=ProposeSerializer, responses={201: ProposalSerializer})
    @idempotent
    def post(self, request: Request) -> Response:
        """The next execution cycle makes a decision of it, which goes by mode, approval and the risk gate."""
        asked = self.read_body(ProposeSerializer, request)
        actor = request.user.get_username()
        try:
            row = propose_for(actor, **asked)
        except ProposalError as error:
            if error.field in ProposeSerializer().fields:
                raise invalid(error.field, str(error)) from error
            raise Problem(409, str(error), kind="denied") from error
        cycle = start_waiting(started_by=actor)
        if cycle is not None:
            tasks.launch(cycle)
        return Response(ProposalSerializer(row).data, status=201)


class WithdrawView(ApiView):
    """Withdraw an approval."""

    permissions = {"POST": ANSWER}

    @extend_schema(
        summary="Withdraw an approval", request=WithdrawSerializer, responses={200: DecisionSerializer}
    )
    @idempotent
    def post(self, request: Request, pk: UUID) -> Response:
        """Before its order has left: it is never sent, and the decision expires. 409 where it was too late."""
        asked = self.read_body(WithdrawSerializer, request)
        approval = listings.approval(pk)
        if approval is None:
            raise Http404(f"There is no approval {pk}.")
        try:
            decision = withdraw(
                approval.decision_id, actor=request.user.get_username(), reason=asked["reason"]
            )
        except WithdrawalError as error:
            raise Problem(409, f"Nothing was withdrawn: {error}.", kind="denied") from error
        return Response(DecisionSerializer(decision).data)


class ReconcileView(ApiView):
    """Compare with the broker."""

    permissions = {"POST": RECONCILE}

    @extend_schema(
        summary="Reconcile with the broker",
        request=EmptySerializer,
        responses={200: ReconciliationSerializer},
    )
    @idempotent
    def post(self, request: Request) -> Response:
        """Heals orders, fills and positions toward what the broker says. 409 where one is under way."""
        self.read_body(EmptySerializer, request)
        try:
            report = reconcile_for(request.user.get_username())
        except (ConnectorError, NotConfiguredError) as error:
            raise Problem(503, f"Not done to the end: {error}", kind="broker-unavailable") from error
        except TradingError as error:
            raise Problem(409, f"Not done to the end: {error}") from error
        if report is None:
            raise Problem(409, "A reconciliation is under way already.", kind="under-way")
        return Response(ReconciliationSerializer(report).data)


class RollBackView(ApiView):
    """Put an earlier version of a strategy into force."""

    permissions = {"POST": CHANGE}

    @extend_schema(
        summary="Roll a strategy back to a version",
        request=RollBackSerializer,
        responses={200: StrategySerializer},
    )
    @idempotent
    def post(self, request: Request, pk: UUID) -> Response:
        """Its content becomes the next version; name, whether it trades and is active stay as they are."""
        asked: Any = self.read_body(RollBackSerializer, request)
        if not Strategy.objects.filter(pk=pk).exists():
            raise Http404(f"There is no strategy {pk}.")
        try:
            strategy = roll_back(pk, author=request.user.get_username(), **asked)
        except StrategyError as error:
            field = str(error).partition(":")[0]
            if field in RollBackSerializer().fields:
                raise invalid(field, str(error)) from error
            raise Problem(409, str(error), kind="denied") from error
        return Response(StrategySerializer(strategy).data)
