"""What came of a decision: its excess return after so many sessions, and whether it was right.

Prices are Decimal; a return is a ratio, rounded to eight places, by which the label is then decided: the stored number
always says what the stored label says.
"""

import bisect
import enum
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import TypeVar

from evaluation.errors import MalformedObservationsError

PLACES = Decimal("0.00000001")
# After so many sessions without a bar nobody waits for one any more.
PATIENCE_SESSIONS = 5
LEAST_MEMBERS = 5
Closes = Mapping[date, Decimal]
Key = TypeVar("Key", bound=Hashable)
Row = TypeVar("Row")


class LabelSpec(enum.StrEnum):
    """A rule by which outcomes are labelled; a changed rule is a new name."""

    ONE_SESSION = "excess-1s-v1"
    FIVE_SESSIONS = "excess-5s-v1"
    TWENTY_SESSIONS = "excess-20s-v1"

    @property
    def horizon(self) -> int:
        """Sessions from the decision's own to the close that judges it."""
        return {"excess-1s-v1": 1, "excess-5s-v1": 5, "excess-20s-v1": 20}[self.value]


class Unresolvable(enum.StrEnum):
    """Why there will never be an outcome."""

    NO_PRICE = "no_price"  # the decision had none
    NO_COMMON_BAR = "no_common_bar"  # nothing says in what units the later prices are
    HALTED = "halted"  # no bar at the horizon, but later ones
    DELISTED = "delisted"  # no bar at the horizon, and none since
    NO_BENCHMARK = "no_benchmark"  # too few of the universe can be followed


class Pending(enum.Enum):
    """The time has not come, or the bars have not."""

    NOT_DUE = "not due"
    NO_BARS_YET = "no bars yet"


@dataclass(frozen=True, slots=True)
class Session:
    """A market session: its day and when it closes (aware)."""

    day: date
    closes_at: datetime


@dataclass(frozen=True, slots=True)
class Followed:
    """A symbol's prices around a decision.

    Args:
        price: at the decision, USD; None: there was none.
        then: daily closes as they were known at the decision.
        later: daily closes as they are known now, in today's units: a split since has divided the old ones, too.
    """

    price: Decimal | None
    then: Closes
    later: Closes


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a decision.

    Args:
        excess_return: of the symbol less that of the universe, a ratio, over the horizon.
        right: whether the decision was; None of a hold, which is not calibrated.
        missed: of a hold, whether a purchase would have been right; None of others.
        members: symbols of the universe that were followed.
    """

    excess_return: Decimal
    symbol_return: Decimal
    universe_return: Decimal
    right: bool | None
    missed: bool | None
    members: int


def session_index(as_of: datetime, sessions: Sequence[Session]) -> int | None:
    """Return which session a moment belongs to: from the close before to its own close, inclusive.

    Args:
        sessions: in order of time, without gaps. None where the moment is after all of them.
    """
    place = bisect.bisect_left(sessions, as_of, key=lambda session: session.closes_at)
    return place if place < len(sessions) else None


def due_session(as_of: datetime, sessions: Sequence[Session], *, horizon: int) -> Session | None:
    """Return the session whose close judges a decision, ``horizon`` after its own; None: not listed yet."""
    place = session_index(as_of, sessions)
    if place is None or place + horizon >= len(sessions):
        return None
    return sessions[place + horizon]


def rebased(price: Decimal, *, before: date, then: Closes, later: Closes) -> Decimal | None:
    """Return a price in the units of later bars: times the ratio of the last bar that both histories have.

    Args:
        before: the decision's day; its own bar was not whole, and does not count.

    Returns:
        None where they have none in common.
    """
    common = [day for day, close in then.items() if day < before and close > 0 and later.get(day, 0) > 0]
    if not common:
        return None
    last = max(common)
    return price * later[last] / then[last]


def forward_return(followed: Followed, *, decided: date, due: date) -> Decimal | Unresolvable:
    """Return the return from the decision's price to the close of ``due``, a ratio."""
    if followed.price is None or followed.price <= 0:
        return Unresolvable.NO_PRICE
    start = rebased(followed.price, before=decided, then=followed.then, later=followed.later)
    if start is None:
        return Unresolvable.NO_COMMON_BAR
    close = followed.later.get(due)
    if close is None or close <= 0:
        later = any(day > due for day in followed.later)
        return Unresolvable.HALTED if later else Unresolvable.DELISTED
    return _rounded(close / start - 1)


