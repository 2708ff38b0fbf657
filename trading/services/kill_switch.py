"""The engage procedure: flag, then lock, then cancel and reconcile; and the release."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import structlog
from django.db import transaction
from django.utils import timezone

from connectors.base import Broker, BrokerOrder, Side
from connectors.errors import ConnectorError, RejectedError
from risk.errors import SwitchStateError
from risk.models import KillSwitch
from risk.services import locks, switch
from trading.domain.order_ids import Purpose
from trading.errors import NotConfiguredError
from trading.models import AgentStatus, Order, Position
from trading.services import transitions
from trading.services.order_truth import record_broker_order
from trading.services.providers import current_providers

log = structlog.get_logger(__name__)
AGGREGATE = "kill_switch"
CANCEL_SECONDS = 20.0
CONFIRM_SECONDS = 5.0
CONFIRM_PAUSE_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Remaining:
    """What our record still has open: orders by client_order_id, positions without a stop at the broker."""

    open_orders: list[str]
    unprotected_positions: list[str]


@dataclass(slots=True)
class EngageReport:
    """What engaging did: ``problems`` is what a person has to look at.

    ``remaining_orders`` are entries the broker still had open when we stopped waiting, by client_order_id;
    ``unprotected_positions`` are held without a stop at the broker.
    """

    engagement: KillSwitch
    already_engaged: bool
    cancel_requested: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    remaining_orders: list[str] = field(default_factory=list)
    unprotected_positions: list[str] = field(default_factory=list)


def engage(
    *, actor: str, reason: str, trigger: str = "operator", figures: Mapping[str, str] | None = None
) -> EngageReport:
    """Stop everything; when this returns, no order the switch had not let out can reach the broker.

    The flag is committed first, so new submits stop at once; taking the exclusive lock then waits for
    the ones under way; open entries are cancelled after that. Engaging again repeats the cancels.

    Raises:
        ValueError: the reason or the actor is empty.
    """
    if not reason.strip() or not actor.strip():
        raise ValueError("engaging needs its author and a reason")
    report = _commit(actor=actor, reason=reason, trigger=trigger, figures=figures or {})
    with locks.switch_exclusive():
        pass
    _cancel_open_entries(report)
    report.unprotected_positions = remaining().unprotected_positions
    return report


def repeat_cancels() -> EngageReport | None:
    """Cancel again what is still open while the switch is engaged; None when it is not."""
    engagement = switch.current_engagement()
    if engagement is None:
        return None
    report = EngageReport(engagement, already_engaged=True)
    _cancel_open_entries(report)
    return report


def remaining() -> Remaining:
    """Return what is open by our record; needs only the database."""
    live = Order.objects.live()
    protected = live.filter(purpose=Purpose.STOP_LOSS).values("symbol")
    return Remaining(
        open_orders=list(live.order_by("created_at").values_list("client_order_id", flat=True)),
        unprotected_positions=list(
            Position.objects.exclude(symbol__in=protected).values_list("symbol", flat=True)
        ),
    )


def release(*, actor: str, reason: str) -> KillSwitch:
    """Let trading go on.

    Raises:
        SwitchStateError: it is not engaged.
        ValueError: the reason or the actor is empty.
    """
    with transaction.atomic():
        engagement = switch.clear_flag(actor=actor, reason=reason)
        AgentStatus.objects.filter(pk=1).update(trading_state="active")
        _append("released", actor=actor, reason=reason)
    return engagement


def _commit(*, actor: str, reason: str, trigger: str, figures: Mapping[str, str]) -> EngageReport:
    try:
        with transaction.atomic():
            engagement = switch.commit_flag(actor=actor, trigger=trigger, reason=reason, figures=figures)
            AgentStatus.objects.filter(pk=1).update(trading_state="halted")
            _append("engaged", actor=actor, reason=reason, trigger=trigger)
    except SwitchStateError:
        current = switch.current_engagement()
        if current is None:  # released in the moment between
            return _commit(actor=actor, reason=reason, trigger=trigger, figures=figures)
        return EngageReport(current, already_engaged=True)
    return EngageReport(engagement, already_engaged=False)


def _cancel_open_entries(report: EngageReport) -> None:
    """Ask the broker to cancel what opens positions, and wait for its word; exits and stops stay."""
    try:
        broker = current_providers().broker
        resting = _resting_entries(broker)
    except (ConnectorError, NotConfiguredError) as error:
        report.problems.append(f"open orders could not be read: {error}")
        return
    asked = _ask_to_cancel(broker, resting, report)
    try:
        still = _await_word(broker, asked) if resting else []
        report.remaining_orders = [order.client_order_id for order in still]
        _record(broker, asked)
    except ConnectorError as error:
        report.remaining_orders = [order.client_order_id for order in resting]
        report.problems.append(f"the broker has not confirmed the cancels: {error}")


def _resting_entries(broker: Broker) -> list[BrokerOrder]:
    return [order for order in broker.orders(open_only=True) if order.side is Side.BUY]


def _ask_to_cancel(broker: Broker, resting: list[BrokerOrder], report: EngageReport) -> list[BrokerOrder]:
    give_up_at = time.monotonic() + CANCEL_SECONDS
    asked = []
    for order in resting:
        if time.monotonic() > give_up_at:
            report.problems.append(
                f"{order.symbol} {order.client_order_id}: not asked, the broker is too slow"
            )
            continue
        try:
            broker.cancel_order(order.broker_order_id)
            report.cancel_requested.append(order.client_order_id)
            asked.append(order)
        except RejectedError as error:
            log.info("cancel_came_late", client_order_id=order.client_order_id, error=str(error))
        except ConnectorError as error:
            report.problems.append(f"{order.symbol} {order.client_order_id}: {error}")
    return asked


def _await_word(broker: Broker, asked: list[BrokerOrder]) -> list[BrokerOrder]:
    """Return the entries the broker still has open, after waiting for those it was asked to cancel."""
    give_up_at = time.monotonic() + CONFIRM_SECONDS
    waited_for = {order.broker_order_id for order in asked}
    while True:
        still = _resting_entries(broker)
        waiting = any(order.broker_order_id in waited_for for order in still)
        if not waiting or time.monotonic() > give_up_at:
            return still
        time.sleep(CONFIRM_PAUSE_SECONDS)


def _record(broker: Broker, asked: list[BrokerOrder]) -> None:
    """Write down how the cancelled orders ended; one whose request is under way is left to its submitter."""
    by_id = {order.client_order_id: order for order in asked}
    now = timezone.now()
    for ours in Order.objects.filter(client_order_id__in=by_id):
        if ours.lease_until is None or ours.lease_until < now:
            told = broker.order(by_id[ours.client_order_id].broker_order_id)
            if told is not None:
                record_broker_order(ours, told)


def _append(event: str, **facts: str) -> None:
    transitions.append_event(
        aggregate_type=AGGREGATE,
        aggregate_id="1",
        event_type=f"kill_switch.{event}",
        payload=facts,
        cycle_id=None,
    )
