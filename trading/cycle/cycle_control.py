"""What a person does to the cycle that runs: stop it, pause it, let it go on.

A pause by a person has no next try, so that nothing but a person resumes it. Its clock runs on: past its
deadline the sweeper aborts it like any other, and the next cycle starts.
"""

from django.db.models import Q
from django.utils import timezone

from trading.core import cycle_log, transitions
from trading.cycle import cycles, pausing
from trading.domain.statuses import CycleStage, CycleStatus
from trading.errors import CycleStateError
from trading.models import Cycle

PAUSED_BY = "paused by"
STOPPED_BY = "stopped by"
WORD_LENGTH = 500


def current_cycle() -> Cycle | None:
    """Return the cycle that has not ended, None when there is none."""
    return Cycle.objects.open().first()


def is_paused_by_hand(cycle: Cycle) -> bool:
    """Return whether a person paused it, and only a person resumes it."""
    return cycle.status == CycleStatus.PAUSED and cycle.lease_until is None


def stop(*, actor: str, reason: str = "") -> Cycle:
    """Abort the cycle: what it had not started expires, what the broker has goes on by its saga.

    Raises:
        CycleStateError: none runs.
    """
    cycle = _required()
    if not cycles.abort_cycle(cycle, reason=_with_reason(STOPPED_BY, actor, reason)):
        raise CycleStateError("the cycle ended, or changed, in this moment; look at it again")
    cycle.refresh_from_db()
    return cycle


def pause(*, actor: str, reason: str = "") -> Cycle:
    """Pause the cycle until a person resumes it, or its deadline passes.

    Raises:
        CycleStateError: none runs, it is paused by a person already, or it is in a stage that is not
            interrupted: the analysis and the finish take some seconds and post nothing.
    """
    cycle = _required()
    words = _with_reason(PAUSED_BY, actor, reason)
    if is_paused_by_hand(cycle):
        raise CycleStateError(f"it is paused already: {cycle.reason}")
    if cycle.status == CycleStatus.PAUSED:  # it waits for the broker: from now on for the person
        waiting = Cycle.objects.filter(pk=cycle.pk, status=CycleStatus.PAUSED, lease_until__isnull=False)
        if not waiting.update(lease_until=None, reason=words):
            raise CycleStateError("the cycle changed in this moment; look at it again")
        cycle_log.record_step(cycle.pk, "held", actor=actor, reason=words)
        cycle.lease_until, cycle.reason = None, words
        return cycle
    if cycle.cycle_type == Cycle.Type.MAINTENANCE or cycle.stage not in pausing.MAY_PAUSE:
        raise CycleStateError(f"a {cycle.cycle_type} cycle is not interrupted while it is {cycle.stage}")
    now = timezone.now()
    paused = transitions.apply(
        cycle,
        "pause",
        changes={"reason": words, "stage_at": now, "lease_until": None},
        where=Q(stage=cycle.stage, deadline_at__gt=now),
        reason=words,
        actor=actor,
    )
    if not paused:
        raise CycleStateError("the cycle ended, or changed, in this moment; look at it again")
    cycle.refresh_from_db()
    return cycle


def resume(*, actor: str) -> tuple[Cycle, CycleStage]:
    """Let a paused cycle go on, whoever paused it, if the broker answers.

    Returns:
        The cycle, and the stage it goes on with: what was being fetched has to be fetched again.

    Raises:
        CycleStateError: none is paused, or it is past its deadline.
        UnavailableError: the broker does not answer; it stays paused.
    """
    cycle = _required()
    if cycle.status != CycleStatus.PAUSED:
        raise CycleStateError(f"the cycle is {cycle.status}, not paused")
    if timezone.now() >= cycle.deadline_at:
        raise CycleStateError("the cycle is past its deadline")
    stage = pausing.go_on(cycle, actor=actor)
    if stage is None:
        raise CycleStateError("the cycle ended, or changed, in this moment; look at it again")
    cycle.refresh_from_db()
    return cycle, stage


def _required() -> Cycle:
    cycle = current_cycle()
    if cycle is None:
        raise CycleStateError("no cycle runs")
    return cycle


def _with_reason(what: str, actor: str, reason: str) -> str:
    return f"{what} {actor}{f': {reason.strip()}' if reason.strip() else ''}"[:WORD_LENGTH]
