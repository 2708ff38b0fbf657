"""Decisions with everything recorded about them, and the approvals they wait for."""

from collections.abc import Mapping
from typing import Any, cast
from uuid import UUID

from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from risk.models import RiskCheck
from trading import tasks
from trading.api.idempotency import idempotent
from trading.api.problems import Problem
from trading.api.schema import page_of
from trading.api.serializers import (
    ApiSerializer,
    ListQuery,
    PlainDecimalField,
    RowSerializer,
    StrictCharField,
    StrictSerializer,
    camelized,
)
from trading.api.views.base import ApiView, ListView, columns_of
from trading.api.views.orders import FillSerializer, OrderSerializer, TradeSerializer
from trading.api.views.sagas import SagaStepSerializer
from trading.domain.timeline import Stage, StageName, StageStatus, sentence
from trading.execution import approvals
from trading.execution.approvals import LONGEST_HOLD_HOURS, AnswerOutcome, AnswerReport
from trading.models import AIDecision, Approval, Saga, Thesis
from trading.queries.decision_story import DecisionStory, decision_story
from trading.queries.reading import listings

ANSWER = "trading.answer_approval"


class FactsField(serializers.DictField):
    """Facts of a stage, as text by name."""

    def to_representation(self, value: Any) -> dict[str, Any]:
        """Return them under camelCase names."""
        shown: dict[str, Any] = super().to_representation(value)
        return {camelized(name): fact for name, fact in shown.items()}


class StageSerializer(ApiSerializer):
    """One of the six stages; `timestamp` is null where nothing happened."""

    stage = serializers.ChoiceField([name.value for name in StageName])
    status = serializers.ChoiceField([status.value for status in StageStatus])
    timestamp = serializers.DateTimeField(allow_null=True)
    details = serializers.SerializerMethodField(
        method_name="said", help_text="The facts as a line of text; empty where there are none."
    )
    facts = FactsField(source="details", child=serializers.CharField(), help_text="The same by name.")

    def said(self, stage: Stage) -> str:
        """Return the stage's facts as text."""
        return sentence(stage.details)


class SampleSerializer(ApiSerializer):
    """One of several answers to the same question; `call` is the model call it came of, null for none on record."""

    sample = serializers.IntegerField()
    action = serializers.ChoiceField(AIDecision.Action.choices)
    confidence = PlainDecimalField()
    call = serializers.UUIDField(allow_null=True)


class SamplesSerializer(ApiSerializer):
    """Several answers to one question, how many were asked for, and the share that agrees with the decision."""

    asked = serializers.IntegerField()
    agreement = serializers.FloatField()
    answers = SampleSerializer(many=True)


class DecisionSerializer(RowSerializer):
    """What a model decided for a symbol, and what became of it; `samples` is null where it was asked once."""

    strategy_name = serializers.CharField(source="strategy.name")
    samples = SamplesSerializer(allow_null=True)

    class Meta:
        model = AIDecision
        fields = [*columns_of(AIDecision, "lease_until", "record"), "strategy_name"]


class RiskCheckSerializer(RowSerializer):
    """What the gate answered, with every number it used."""

    figures = serializers.DictField()

    class Meta:
        model = RiskCheck
        fields = columns_of(RiskCheck)


class ApprovalSerializer(RowSerializer):
    """A decision put before a person."""

    symbol = serializers.CharField(source="decision.symbol")
    action = serializers.CharField(source="decision.action")
    answered_by = serializers.CharField(source="answered_by.username", allow_null=True)

    class Meta:
        model = Approval
        fields = [*columns_of(Approval, "answered_by"), "symbol", "action", "answered_by"]


class SeenPriceSerializer(ApiSerializer):
    """The price the decision saw; `quotedAt` is market time."""

    price = PlainDecimalField()
    source = serializers.CharField()  # type: ignore[assignment]  # shadows the field argument's name alone
    quoted_at = serializers.DateTimeField()
    fetched_at = serializers.DateTimeField()
    indicators = serializers.DictField()


class DecisionSagaSerializer(RowSerializer):
    """The saga of the decision's order: its status, deadline and times."""

    class Meta:
        model = Saga
        fields = columns_of(Saga)


class RecordSerializer(ApiSerializer):
    """Everything the decision saw, as stored under its fingerprint."""

    sha256 = serializers.CharField()
    facts = serializers.DictField()


class ThesisSerializer(RowSerializer):
    """Why a position was bought, frozen at its entry, and how it ended; times are market time, prices in USD."""

    class Meta:
        model = Thesis
        fields = columns_of(Thesis)


class DecisionStorySerializer(ApiSerializer):
    """A decision with all that is recorded about it."""

    decision = DecisionSerializer()
    timeline = StageSerializer(many=True)
    seen_price = SeenPriceSerializer(allow_null=True)
    approval = ApprovalSerializer(allow_null=True)
    risk_check = RiskCheckSerializer(allow_null=True)
    orders = OrderSerializer(many=True)
    fills = FillSerializer(many=True)
    trades = TradeSerializer(many=True)
    saga = DecisionSagaSerializer(allow_null=True)
    saga_steps = SagaStepSerializer(many=True)
    thesis = ThesisSerializer(allow_null=True, help_text="Of an entry that filled.")
    record = RecordSerializer(allow_null=True)
    record_problem = serializers.CharField(help_text="Why the record cannot be shown; empty where it can.")


