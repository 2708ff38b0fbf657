"""The operator's console: importing this package registers its pages with the admin site."""

from trading.admin import (
    agent,
    approvals,
    cycles,
    decisions,
    kill_switch,
    market,
    orders,
    portfolio,
    sagas,
    theses,
    universe,
)
from trading.admin.system import accounts, events, notices, schedule, settings, tokens

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
    "theses",
    "tokens",
    "universe",
]
