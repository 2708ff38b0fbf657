"""Where a shadow strategy's positions are sold by themselves, as those of the account are: pure.

A stop or a target sells at the first snapshot that crosses it, at that snapshot's price: between two snapshots nobody
looks. Of several entries the lowest stop, the highest target, the widest trail and the last date hold.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from trading.domain.performance.exit_reasons import ExitReason
from trading.domain.performance.splits import NEARLY, SPLIT_RATIOS, split_price
from trading.domain.protection.horizons import sell_by
from trading.domain.protection.plans import ExitPlan, ExitProposal, ExitRules, plan_exit, raised_stop, tick_at
from trading.domain.protection.triggers import why_to_sell
from trading.domain.symbols import is_coin

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class PlannedExit:
    """What a purchase says of its position's end, settled when it was decided; percent of the entry price."""

    stop_percent: Decimal
    target_percent: Decimal | None
    trailing_percent: Decimal | None
    sessions: int | None
    tightest_percent: Decimal
    widest_percent: Decimal
    reasoning: str = ""
    invalidation: str = ""

    def at(self, symbol: str, price: Decimal) -> ExitPlan:
        """Return at which prices the position is sold that is entered at ``price``."""
        rules = ExitRules(
            trailing_percent=self.trailing_percent,
            time_stop_sessions=self.sessions,
            tightest_stop_percent=self.tightest_percent,
            widest_stop_percent=self.widest_percent,
        )
        proposal = ExitProposal(self.stop_percent, self.target_percent, self.sessions)
        tick = tick_at(price, is_coin=is_coin(symbol))
        return plan_exit(rules, entry_price=price, proposal=proposal, tick=tick)


@dataclass(frozen=True, slots=True)
class Entry:
    """A purchase that filled: why, and where its part is to be sold. ``opened_at`` is market time."""

    opened_at: datetime
    price: Decimal
    stop_price: Decimal
    target_price: Decimal | None
    trailing_percent: Decimal | None
    sessions: int | None
    reasoning: str = ""
    invalidation: str = ""


@dataclass(frozen=True, slots=True)
class Watched:
    """A position and what sells it by itself: ``stop_price`` has followed ``highest_price`` where it trails."""

    entries: tuple[Entry, ...]
    stop_price: Decimal
    target_price: Decimal | None
    trailing_percent: Decimal | None
    sell_by: datetime | None
    highest_price: Decimal
    is_trailing: bool = False


def entered(
    watched: Watched | None, symbol: str, *, plan: PlannedExit, price: Decimal, at: datetime
) -> Watched:
    """Return the position after another entry, the first where ``watched`` is None.

    Raises:
        ValueError: no price lies below the entry.
    """
    settled = plan.at(symbol, price)
    entry = Entry(
        at,
        price,
        settled.stop_price,
        settled.target_price,
        settled.trailing_percent,
        settled.last_session_count,
        plan.reasoning,
        plan.invalidation,
    )
    entries = (*(watched.entries if watched else ()), entry)
    dates = [_last_day(each, symbol) for each in entries]
    return Watched(
        entries,
        stop_price=min(each.stop_price for each in entries),
        target_price=_most([each.target_price for each in entries]),
        trailing_percent=_most([each.trailing_percent for each in entries]),
        sell_by=None if None in dates else max(date for date in dates if date is not None),
        highest_price=max(price, watched.highest_price if watched else ZERO),
    )


def followed(watched: Watched, symbol: str, price: Decimal) -> Watched:
    """Return the position after a price was seen: a stop that trails follows the highest."""
    highest = max(watched.highest_price, price)
    if watched.trailing_percent is None:
        return replace(watched, highest_price=highest)
    raised = raised_stop(
        watched.stop_price,
        highest_price=highest,
        trailing_percent=watched.trailing_percent,
        step_percent=ZERO,
        tick=tick_at(highest, is_coin=is_coin(symbol)),
    )
    if raised is None:
        return replace(watched, highest_price=highest)
    return replace(watched, highest_price=highest, stop_price=raised, is_trailing=True)


def why_sold(watched: Watched, price: Decimal | None, now: datetime) -> ExitReason | None:
    """Return why the position is sold now, None while it is kept.

    Args:
        price: of the snapshot at hand, USD; None: it has none, and only the date counts.
        now: market time.
    """
    return why_to_sell(
        price=price,
        stop_price=watched.stop_price,
        target_price=watched.target_price,
        is_trailing=watched.is_trailing,
        now=now,
        sell_by=watched.sell_by,
    )


def after_split(watched: Watched, symbol: str, ratio: Decimal) -> Watched:
    """Return the position's prices after a split into ``ratio`` new units for each old one."""

    def of(price: Decimal, *, up: bool = False) -> Decimal:
        return split_price(price, ratio, tick=tick_at(price / ratio, is_coin=is_coin(symbol)), up=up)

    def target(price: Decimal | None) -> Decimal | None:
        return None if price is None else of(price, up=True)

    entries = tuple(
        replace(
            each,
            price=each.price / ratio,
            stop_price=of(each.stop_price),
            target_price=target(each.target_price),
        )
        for each in watched.entries
    )
    return replace(
        watched,
        entries=entries,
        stop_price=of(watched.stop_price),
        target_price=target(watched.target_price),
        highest_price=watched.highest_price / ratio,
    )


def split_between(close_before: Decimal, close_now: Decimal) -> Decimal | None:
    """Return by which split one day's close was told anew: the new units of an old one; None where by none.

    Args:
        close_before, close_now: of the same day, as it was told then and as it is told now; USD.
    """
    if close_before <= 0 or close_now <= 0:
        return None
    ratio = close_before / close_now
    return next((known for known in SPLIT_RATIOS if abs(ratio / known - 1) <= NEARLY), None)


def _last_day(entry: Entry, symbol: str) -> datetime | None:
    if entry.sessions is None:
        return None
    return sell_by(entry.opened_at, entry.sessions, is_coin=is_coin(symbol))


def _most(values: Sequence[Decimal | None]) -> Decimal | None:
    return max((value for value in values if value is not None), default=None)