class ApprovalsQuery(ListQuery):
    """Parameters of the list of approvals: status and symbol, each optional."""

    status = serializers.ChoiceField(Approval.Status.values, required=False)
    symbol = serializers.CharField(required=False, max_length=32)


class GrantSerializer(StrictSerializer):
    """The reason for the approval; optional."""

    reason = StrictCharField(required=False, default="", allow_blank=True, max_length=500)


class RejectSerializer(StrictSerializer):
    """The reason for the rejection; required. For how many hours the same is not asked again; else the setting says."""

    reason = StrictCharField(max_length=500)
    hold_hours = serializers.IntegerField(
        required=False, allow_null=True, default=None, min_value=0, max_value=LONGEST_HOLD_HOURS
    )


class AnswerSerializer(ApiSerializer):
    """What came of an answer: prices in USD, what the decision saw and what the gate was given."""

    outcome = serializers.ChoiceField(
        [
            AnswerOutcome.ORDERED.value,
            AnswerOutcome.DENIED.value,
            AnswerOutcome.UNDER_WAY.value,
            AnswerOutcome.REJECTED.value,
        ]
    )
    decision_id = serializers.UUIDField(source="decision.pk")
    decision_status = serializers.CharField(source="decision.status")
    decision_reason = serializers.CharField(source="decision.reason")
    price_then = PlainDecimalField(allow_null=True)
    price_now = PlainDecimalField(allow_null=True)
    risk_check = RiskCheckSerializer(source="check", allow_null=True)


class DecisionView(ApiView):
    """Serve one decision with everything recorded about it."""

    permissions = {"GET": "trading.view_aidecision"}

    @extend_schema(summary="A decision with its timeline and its record", responses=DecisionStorySerializer)
    def get(self, request: Request, pk: UUID) -> Response:
        """The timeline has six stages, always in the same order; the record is null where none was kept."""
        story = decision_story(pk)
        if story is None:
            raise Http404(f"There is no decision {pk}.")
        return Response(DecisionStorySerializer(_shown(story)).data)


class ApprovalsView(ListView):
    """Serve the list of approvals, the newest first."""

    permissions = {"GET": "trading.view_approval"}
    queries = {"GET": ApprovalsQuery}
    row_serializer = ApprovalSerializer

    def rows(self, filters: Mapping[str, Any]) -> QuerySet[Approval]:
        """Return the approvals under these filters."""
        return listings.approvals(filters)

    @extend_schema(summary="Approvals, the newest first", responses=page_of(ApprovalSerializer))
    def get(self, request: Request) -> Response:
        """`?status=requested` are those that wait; past `expiresAt` they cannot be answered."""
        return self.page()


class ApproveView(ApiView):
    """Approve a decision, which then goes through the gate."""

    permissions = {"POST": ANSWER}

    @extend_schema(summary="Approve a decision", request=GrantSerializer, responses={200: AnswerSerializer})
    @idempotent
    def post(self, request: Request, pk: UUID) -> Response:
        """The gate judges at a price fetched now, then this answers. 409: answered before, expired, or no price."""
        asked = self.read_body(GrantSerializer, request)
        return _answer(request, pk, granted=True, reason=asked["reason"])


class RejectView(ApiView):
    """Reject a decision, which is final."""

    permissions = {"POST": ANSWER}

    @extend_schema(summary="Reject a decision", request=RejectSerializer, responses={200: AnswerSerializer})
    @idempotent
    def post(self, request: Request, pk: UUID) -> Response:
        """The decision ends rejected and nothing is ordered. 409 where it was answered before or has expired.

        `holdHours`: for so long the same symbol, side and strategy is not asked again; the approval's `heldUntil`.
        """
        asked = self.read_body(RejectSerializer, request)
        hold = asked["hold_hours"]
        return _answer(request, pk, granted=False, reason=asked["reason"], hold_hours=hold)


def _answer(
    request: Request, pk: UUID, *, granted: bool, reason: str, hold_hours: int | None = None
) -> Response:
    approval = listings.approval(pk)
    if approval is None:
        raise Http404(f"There is no approval {pk}.")
    user = cast("User", request.user)
    said = approvals.answer(approval, granted=granted, user=user, reason=reason, hold_hours=hold_hours)
    if not said.counted:
        raise _not_counted(said)
    if said.saga_id is not None or said.outcome is AnswerOutcome.UNDER_WAY:
        tasks.execute_soon(said.decision.pk)
    return Response(AnswerSerializer(said).data)


def _not_counted(said: AnswerReport) -> Problem:
    if said.outcome is AnswerOutcome.NO_PRICE:
        return Problem(409, f"Nothing was done: {said.detail}.", kind="no-price", retry_after=5)
    kind = "approval-expired" if said.outcome is AnswerOutcome.EXPIRED else "approval-answered"
    return Problem(409, f"Nothing was done: {said.detail}.", kind=kind)


def _shown(story: DecisionStory) -> dict[str, Any]:
    record = None
    if story.record is not None and story.decision.record is not None:
        record = {"sha256": story.decision.record.sha256, "facts": story.record.facts}
    return {
        "decision": story.decision,
        "timeline": story.stages,
        "seen_price": story.seen,
        "approval": story.approval,
        "risk_check": story.check,
        "orders": story.orders,
        "fills": story.fills,
        "trades": story.trades,
        "saga": story.saga,
        "saga_steps": story.steps,
        "thesis": story.thesis,
        "record": record,
        "record_problem": story.record_problem,
    }
