"""Pause a cycle while the broker does not answer, try again with growing waits, resume it; its deadline stays.

A paused cycle takes no decision further. Past its deadline the sweeper aborts it like any other. A pause
by a person is in cycle_control.py.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Q
from django.utils import timezone

from connectors.errors import HeldBackError, UnavailableError
from trading.core import settings, transitions
from trading.core.failures import log_failure
from trading.core.providers import current_providers
from trading.core.waits import is_over
from trading.domain.statuses import CycleStage, CycleStatus
from trading.execution.portfolio import sync_portfolio
from trading.models import Cycle

REASON = "broker_unavailable"
MAY_PAUSE = (CycleStage.FETCHING, CycleStage.EXECUTING)


def pause_cycle(cycle_id: UUID, *, error: UnavailableError, stages: Sequence[CycleStage] = MAY_PAUSE) -> bool:
    """Pause a running cycle because the broker does not answer; return whether this call did it.

    The analysis and the finish are not interrupted: neither waits for the broker.
    """
    now = timezone.now()
    cycle = Cycle.objects.get(pk=cycle_id)
    if cycle.status != CycleStatus.RUNNING or cycle.stage not in stages:
        return False
    words = f"{REASON}: {error}"[:500]
    changes = {"reason": words, "stage_at": now, "lease_until": _next_try(now, now)}
    paused = transitions.apply(
        cycle, "pause", changes=changes, where=Q(stage=cycle.stage, deadline_at__gt=now), reason=words
    )
    if paused:
        log_failure(
            "cycle_paused",
            error=error,
            operation=error.operation,
            state=f"{CycleStatus.PAUSED.value}, {cycle.stage}",
            cycle_id=cycle_id,
        )
    return paused


def pause_if_broker_is_down(cycle_id: UUID) -> bool:
    """Pause the cycle if the broker does not answer a plain question either; return whether it is paused.

    Where our own rate limit holds the question back the broker is not to blame: orders wait for their turn.
    """
    if not Cycle.objects.filter(pk=cycle_id, status=CycleStatus.RUNNING).exists():
        return False
    try:
        current_providers().broker.clock()
    except HeldBackError:
        return False
    except UnavailableError as error:
        return pause_cycle(cycle_id, error=error)
    return False


def resume_cycle(cycle_id: UUID) -> CycleStage | None:
    """Ask the broker once more; resume when it answers, else wait longer.

    Returns:
        The stage the cycle goes on with; None while it stays paused, or is over.
    """
    cycle = Cycle.objects.get(pk=cycle_id)
    now = timezone.now()
    if cycle.status != CycleStatus.PAUSED or now >= cycle.deadline_at:
        return None
    due = is_over("lease_until", now, longest_wait())
    claimed = Cycle.objects.filter(due, pk=cycle_id, status=CycleStatus.PAUSED)
    if not claimed.update(lease_until=_next_try(cycle.stage_at, now)):
        return None
    try:
        return go_on(cycle)
    except UnavailableError as error:
        log_failure(
            "broker_still_unavailable",
            error=error,
            operation=error.operation,
            state=f"{cycle.status}, {cycle.stage}",
            cycle_id=cycle_id,
        )
        return None


def go_on(cycle: Cycle, *, actor: str = "") -> CycleStage | None:
    """Resume a paused cycle once the broker has answered; ``actor`` is the person who wants it.

    Returns:
        The stage the cycle goes on with; None when it is no longer paused.

    Raises:
        UnavailableError: the broker does not answer.
    """
    sync_portfolio(cycle.pk)
    lasted = _paused_seconds(cycle.stage_at, timezone.now())
    changes = {"reason": "", "stage_at": timezone.now(), "lease_until": None}
    facts: dict[str, Any] = {"paused_seconds": lasted, "stage": cycle.stage}
    facts |= {"actor": actor} if actor else {}
    resumed = transitions.apply(cycle, "resume", changes=changes, **facts)
    return CycleStage(cycle.stage) if resumed else None


def longest_wait() -> timedelta:
    """Return the longest time from one try to the next."""
    return timedelta(seconds=max(settings.seconds("retry_base"), settings.seconds("retry_cap")))


def _next_try(paused_at: datetime, now: datetime) -> datetime:
    """Wait as long again as the pause has lasted: each wait is twice the one before, up to the cap."""
    shortest, longest = settings.seconds("retry_base"), settings.seconds("retry_cap")
    wait = min(max((now - paused_at).total_seconds(), shortest), longest)
    return now + timedelta(seconds=wait)


def _paused_seconds(since: datetime, now: datetime) -> float:
    return round((now - since).total_seconds(), 1)
