"""Wait for senders (processes whose order request is under way), and shut out one that does not end.

A session that is ended can never prove again that it may send. What its process had proved before, the kernel bounds:
see ``connectors.departure``. So whoever shuts a sender out after ``PATIENCE_SECONDS`` of silence knows that nothing
leaves any more by what that sender held.
"""

import time
from dataclasses import dataclass, field

import structlog
from django.db import transaction

from connectors.departure import ENDS_PROCESS_SECONDS
from risk.services.holders import Holds, Session, Silence, end_session, holders
from risk.services.locks import attempt_key
from trading.core import transitions
from trading.domain.statuses import OrderStatus
from trading.models import Order

log = structlog.get_logger(__name__)
AGGREGATE = "sender"
PATIENCE_SECONDS = ENDS_PROCESS_SECONDS + 2.0
LOOK_PAUSE_SECONDS = 0.02


@dataclass(slots=True)
class SendersReport:
    """Who was sending when we looked first, who of them was shut out, and what could not be done."""

    seen: int = 0
    shut_out: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def await_senders(*, until: float) -> SendersReport:
    """Wait for the requests under way, each as it was at the first look; shut out those that do not end.

    Args:
        until: ``time.monotonic`` of the last moment to wait.
    """
    waited_for = _senders()
    report = SendersReport(seen=len(waited_for))
    while waited_for and time.monotonic() < until:
        time.sleep(LOOK_PAUSE_SECONDS)
        now = _senders()
        waited_for = {session: now[session] for session in waited_for if session in now}
    for session, holds in waited_for.items():
        _shut_out(session, holds, report)
    return report


def shut_out_silent(silence: Silence, *, reads_take_seconds: float) -> SendersReport:
    """Shut out whoever has held a lock of the senders' for too long without a word.

    Args:
        silence: kept between calls; it counts by this process's own clock.
        reads_take_seconds: how long a look-up at the broker may take while nothing is being sent.
    """
    report = SendersReport()
    for session, (holds, seconds) in silence.look().items():
        patience = PATIENCE_SECONDS
        if not holds.is_sender:
            patience = max(patience, reads_take_seconds + 5.0)
        if seconds > patience:
            _shut_out(session, holds, report)
    return report


def _senders() -> dict[Session, Holds]:
    return {session: holds for session, holds in holders().items() if holds.is_sender}


def _shut_out(session: Session, holds: Holds, report: SendersReport) -> None:
    """End a session, and let others at the orders it was at: whoever had them can send no more."""
    words = f"{session.application} (database session {session.pid})"
    if not end_session(session):
        report.problems.append(f"{words} holds a sender's lock and could not be ended: end that process")
        log.critical("sender_not_ended", application=session.application, pid=session.pid)
        return
    at = [order for order in _submitting() if attempt_key(order.pk) in holds.attempts]
    for order in at:
        Order.objects.filter(pk=order.pk, status=OrderStatus.SUBMITTING).update(lease_until=None)
    names = [order.client_order_id for order in at]
    report.shut_out.append(words)
    note_shut_out(session, names)


def note_shut_out(session: Session, orders: list[str]) -> None:
    """Say that a sender was shut out, with the orders it was at by client_order_id; once for each session."""
    log.critical("sender_fenced", application=session.application, pid=session.pid, orders=orders)
    with transaction.atomic():
        transitions.append_event(
            aggregate_type=AGGREGATE,
            aggregate_id=f"{session.pid}-{session.began_at:%Y%m%dT%H%M%S%f}",
            event_type="kill_switch.sender_fenced",
            payload={
                "pid": session.pid,
                "application": session.application,
                "held_seconds": round(PATIENCE_SECONDS, 1),
                "client_order_id": orders[0] if orders else "",
            },
            cycle_id=None,
        )


def _submitting() -> list[Order]:
    return list(Order.objects.filter(status=OrderStatus.SUBMITTING).only("pk", "client_order_id", "status"))
