"""How the console shows words and numbers: the one mapping from a status to its colour, and plain decimals.

Completed is green, pending yellow, skipped grey, failed red; unfold's words for them are success,
warning, default and danger. What is under way and healthy is blue (info). Not in the admin package,
because template tags are loaded while that package still is.
"""

from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType

from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

SUCCESS, WARNING, DEFAULT, DANGER, INFO = "success", "warning", "default", "danger", "info"

COLOURS: Mapping[str, str] = MappingProxyType(
    {
        # done as intended
        "completed": SUCCESS,
        "executed": SUCCESS,
        "filled": SUCCESS,
        "granted": SUCCESS,
        "handled": SUCCESS,
        "taken": SUCCESS,
        "sent": SUCCESS,
        "approved": SUCCESS,
        "active": SUCCESS,
        # waits or works
        "pending": WARNING,
        "queued": WARNING,
        "incomplete": WARNING,
        "waiting": WARNING,
        "parked": WARNING,
        "running": INFO,
        "claimed": WARNING,
        "executing": INFO,
        "awaiting_approval": WARNING,
        "requested": WARNING,
        "proposed": WARNING,
        "created": WARNING,
        "submitting": WARNING,
        "accepted": INFO,
        "partially_filled": INFO,
        "paused": WARNING,
        "compensating": WARNING,
        "reducing": WARNING,
        "unknown": WARNING,
        # left out, with a reason
        "skipped": DEFAULT,
        "held": DEFAULT,
        "stored": DEFAULT,
        "denied": DEFAULT,
        "expired": DEFAULT,
        "canceled": DEFAULT,
        "replaced": DEFAULT,
        "compensated": DEFAULT,
        # went wrong, or was stopped
        "failed": DANGER,
        "aborted": DANGER,
        "rejected": DANGER,
        "dropped": DANGER,
        "halted": DANGER,
    }
)


# Names of indicators as people say them, and what they count.
INDICATORS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "rsi_14": ("RSI of 14 days", ""),
        "z_score_20": ("z-score of 20 days", ""),
        "atr_percent": ("ATR", " %"),
        "trend_percent": ("trend", " %"),
        "change_5d_percent": ("5 days", " %"),
        "change_20d_percent": ("20 days", " %"),
        "volatility_percent": ("volatility a year", " %"),
    }
)


def colour_of(status: str) -> str:
    """Return the label's colour; grey for a word that is no status."""
    return COLOURS.get(status, DEFAULT)


def words_of(status: str) -> str:
    """Return the status as people read it: ``awaiting_approval`` becomes ``awaiting approval``."""
    return status.replace("_", " ")


def indicators_of(stored: Mapping[str, float]) -> list[tuple[str, str]]:
    """Return each indicator's name and figure as people read them: 5 days, +4.83 %."""
    found = []
    for name, value in stored.items():
        said, unit = INDICATORS.get(name, (words_of(name), ""))
        sign = "+" if name.startswith(("change", "trend", "z_")) else ""
        found.append((said, f"{value:{sign}.2f}{unit}"))
    return found


def with_thousands(value: Decimal) -> str:
    """Return a number with thousands separated and no trailing zeros: 15.000750037, 1,306.89, 20."""
    return f"{value.normalize():,f}"


def symbol_link(symbol: str) -> SafeString:
    """Return the symbol as a link to its page; BTC/USD holds a slash."""
    return format_html(
        '<a class="tc-link" href="{}">{}</a>', reverse("admin:trading_symbol", args=[symbol]), symbol
    )
