"""Shadow strategies: how each stands beside the account, what it holds, decided and filled."""

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from evaluation.errors import SelectionError
from evaluation.models import ShadowBook, ShadowDecision, ShadowFill, ShadowPoint
from evaluation.services.shadow.reading import curve_of, positions_of, standing_of, standings, state_of
from evaluation.services.shadow.rendering import detail_json, standing_json
from trading.api.problems import Problem
from trading.api.serializers import ApiSerializer, PlainDecimalField
from trading.api.views.base import ApiView

VIEW = "evaluation.view_shadowbook"
SHOWN = 50


class ShadowSerializer(ApiSerializer):
    """A shadow strategy; USD, returns in percent, null before its first cycle.

    The account's return is over the same time, cash paid in or out included.
    """

    strategy = serializers.CharField(help_text="The strategy's name.")
    version = serializers.IntegerField()
    is_shadow = serializers.BooleanField(help_text="`false`: it trades by now; its book stays as it was.")
    is_active = serializers.BooleanField()
    start_equity = PlainDecimalField(allow_null=True)
    origin = serializers.ChoiceField(ShadowBook.Origin.values, allow_null=True)
    opened_at = serializers.DateTimeField(allow_null=True, help_text="Market time, as all times here.")
    as_of = serializers.DateTimeField(allow_null=True)
    equity = PlainDecimalField(allow_null=True)
    cash = PlainDecimalField(allow_null=True)
    exposure = PlainDecimalField(allow_null=True)
    positions = serializers.IntegerField()
    return_percent = PlainDecimalField(allow_null=True)
    account_equity = PlainDecimalField(allow_null=True)
    account_return_percent = PlainDecimalField(allow_null=True)
    cycles_decided = serializers.IntegerField()
    cycles_unanswered = serializers.IntegerField(help_text="Asked, and not all was answered.")
    cycles_missed = serializers.IntegerField(
        help_text="Not asked: it came too late, or to nothing it looks at."
    )
    last_outcome = serializers.ChoiceField(ShadowPoint.Outcome.values, allow_null=True)
    last_reason = serializers.CharField(allow_blank=True)
    requests_asked = serializers.IntegerField()
    cost_usd = PlainDecimalField()


class ShadowsSerializer(ApiSerializer):
    """Every shadow strategy, and every one that was one."""

    results = ShadowSerializer(many=True)


class ShadowPositionSerializer(ApiSerializer):
    """A position of a shadow."""

    symbol = serializers.CharField()
    quantity = PlainDecimalField()
    cost = PlainDecimalField()
    price = PlainDecimalField(allow_null=True)
    value = PlainDecimalField(allow_null=True)
    profit = PlainDecimalField(allow_null=True)
    stop_price = PlainDecimalField(allow_null=True)
    target_price = PlainDecimalField(allow_null=True)
    opened_at = serializers.DateTimeField(allow_null=True)


class ShadowPointSerializer(ApiSerializer):
    """What both were worth."""

    at = serializers.DateTimeField()
    equity = PlainDecimalField()
    account_equity = PlainDecimalField(allow_null=True)


class ShadowDecisionSerializer(ApiSerializer):
    """What it wanted to trade, and the gate's answer on its own book."""

    id = serializers.UUIDField()
    cycle_id = serializers.UUIDField()
    strategy_version = serializers.IntegerField()
    symbol = serializers.CharField()
    action = serializers.ChoiceField(["buy", "sell"])
    confidence = PlainDecimalField()
    reasoning = serializers.CharField(allow_blank=True)
    model = serializers.CharField()
    as_of = serializers.DateTimeField()
    decided_at = serializers.DateTimeField(help_text="`asOf`, and the time that the answer took.")
    price = PlainDecimalField()
    status = serializers.ChoiceField(ShadowDecision.Status.values)
    reason = serializers.CharField(allow_blank=True)
    quantity = PlainDecimalField()


class ShadowFillSerializer(ApiSerializer):
    """What an order became; `price` after costs, `snapshotPrice` before."""

    id = serializers.UUIDField()
    decision_id = serializers.UUIDField(allow_null=True)
    cause = serializers.ChoiceField(ShadowFill.Cause.values)
    symbol = serializers.CharField()
    side = serializers.ChoiceField(["buy", "sell"])
    quantity = PlainDecimalField()
    price = PlainDecimalField()
    snapshot_price = PlainDecimalField()
    fees = PlainDecimalField()
    realised = PlainDecimalField()
    at = serializers.DateTimeField()


class ShadowDetailSerializer(ShadowSerializer):
    """One with what it holds, its curve at 300 moments at most, and its newest decisions and fills."""

    held = ShadowPositionSerializer(many=True)
    curve = ShadowPointSerializer(many=True)
    decisions = ShadowDecisionSerializer(many=True)
    fills = ShadowFillSerializer(many=True)


class ShadowsView(ApiView):
    """Serve all shadow strategies."""

    permissions = {"GET": VIEW}

    @extend_schema(summary="Strategies that decide and never trade", responses=ShadowsSerializer)
    def get(self, request: Request) -> Response:
        """By name, each beside what the account did over the same time."""
        return Response({"results": [standing_json(each) for each in standings()]})


class ShadowView(ApiView):
    """Serve one shadow strategy."""

    permissions = {"GET": VIEW}

    @extend_schema(
        summary="A shadow strategy: book, curve, decisions, fills", responses=ShadowDetailSerializer
    )
    def get(self, request: Request, strategy: str) -> Response:
        """By the strategy's name; the newest 50 decisions and fills."""
        try:
            found = standing_of(strategy)
        except SelectionError as error:
            raise Problem(404, str(error), kind="no-shadow") from error
        book = found.book
        shown = detail_json(
            found,
            positions=positions_of(state_of(book)) if book else [],
            curve=curve_of(book) if book else [],
            decisions=list(book.decisions.all()[:SHOWN]) if book else [],
            fills=list(book.fills.all()[:SHOWN]) if book else [],
        )
        return Response(shown)
