"""The operator's console: importing this package registers its pages with the admin site."""

from trading.admin import (
    accounts,
    agent,
    approvals,
    cycles,
    decisions,
    events,
    kill_switch,
    market,
    notices,
    orders,
    portfolio,
    sagas,
    schedule,
    settings,
    tokens,
    universe,
)

__all__ = [
    "accounts",
    "agent",
    "approvals",
    "cycles",
    "decisions",
    "events",
    "kill_switch",
    "market",
    "notices",
    "orders",
    "portfolio",
    "sagas",
    "schedule",
    "settings",
    "tokens",
    "universe",
]
