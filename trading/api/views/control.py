"""What the operator steers by: the agent's status, the mode, the kill switch."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from risk.errors import SwitchStateError
from risk.models import KillSwitch
from trading.api.idempotency import idempotent
from trading.api.problems import Problem, invalid
from trading.api.serializers import (
    ApiSerializer,
    PlainDecimalField,
    StrictBooleanField,
    StrictCharField,
    StrictSerializer,
)
from trading.api.views.base import ApiView
from trading.api.views.guards import EntriesPauseSerializer
from trading.api.views.live import LiveStateSerializer
from trading.api.views.records import LimitsSerializer
from trading.core import modes
from trading.core.set_aside import Listing
from trading.execution.operator_stop import stop_trading
from trading.models import Mode
from trading.models.control import TradingStateChoice
from trading.queries import agent_status
from trading.safety import kill_switch
from trading.safety.flatten import FlattenReport

ENGAGE, RELEASE = "risk.engage_killswitch", "risk.release_killswitch"


class AccountSerializer(LiveStateSerializer):
    """The account's money in USD, as last read from the broker."""

    equity = PlainDecimalField(allow_null=True)
    cash = PlainDecimalField(allow_null=True)
    buying_power = PlainDecimalField(allow_null=True)
    day_pnl = PlainDecimalField(allow_null=True)


class SetAsideSerializer(ApiSerializer):
    """A row of one of the broker's lists that could not be understood when that list was last read."""

    listing = serializers.ChoiceField([listing.value for listing in Listing])
    name = serializers.CharField(help_text="Its symbol, else its id.")
    detail = serializers.CharField(help_text="What is the matter with it, in words.")
    other_kind = serializers.CharField(
        allow_blank=True, help_text="What it is, where it is sound and not traded here: `us_option`, `mleg`."
    )
    noted_at = serializers.DateTimeField()


class StatusSerializer(LiveStateSerializer):
    """Where the agent stands; its own `source`, `fetchedAt` and `isStale` are of the positions."""

    is_running = serializers.BooleanField()
    current_cycle_id = serializers.UUIDField(allow_null=True)
    last_cycle_time = serializers.DateTimeField(allow_null=True)
    mode = serializers.ChoiceField(Mode.values)
    trading_state = serializers.ChoiceField(TradingStateChoice.values)
    kill_switch_active = serializers.BooleanField()
    risk_limits = LimitsSerializer(allow_null=True, help_text="The account's limits in force.")
    state_reason = serializers.CharField(
        help_text="Why trading is halted or reducing; empty while it is active."
    )
    entries_pause = EntriesPauseSerializer(help_text="What the guards block besides: `/guards`.")
    position_count = serializers.IntegerField()
    daily_pnl = PlainDecimalField(allow_null=True)
    approvals_open = serializers.IntegerField()
    unprotected_positions = serializers.ListField(child=serializers.CharField())
    set_aside = SetAsideSerializer(many=True, help_text="What was left out of the broker's lists, and why.")
    analyst = serializers.CharField()
    world = serializers.CharField(help_text="Whose prices these are.")
    is_simulated = serializers.BooleanField()
    market_time = serializers.DateTimeField(allow_null=True)
    is_market_open = serializers.BooleanField()
    account = AccountSerializer()


class ModeSerializer(StrictSerializer):
    """How decisions become orders."""

    mode = serializers.ChoiceField(Mode.values)


class SwitchSerializer(ApiSerializer):
    """How the kill switch stands, and what our record still has open."""

    engaged = serializers.BooleanField()
    engaged_at = serializers.DateTimeField(allow_null=True)
    engaged_by = serializers.CharField(allow_null=True)
    trigger = serializers.CharField(allow_null=True)
    reason = serializers.CharField(allow_null=True)
    not_done = serializers.ListField(
        child=serializers.CharField(), help_text="What of it is not done yet; the sweeper goes on with it."
    )
    open_orders = serializers.ListField(child=serializers.CharField())
    unprotected_positions = serializers.ListField(child=serializers.CharField())
    already_engaged = serializers.BooleanField(required=False, help_text="Only after engaging.")
    cancel_requested = serializers.ListField(child=serializers.CharField(), required=False)
    flatten_ordered = serializers.ListField(child=serializers.CharField(), required=False)
    problems = serializers.ListField(
        child=serializers.CharField(), required=False, help_text="What could not be done: look at it."
    )
    left_alone = serializers.ListField(
        child=serializers.CharField(),
        required=False,
        help_text="Orders and positions at the broker that nothing here trades: options, what has no value.",
    )


