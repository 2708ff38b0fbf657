"""What a person may do about a problem of a cycle."""

from collections.abc import Mapping
from types import MappingProxyType

_BARS = (
    "Indicators need daily bars: without them the symbol holds. They are asked for again in the next cycle."
)
_NEWS = "The cycle goes on without these headlines."
# By the first word of what was under way.
_ADVICE: Mapping[str, str] = MappingProxyType(
    {
        "quotes": "The next source in the chain was asked. If it stays so, look at the provider: its line on the"
        " dashboard, its key, its limit.",
        "prices": "Symbols without a price are left out of the cycle. If it stays so, look at the provider's line on"
        " the dashboard.",
        "daily": _BARS,
        "daily_bars": _BARS,
        "news": _NEWS,
        "fetch_news": _NEWS,
        "analyse": "Its symbols hold. The model calls have the provider's words: look at the key, the budget and the"
        " model's name.",
        "sync_account": "Nothing is bought on an account that could not be read. It is read again every few seconds.",
        "positions": "A position that cannot be understood is left alone; look after it at the broker.",
        "final_sync": "The account is read again in the next cycle; nothing has to be done.",
        "order": "See the order: the broker's words are kept with it.",
        "cancel_order": "Look at the order at the broker. Reconciliation compares once an hour, or by its button on"
        " Positions.",
        "compensate": "Look at the saga: what it could not undo waits for a person.",
        "update_position": "The position is synced again; the saga goes on by itself.",
    }
)
_OTHERWISE = "It is tried again in the next cycle. If it comes again, manage.py doctor says what is missing."
# What ended a cycle early, by the first word of its reason.
_ENDS: Mapping[str, str] = MappingProxyType(
    {
        "kill_switch": "Release the kill switch when its reason is gone: no cycle trades until then.",
        "deadline": "What was slow stands below. Fewer symbols, a faster model or a longer deadline help.",
        "broker_unavailable": "The broker did not answer. Orders under way are followed all the same.",
    }
)


def advice_on(operation: str) -> str:
    """Return what to do about an error of what was under way."""
    return _ADVICE.get(operation.partition(" ")[0], _OTHERWISE)


def advice_on_end(reason: str) -> str:
    """Return what to do about a cycle that ended early, "" where nothing is known to help."""
    return next((words for name, words in _ENDS.items() if reason.startswith(name)), "")
