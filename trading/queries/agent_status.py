"""The agent's status and the kill switch's, as other programs read them."""

from dataclasses import asdict
from typing import Any

from risk.services import switch
from risk.services.limits import limits_in_force
from trading.models import AgentStatus
from trading.queries import overview
from trading.queries.left_out import left_out_report
from trading.queries.live_state import live_state
from trading.safety import kill_switch, switch_follow_up


def agent_report() -> dict[str, Any]:
    """Return the agent's status; each figure the broker reported says from when it is."""
    agent = AgentStatus.objects.filter(pk=1).first() or AgentStatus()
    standing = overview.agent_standing()
    money = overview.money()
    return {
        "is_running": agent.is_running,
        "current_cycle_id": agent.current_cycle_id,
        "last_cycle_time": agent.last_cycle_time,
        "mode": standing.mode,
        "trading_state": standing.trading_state,
        "kill_switch_active": switch.is_engaged(),
        "risk_limits": limits_in_force(),
        "state_reason": standing.state_reason,
        "entries_pause": standing.entries_pause,
        "position_count": agent.position_count,
        "daily_pnl": agent.daily_pnl,
        "approvals_open": standing.approvals_open,
        "unprotected_positions": list(standing.unprotected),
        "set_aside": left_out_report(),
        "analyst": standing.analyst,
        "world": standing.world,
        "is_simulated": standing.simulated,
        "market_time": agent.market_time,
        "is_market_open": agent.market_open,
        **asdict(live_state(agent.positions_as_of)),
        "account": {
            "equity": money.equity if money else None,
            "cash": money.cash if money else None,
            "buying_power": money.buying_power if money else None,
            "day_pnl": money.day_pnl if money else None,
            **asdict(live_state(money.read_at if money else None)),
        },
    }


def switch_report() -> dict[str, Any]:
    """Return how the kill switch stands and what our record has open; needs only the database."""
    current = switch.current_engagement()
    return {
        "engaged": current is not None,
        "engaged_at": current.engaged_at if current else None,
        "engaged_by": current.engaged_by if current else None,
        "trigger": current.trigger if current else None,
        "reason": current.reason if current else None,
        "not_done": switch_follow_up.not_done(current) if current else [],
        **asdict(kill_switch.remaining()),
    }
