"""The watchdog: engages the kill switch without a person, by the day's loss, the account or errors.

Each cause engages once: one day's loss under one version of the limits, until it is worse by a stated step
(domain/loss_limit.py); one spell of a blocked account; errors since the last release. A person who releases
the switch is not overruled by the same facts, but by worse ones; the gate judges them all the while.
Call nothing here inside a transaction: the flag must be committed before the orders under way are awaited.

No clock can make it blind: what is to be counted is counted also where a time lies ahead, as all do for a while
after a clock was set back.
"""

import enum
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from connectors.base import Account
from connectors.errors import ConnectorError
from risk.models import KillSwitch, RiskLimits
from risk.services import switch
from trading.core import settings, transitions
from trading.core.statements.together import first, read_together
from trading.core.waits import is_past
from trading.domain import loss_limit
from trading.domain.ages import TOLERANCE, is_to_come
from trading.domain.statuses import OrderStatus
from trading.errors import SettingError
from trading.models import AgentStatus, Event, Order
from trading.safety import daily_loss, kill_switch

log = structlog.get_logger(__name__)
ACTOR = "watchdog"
ERROR_WINDOW = timedelta(minutes=10)
SYNC_PATIENCE = timedelta(minutes=3)
GOOD_STANDING = "ACTIVE"


class Trigger(enum.StrEnum):
    """What engaged the switch."""

    DAILY_LOSS = loss_limit.TRIGGER
    ACCOUNT = "account_blocked"
    CRITICAL_ERRORS = "critical_errors"
    COMPENSATION = "compensation_failed"


class Critical(enum.StrEnum):
    """Errors that count towards the switch; the first engages it alone."""

    COMPENSATION_FAILED = "compensation_failed"
    OUTCOME_UNKNOWN = "outcome_unknown"
    POSITION_DIFFERENCE = "position_difference"
    ACCOUNT_SYNC = "account_sync"


def after_sync(
    account: Account, beside: "Mapping[str, QuerySet[Any]] | None" = None
) -> Mapping[str, Sequence[Any]]:
    """Look at an account that was just stored, and at the errors of the last minutes.

    Args:
        beside: what the caller wants to be read with it, by name.

    Returns:
        All that was read.
    """
    limits = RiskLimits.objects.all()[:1]
    read = read_together({**_standing_select(), **_error_selects(), "limits": limits, **(beside or {})})
    _watch_loss(account, first(read["limits"]))
    _watch_standing(account, first(read["standing"]))
    _watch_errors(read)
    return read


def sync_failed(error: ConnectorError) -> None:
    """Count an account that cannot be read: once for every full three minutes without an answer.

    A broker that is down for a while is not by itself a reason to engage; with other errors it is.
    """
    read_at = AgentStatus.objects.values_list("positions_as_of", flat=True).get(pk=1)
    now = timezone.now()
    # A reading from the future was stored before a clock stepped back: how old it is cannot be told, so it is old.
    spans = 1 if is_to_come(read_at, now) else (now - read_at) // SYNC_PATIENCE if read_at else 0
    if read_at is not None and spans > 0:
        report_critical(
            kind=Critical.ACCOUNT_SYNC, subject=f"{read_at:%m%dT%H%M%S}-{spans}", detail=str(error)
        )


def patrol_selects() -> dict[str, "QuerySet[Any]"]:
    """Return what ``patrol`` stands on, for who reads it with more."""
    patience = timedelta(seconds=settings.seconds("saga_timeout"))
    lost = [OrderStatus.UNKNOWN, OrderStatus.SUBMITTING]
    without = Order.objects.filter(is_past("submitted_at", timezone.now(), patience), status__in=lost)
    return {"without_outcome": without, **_error_selects()}


def patrol(read: Mapping[str, Sequence[Any]] | None = None) -> None:
    """Do what the sweeper does each round: count what has no outcome. Reads PostgreSQL alone.

    Args:
        read: the rows of ``patrol_selects``, where the caller has just read them.
    """
    read = read if read is not None else read_together(patrol_selects())
    for order in read["without_outcome"]:
        detail = f"{order.symbol} {order.client_order_id}: nobody knows whether the broker has it"
        report_critical(
            kind=Critical.OUTCOME_UNKNOWN, subject=str(order.pk), detail=detail, cycle_id=order.cycle_id
        )
    _watch_errors(read)


def report_critical(*, kind: Critical, subject: str, detail: str, cycle_id: UUID | None = None) -> bool:
    """Record a critical error and engage the switch when it is one too many; return whether it is new.

    Args:
        subject: what makes it one error (an order's id, say): the same is counted once. Together with the
            kind at most 64 characters.
        detail: what a person needs to know, in words.
    """
    _, is_new = Event.objects.get_or_create(
        aggregate_type="critical_error",
        aggregate_id=f"{kind}:{subject}"[:64],
        sequence=1,
        defaults={
            "type": f"critical_error.{kind}",
            "payload": {"detail": detail[:500]},
            "cycle_id": cycle_id,
        },
    )
    if is_new:
        log.critical("critical_error", kind=kind, subject=subject, detail=detail, cycle_id=str(cycle_id))
        if kind is Critical.COMPENSATION_FAILED:
            _engage(Trigger.COMPENSATION, f"a compensation failed: {detail}", {"subject": subject})
        else:
            _watch_errors(read_together(_error_selects()))
    return is_new


