"""Pause entries: a person says that nothing is opened until he says otherwise; exits go on."""

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from trading.core import transitions
from trading.core.row_locks import locked_agent
from trading.errors import GuardError
from trading.models import AgentStatus

PAUSED, RESUMED = "agent.entries_paused", "agent.entries_resumed"


@dataclass(frozen=True, slots=True)
class EntriesPause:
    """Whether entries are paused, since when (wall time), by whom and why."""

    is_paused: bool
    since: datetime | None
    author: str
    reason: str


def entries_pause(agent: AgentStatus | None = None) -> EntriesPause:
    """Return whether entries are paused.

    Args:
        agent: its row where the caller has just read it.
    """
    agent = agent or AgentStatus.objects.filter(pk=1).first() or AgentStatus()
    since = agent.entries_paused_at
    return EntriesPause(since is not None, since, agent.entries_paused_by, agent.entries_pause_reason)


def pause_entries(*, actor: str, reason: str) -> EntriesPause:
    """Pause entries, from the next decision that the gate judges on; of entries that are paused nothing changes.

    Orders that have passed the gate are not taken back: that is what the kill switch does.

    Raises:
        GuardError: there is no reason, or no author.
    """
    if not reason.strip() or not actor.strip():
        raise GuardError("reason: was empty, expected why entries are paused")
    with transaction.atomic():
        agent = locked_agent()
        if agent.entries_paused_at is None:
            said = reason.strip()[:500]
            changes = {
                "entries_paused_at": timezone.now(),
                "entries_paused_by": actor,
                "entries_pause_reason": said,
            }
            AgentStatus.objects.filter(pk=1).update(**changes)
            _append(PAUSED, actor=actor, reason=said)
    return entries_pause()


def resume_entries(*, actor: str, reason: str = "") -> EntriesPause:
    """Let entries pass the gate again; where they are not paused nothing changes."""
    with transaction.atomic():
        agent = locked_agent()
        if agent.entries_paused_at is not None:
            nothing = {"entries_paused_at": None, "entries_paused_by": "", "entries_pause_reason": ""}
            AgentStatus.objects.filter(pk=1).update(**nothing)
            _append(RESUMED, actor=actor, reason=reason.strip()[:500])
    return entries_pause()


def _append(event_type: str, *, actor: str, reason: str) -> None:
    transitions.append_event(
        aggregate_type="agent",
        aggregate_id="1",
        event_type=event_type,
        payload={"actor": actor, "reason": reason},
        cycle_id=None,
    )
