"""Read and set the trading mode: manual, semi_auto or autonomous."""

from django.db import transaction

from trading.core import transitions
from trading.core.row_locks import locked_agent
from trading.errors import SettingError
from trading.models import AgentStatus, Mode


def current_mode() -> str:
    """Return the mode in force."""
    return AgentStatus.objects.get(pk=1).mode


def set_mode(*, mode: str, actor: str) -> str:
    """Set the mode; return the one before.

    Raises:
        SettingError: there is no such mode.
    """
    if mode not in Mode.values:
        raise SettingError(f"mode: was {mode!r}, expected one of {', '.join(Mode.values)}")
    with transaction.atomic():
        agent = locked_agent()
        before = agent.mode
        if before != mode:
            AgentStatus.objects.filter(pk=1).update(mode=mode)
            transitions.append_event(
                aggregate_type="agent",
                aggregate_id="1",
                event_type="agent.mode_set",
                payload={"from": before, "to": mode, "actor": actor},
                cycle_id=None,
            )
    return before
