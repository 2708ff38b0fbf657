"""Settings that bound each other: how long the models may take, and what has to be longer than that."""

from collections.abc import Mapping
from decimal import Decimal

from trading.errors import SettingError

UNBOUND_ANALYSIS = Decimal(30)  # seconds: the default; so short it goes with any other setting
ROOM_FOR_ORDERS = Decimal(30)  # seconds of a cycle, behind the analysis, in which its orders go out
TOGETHER = ("analysis_timeout", "fetch_timeout", "cycle_interval", "cycle_deadline", "price_max_age")
_ANALYSIS, _FETCH = TOGETHER[:2]
_BOUNDS = (
    ("cycle_interval", Decimal(0), "else each cycle runs into the next"),
    ("price_max_age", Decimal(0), "else every price is too old to trade on once the models have answered"),
    ("cycle_deadline", ROOM_FOR_ORDERS, "else its cycle is aborted before its orders have gone out"),
)


def least_beside(*, analysis: Decimal, fetch: Decimal) -> dict[str, Decimal]:
    """Return what the settings that bound an analysis must be at least, by name, in seconds."""
    return {name: fetch + analysis + spare for name, spare, _ in _BOUNDS}


def longest_analysis(values: Mapping[str, Decimal]) -> Decimal:
    """Return the longest ``analysis_timeout``, in seconds, that the other settings of ``TOGETHER`` leave room for."""
    room = min(values[name] - spare - values[_FETCH] for name, spare, _ in _BOUNDS)
    return max(room, UNBOUND_ANALYSIS)


def check_together(values: Mapping[str, Decimal], *, changed: str) -> None:
    """Check that an analysis longer than its default fits into its cycle.

    Args:
        values: those of ``TOGETHER``, in seconds, with the new value among them.
        changed: the setting that is to be changed; the message begins with it.

    Raises:
        SettingError: they do not fit; the message names the two and what would do.
    """
    analysis, fetch = values[_ANALYSIS], values[_FETCH]
    if analysis <= UNBOUND_ANALYSIS:
        return
    wanted = least_beside(analysis=analysis, fetch=fetch)
    for name, spare, reason in _BOUNDS:
        least = wanted[name]
        if values[name] >= least:
            continue
        first = f"raise {name} first, or take" if changed == _ANALYSIS else f"lower {_ANALYSIS} first, to"
        parts = f"{_FETCH} {fetch:f} + {_ANALYSIS} {analysis:f}" + (
            f" + {spare:f} for orders" if spare else ""
        )
        raise SettingError(
            f"{changed}: was {values[changed]:f}, but {name} ({values[name]:f} s) must be at least {least:f} s"
            f" ({parts}), {reason}: {first} {_ANALYSIS} {longest_analysis(values):f} at most"
        )
