"""The engage procedure: flag, then lock, then cancel and reconcile; and the release."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import structlog
from django.db import transaction

from connectors.base import Side
from connectors.errors import ConnectorError, RejectedError
from risk.errors import SwitchStateError
from risk.models import KillSwitch
from risk.services import locks, switch
from trading.errors import NotConfiguredError
from trading.models import AgentStatus
from trading.services import transitions
from trading.services.providers import current_providers

log = structlog.get_logger(__name__)
AGGREGATE = "kill_switch"


@dataclass(slots=True)
class EngageReport:
    """What engaging did: ``problems`` is what a person has to look at."""

    engagement: KillSwitch
    already_engaged: bool
    cancel_requested: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


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
    return report


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
    """Ask the broker to cancel what opens positions; exits and protective orders stay."""
    try:
        broker = current_providers().broker
        resting = [order for order in broker.orders(open_only=True) if order.side is Side.BUY]
    except (ConnectorError, NotConfiguredError) as error:
        report.problems.append(f"open orders could not be read: {error}")
        return
    for order in resting:
        try:
            broker.cancel_order(order.broker_order_id)
            report.cancel_requested.append(order.client_order_id)
        except RejectedError as error:
            log.info("cancel_came_late", client_order_id=order.client_order_id, error=str(error))
        except ConnectorError as error:
            report.problems.append(f"{order.symbol} {order.client_order_id}: {error}")


def _append(event: str, **facts: str) -> None:
    transitions.append_event(
        aggregate_type=AGGREGATE,
        aggregate_id="1",
        event_type=f"kill_switch.{event}",
        payload=facts,
        cycle_id=None,
    )
