"""How live a figure of the broker's is: from where, of when, and whether it is too old to be taken for live."""

import enum
from dataclasses import dataclass
from datetime import datetime

from trading.models import AgentStatus, EquitySnapshot
from trading.queries.overview import is_stale


class Source(enum.StrEnum):
    """The broker's own word of just now, its last word where that is old, or no word ever."""

    BROKER_LIVE = "broker_live"
    CACHE_STALE = "cache_stale"
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True, slots=True)
class LiveState:
    """What goes with every figure the broker reported; ``fetched_at`` (wall time) is None where it never did."""

    source: Source
    fetched_at: datetime | None
    is_stale: bool


def live_state(fetched_at: datetime | None) -> LiveState:
    """Judge a figure by when it was read from the broker."""
    if fetched_at is None:
        return LiveState(Source.UNAVAILABLE, None, is_stale=True)
    stale = is_stale(fetched_at)
    return LiveState(Source.CACHE_STALE if stale else Source.BROKER_LIVE, fetched_at, is_stale=stale)


def positions_state() -> LiveState:
    """Judge the stored positions by the sync they are of."""
    return live_state(AgentStatus.objects.filter(pk=1).values_list("positions_as_of", flat=True).first())


def account_state() -> LiveState:
    """Judge the newest reading of the account's money."""
    newest = EquitySnapshot.objects.newest()
    return live_state(newest.created_at if newest else None)
