"""The operator's console: importing this package registers its pages with the admin site."""

from trading.admin import (
    agent,
    approvals,
    cycles,
    decisions,
    guards,
    kill_switch,
    market,
    orders,
    sagas,
    universe,
)
from trading.admin.holdings import performance, portfolio, theses, trips
from trading.admin.system import accounts, events, notices, schedule, settings, tokens

__all__ = [
    "accounts",
    "agent",
    "approvals",
    "cycles",
    "decisions",
    "events",
    "guards",
    "kill_switch",
    "market",
    "notices",
    "orders",
    "performance",
    "portfolio",
    "sagas",
    "schedule",
    "settings",
    "theses",
    "tokens",
    "trips",
    "universe",
]