def _watch_loss(account: Account, limits: RiskLimits | None) -> None:
    """Engage at the limit, inclusive, and again when a release did not answer what is so now.

    Where the operator has chosen so everything is sold, too; a word that cannot be read sells nothing.
    """
    breach = daily_loss.breach(account, limits, trigger=Trigger.DAILY_LOSS)
    if breach is not None:
        _engage(Trigger.DAILY_LOSS, breach.reason, breach.figures, flatten=_is_to_flatten())


def _is_to_flatten() -> bool:
    try:
        return settings.word("at_daily_loss") == "flatten"
    except SettingError as error:
        log.warning("setting_unreadable", error=str(error))
        return False


def _standing_select() -> dict[str, "QuerySet[Any]"]:
    return {"standing": Event.objects.filter(aggregate_type="account").order_by("-sequence")[:1]}


def _watch_standing(account: Account, last: Event | None) -> None:
    problems = [*_standing_problems(account)]
    was_blocked = last is not None and last.type == "account.blocked"
    if problems and not was_blocked and not switch.is_engaged():
        figures = {
            "status": account.status,
            "trading_blocked": str(account.trading_blocked),
            "equity": str(account.equity),
            "maintenance_margin": str(account.maintenance_margin),
        }
        _engage(Trigger.ACCOUNT, f"the broker's account: {', '.join(problems)}", figures)
        _note_standing("blocked", figures)
    elif was_blocked and not problems:
        _note_standing("cleared", {"status": account.status})


def _standing_problems(account: Account) -> Iterable[str]:
    if account.status != GOOD_STANDING:
        yield f"its status is {account.status}"
    if account.trading_blocked:
        yield "trading is blocked"
    if account.maintenance_margin is not None and account.equity < account.maintenance_margin:
        yield f"margin call, {account.equity} USD of equity against {account.maintenance_margin} USD"


def _note_standing(event: str, figures: Mapping[str, str]) -> None:
    """Write it down; no row is locked, a process that was stopped may hold any: two at once meet in the sequence."""
    with suppress(IntegrityError), transaction.atomic():
        transitions.append_event(
            aggregate_type="account",
            aggregate_id="1",
            event_type=f"account.{event}",
            payload=figures,
            cycle_id=None,
        )


def _error_selects() -> dict[str, "QuerySet[Any]"]:
    """Return what ``_watch_errors`` stands on: the errors of the last minutes, and the last release of the switch."""
    counted, now = Q(aggregate_type="critical_error") | Q(type="saga.fail"), timezone.now()
    found = Event.objects.filter(counted, occurred_at__range=(now - ERROR_WINDOW, now + TOLERANCE))
    released = KillSwitch.objects.filter(released_at__isnull=False).order_by("-released_at")
    return {
        "errors": found.only("type", "occurred_at", "position").order_by(),
        "released": released.only("released_at")[:1],
    }


def _watch_errors(read: Mapping[str, Sequence[Any]]) -> None:
    limit = settings.count("critical_errors")
    since, after = _errors_count_since(first(read["released"]))
    types = [e.type for e in read["errors"] if e.occurred_at >= since and e.position > after]
    if len(types) < limit:
        return
    figures = {name: str(types.count(name)) for name in sorted(set(types))}
    figures |= {"errors": str(len(types)), "limit": str(limit), "since": since.isoformat()}
    _engage(
        Trigger.CRITICAL_ERRORS, f"{len(types)} critical errors in ten minutes, the limit is {limit}", figures
    )


def _errors_count_since(released: KillSwitch | None) -> tuple[datetime, int]:
    """Return from when on errors count, and after which position in the log: none of before the last release."""
    now = timezone.now()
    start = now - ERROR_WINDOW
    if released is None or released.released_at is None:
        return start, 0
    if released.released_at <= now + TOLERANCE:
        return max(start, released.released_at), 0
    # The clock stepped back since: its times come by a second time, and only the log tells what was before.
    release = Event.objects.filter(type="kill_switch.released").order_by("-position").first()
    return start, release.position if release else 0


def _engage(trigger: Trigger, reason: str, figures: Mapping[str, str], *, flatten: bool = False) -> None:
    if switch.is_engaged():
        return
    log.critical("watchdog_engages", trigger=trigger, reason=reason, **figures)
    kill_switch.engage(actor=ACTOR, reason=reason[:500], trigger=trigger, figures=figures, flatten=flatten)