class SwitchActSerializer(StrictSerializer):
    """Whether to engage or release, why, and whether to sell every position."""

    action = serializers.ChoiceField(["engage", "release"])
    reason = StrictCharField(max_length=500)
    flatten = StrictBooleanField(
        default=False, help_text="With engage: also sell every position at the market."
    )


class StatusView(ApiView):
    """Serve the agent's status."""

    permissions = {"GET": "trading.view_agentstatus"}

    @extend_schema(summary="The agent's status", responses=StatusSerializer)
    def get(self, request: Request) -> Response:
        """Figures of the broker carry `source`, `fetchedAt` and `isStale`: where from, of when, and whether too old."""
        return Response(StatusSerializer(agent_status.agent_report()).data)


class ModeView(ApiView):
    """Read and set the trading mode."""

    permissions = {"GET": "trading.view_agentstatus", "PUT": "trading.set_mode"}

    @extend_schema(summary="The trading mode", responses=ModeSerializer)
    def get(self, request: Request) -> Response:
        """`manual` stores decisions, `semi_auto` asks a person, `autonomous` asks nobody."""
        return Response({"mode": modes.current_mode()})

    @extend_schema(summary="Set the trading mode", request=ModeSerializer, responses=ModeSerializer)
    @idempotent
    def put(self, request: Request) -> Response:
        """In force from the next decision that is executed; orders already sent are not affected."""
        asked = self.read_body(ModeSerializer, request)
        modes.set_mode(mode=asked["mode"], actor=request.user.get_username())
        return Response({"mode": asked["mode"]})


class KillSwitchView(ApiView):
    """Read, engage and release the kill switch."""

    permissions = {"GET": "risk.view_killswitch", "POST": (ENGAGE, RELEASE)}

    @extend_schema(summary="How the kill switch stands", responses=SwitchSerializer)
    def get(self, request: Request) -> Response:
        """Answers from the database alone, also while the broker or the queue is away."""
        return Response(SwitchSerializer(agent_status.switch_report()).data)

    @extend_schema(
        summary="Engage or release the kill switch",
        request=SwitchActSerializer,
        responses={200: SwitchSerializer},
    )
    @idempotent
    def post(self, request: Request) -> Response:
        """Once engaging has answered, no further order is sent. Releasing needs a permission of its own."""
        asked = self.read_body(SwitchActSerializer, request)
        actor = request.user.get_username()
        engages = asked["action"] == "engage"
        if not request.user.has_perm(ENGAGE if engages else RELEASE):
            raise Problem(403, f"Your groups do not allow you to {asked['action']} the kill switch.")
        if asked["flatten"] and not engages:
            raise invalid("flatten", "It goes with engage; expected false.")
        done: dict[str, Any] = {}
        if engages:
            done = _engage(actor, asked["reason"], flatten=asked["flatten"])
        else:
            _release(actor, asked["reason"])
        return Response(SwitchSerializer(agent_status.switch_report() | done).data)


def _engage(actor: str, reason: str, *, flatten: bool) -> dict[str, Any]:
    report = stop_trading(actor=actor, reason=reason, flatten=flatten)
    done: dict[str, Any] = {
        "already_engaged": report.already_engaged,
        "cancel_requested": report.cancel_requested,
        "problems": report.problems,
        "left_alone": report.left_alone,
    }
    if flatten:
        sold = report.flattening or FlattenReport()
        done |= {"flatten_ordered": sold.ordered, "problems": report.problems + sold.problems}
    return done


def _release(actor: str, reason: str) -> KillSwitch:
    try:
        return kill_switch.release(actor=actor, reason=reason)
    except SwitchStateError as error:
        raise Problem(409, str(error), kind="kill-switch-state") from error