def universe_return(
    members: Iterable[Followed], *, decided: date, due: date
) -> tuple[Decimal, int] | Unresolvable:
    """Return the mean return of the universe, bought in equal weight, and how many symbols that is.

    A member that ends before ``due`` stays at its last close since the decision: leaving out what was delisted would
    flatter the universe.
    """
    returns: list[Decimal] = []
    for member in members:
        if member.price is None or member.price <= 0:
            continue
        start = rebased(member.price, before=decided, then=member.then, later=member.later)
        since = [day for day in member.later if decided <= day <= due]
        if start is not None and since:
            returns.append(member.later[max(since)] / start - 1)
    if len(returns) < LEAST_MEMBERS:
        return Unresolvable.NO_BENCHMARK
    return _rounded(sum(returns, Decimal(0)) / len(returns)), len(returns)


class Universe:
    """The symbols a decision was chosen from; what they earned over a span is reckoned once for all."""

    def __init__(self, members: Sequence[Followed]) -> None:
        self._members = members
        self._returns: dict[tuple[date, date], tuple[Decimal, int] | Unresolvable] = {}

    def moved(self, *, decided: date, due: date) -> tuple[Decimal, int] | Unresolvable:
        """Return the mean return in equal weight, and of how many symbols."""
        span = (decided, due)
        if span not in self._returns:
            self._returns[span] = universe_return(self._members, decided=decided, due=due)
        return self._returns[span]

    def told_of(self, day: date) -> int:
        """Return how many of them have a bar of that day."""
        return sum(day in member.later for member in self._members)


def judge(
    action: str, excess_return: Decimal, *, round_trip_cost: Decimal
) -> tuple[bool | None, bool | None]:
    """Return (right, missed): a buy is right above its cost, a sell below 0, a hold has missed what a buy would.

    Args:
        action: ``buy``, ``sell`` or ``hold``.
        round_trip_cost: buying and selling again, a ratio of the notional. Selling what is held costs no more than
            selling it later would.

    Raises:
        MalformedObservationsError: another action.
    """
    pays = excess_return > round_trip_cost
    if action == "buy":
        return pays, None
    if action == "sell":
        return excess_return < 0, None
    if action == "hold":
        return None, pays
    raise MalformedObservationsError(f"an action is buy, sell or hold, was {action!r}")


def resolve(
    *,
    action: str,
    as_of: datetime,
    spec: LabelSpec,
    symbol: Followed,
    universe: Universe,
    sessions: Sequence[Session],
    round_trip_cost: Decimal,
    now: datetime,
) -> Outcome | Unresolvable | Pending:
    """Return what came of one decision by now.

    Args:
        universe: the symbols of the same cycle, the decision's own among them; stocks for a stock, coins for a coin.
        now: market time.
    """
    due = due_session(as_of, sessions, horizon=spec.horizon)
    if due is None or now < due.closes_at:
        return Pending.NOT_DUE
    own = sessions[session_index(as_of, sessions) or 0]
    if _waits(symbol, universe, due, [each for each in sessions if each.closes_at <= now]):
        return Pending.NO_BARS_YET
    moved = forward_return(symbol, decided=own.day, due=due.day)
    if isinstance(moved, Unresolvable):
        return moved
    market = universe.moved(decided=own.day, due=due.day)
    if isinstance(market, Unresolvable):
        return market
    excess = moved - market[0]
    right, missed = judge(action, excess, round_trip_cost=round_trip_cost)
    return Outcome(excess, moved, market[0], right, missed, market[1])


def _waits(symbol: Followed, universe: Universe, due: Session, past: Sequence[Session]) -> bool:
    """Return whether a bar may still come: none at the horizon nor since, and not many sessions have passed.

    Where hardly anybody has a bar of that day, it is the source that has none, and nobody was delisted.
    """
    if symbol.price is None or any(day >= due.day for day in symbol.later):
        return False
    return (
        universe.told_of(due.day) < LEAST_MEMBERS
        or sum(each.day > due.day for each in past) < PATIENCE_SESSIONS
    )


def first_of_each(rows: Iterable[tuple[Key, datetime, Row]]) -> list[Row]:
    """Return the earliest row of each key (symbol, session, strategy, model, prompt version), in order of time.

    A minute's cadence would count one opinion 390 times. Rows of one moment keep their order.
    """
    kept: dict[Key, Row] = {}
    for key, _, row in sorted(rows, key=lambda each: each[1]):
        kept.setdefault(key, row)
    return list(kept.values())


def signed_confidence(action: str, confidence: Decimal) -> Decimal:
    """Return what an information coefficient ranks by: the confidence of a buy, minus that of a sell, 0 of a hold."""
    return {"buy": confidence, "sell": -confidence}.get(action, Decimal(0))


def _rounded(ratio: Decimal) -> Decimal:
    return ratio.quantize(PLACES, rounding=ROUND_HALF_EVEN)
