"""The engage procedure, and the release.

1. The flag is committed alone, by one statement: no lock that anybody holds delays it, and no order that begins to
   leave afterwards passes it.
2. Status row and event follow; then the cancels, and the sale of everything where it was asked for. None of them
   waits for a sender.
3. Requests that had passed before the flag are waited for; one that does not end in time is shut out.
4. Where there were any, the cancels are repeated: such a request may have become an order since.

Each part has a deadline of its own and runs although another fails. What is not done, whoever dies, the sweeper goes
on with (``switch_follow_up``).
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import structlog
from django.db import InterfaceError, OperationalError, connection

from risk.errors import SwitchStateError
from risk.models import KillSwitch
from risk.services import switch
from trading.models import Order
from trading.protection.coverage import unprotected_positions
from trading.safety import senders, switch_follow_up
from trading.safety.entry_cancels import cancel_open_entries
from trading.safety.flatten import FlattenReport, flatten_positions

log = structlog.get_logger(__name__)
CANCEL_SECONDS = 4.0
FLATTEN_SECONDS = 12.0


@dataclass(frozen=True, slots=True)
class Remaining:
    """What our record still has open: orders by client_order_id, positions without a stop at the broker."""

    open_orders: list[str]
    unprotected_positions: list[str]


@dataclass(slots=True)
class EngageReport:
    """What engaging did: ``problems`` is what a person has to look at.

    ``remaining_orders`` are entries the broker still had open when we stopped waiting, by client_order_id;
    ``unprotected_positions`` are held without a stop at the broker; ``flattening`` is None where nobody asked for it;
    ``left_alone`` are orders and positions that a person has there and nothing here trades.
    """

    engagement: KillSwitch
    already_engaged: bool
    cancel_requested: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    remaining_orders: list[str] = field(default_factory=list)
    unprotected_positions: list[str] = field(default_factory=list)
    flattening: FlattenReport | None = None
    left_alone: list[str] = field(default_factory=list)


def engage(
    *,
    actor: str,
    reason: str,
    trigger: str = "operator",
    figures: Mapping[str, str] | None = None,
    flatten: bool = False,
) -> EngageReport:
    """Stop everything; when this returns, no order the switch had not let out can reach the broker.

    Takes as long as the requests under way, ``senders.PATIENCE_SECONDS`` from the flag on at most, and the cancels
    where the broker is slow. Engaging again repeats the cancels.

    Args:
        flatten: sell everything as well.

    Raises:
        ValueError: the reason or the actor is empty.
        RuntimeError: called within a transaction.
    """
    if not reason.strip() or not actor.strip():
        raise ValueError("engaging needs its author and a reason")
    began = time.monotonic()
    report = _commit(actor=actor, reason=reason, trigger=trigger, figures=figures or {}, flatten=flatten)
    _part(report, "the status", switch_follow_up.announce)
    _part(report, "the cancels", lambda: _cancel(report))
    if flatten:
        _part(report, "the sale of everything", lambda: _flatten(report))
    until = began + senders.PATIENCE_SECONDS
    _part(report, "waiting for the senders", lambda: _await_senders(report, until))
    _part(report, "what is held", lambda: _look_at_positions(report))
    return report


def remaining() -> Remaining:
    """Return what is open by our record; needs only the database."""
    live = Order.objects.live().order_by("created_at")
    return Remaining(
        open_orders=list(live.values_list("client_order_id", flat=True)),
        unprotected_positions=unprotected_positions(),
    )


def release(*, actor: str, reason: str) -> KillSwitch:
    """Let trading go on.

    Raises:
        SwitchStateError: it is not engaged.
        ValueError: the reason or the actor is empty.
        RuntimeError: called within a transaction.
    """
    engagement = switch.clear_flag(actor=actor, reason=reason)
    try:
        switch_follow_up.announce()
    except (
        OperationalError
    ) as error:  # somebody holds the status row: the gate denies until the sweeper has said it
        log.warning("release_not_said_yet", error=str(error).strip())
    return engagement


def _commit(
    *, actor: str, reason: str, trigger: str, figures: Mapping[str, str], flatten: bool
) -> EngageReport:
    is_new_connection = False
    while True:
        try:
            engagement = switch.commit_flag(
                actor=actor, trigger=trigger, reason=reason, figures=figures, flatten=flatten
            )
        except (OperationalError, InterfaceError):
            if is_new_connection or connection.in_atomic_block:
                raise
            is_new_connection = True  # the one we had may have died long ago; what it did is seen by the next
            connection.close()
        except SwitchStateError:
            current = switch.current_engagement()
            if current is None:  # released in the moment between
                continue
            try:
                if flatten:
                    switch.ask_to_flatten(current, actor=actor)
            except SwitchStateError:
                continue
            return EngageReport(current, already_engaged=True)
        else:
            log.critical("kill_switch_engaged", actor=actor, reason=reason, trigger=trigger, flatten=flatten)
            return EngageReport(engagement, already_engaged=False)


def _part(report: EngageReport, name: str, do: Callable[[], object]) -> None:
    """Do one part; one that fails must not keep the others from being done."""
    try:
        do()
    except Exception as error:  # noqa: BLE001 - whatever it is, the other parts come next
        connection.close_if_unusable_or_obsolete()
        log.critical(
            "engage_part_failed", part=name, error_type=type(error).__name__, error=str(error).strip()
        )
        report.problems.append(f"{name}: not done yet, the sweeper goes on with it ({str(error).strip()})")


def _cancel(report: EngageReport) -> None:
    done = cancel_open_entries(within_seconds=CANCEL_SECONDS)
    report.cancel_requested += [name for name in done.requested if name not in report.cancel_requested]
    report.problems += [problem for problem in done.problems if problem not in report.problems]
    report.remaining_orders = done.remaining
    _leave_alone(report, done.left_alone)


def _flatten(report: EngageReport) -> None:
    report.flattening = flatten_positions(report.engagement, within_seconds=FLATTEN_SECONDS)
    _leave_alone(report, report.flattening.left_alone)


def _leave_alone(report: EngageReport, rows: list[str]) -> None:
    report.left_alone += [row for row in rows if row not in report.left_alone]


def _await_senders(report: EngageReport, until: float) -> None:
    waited = senders.await_senders(until=until)
    report.problems += waited.problems
    report.problems += [
        f"{who} did not end its request: it was shut out and can send no more" for who in waited.shut_out
    ]
    if waited.problems:
        return
    switch_follow_up.note(report.engagement, "senders_ended_at")
    if waited.seen:
        _cancel(report)
    if not report.remaining_orders and not any("open orders" in problem for problem in report.problems):
        switch_follow_up.note(report.engagement, "cancelled_at")


def _look_at_positions(report: EngageReport) -> None:
    report.unprotected_positions = remaining().unprotected_positions
