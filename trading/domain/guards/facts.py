"""What the guards judge by: what was sold and entered lately, the deepest fall, the locks; all times market time."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Sale:
    """A booked sale.

    Args:
        is_stop: a stop-loss made it.
        profit: realised, in USD; None where what it had cost is not known.
        proceeds: what it brought, in USD.
    """

    symbol: str
    at: datetime
    is_stop: bool = False
    profit: Decimal | None = None
    proceeds: Decimal = Decimal(0)

    @property
    def profit_ratio(self) -> Decimal | None:
        """The profit as a ratio of what the sold quantity had cost; None where it is not known."""
        if self.profit is None or (cost := self.proceeds - self.profit) <= 0:
            return None
        return self.profit / cost


@dataclass(frozen=True, slots=True)
class Entry:
    """A booked purchase by an entry of ours."""

    symbol: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Fall:
    """The last moment at which the equity was so far below its highest of the span that it counts; USD."""

    peak: Decimal
    equity: Decimal
    at: datetime

    @property
    def percent(self) -> Decimal:
        """How far it was below, in percent of the highest."""
        return (self.peak - self.equity) / self.peak * 100


@dataclass(frozen=True, slots=True)
class Lock:
    """A person's lock on a symbol; ``until`` None: until somebody ends it."""

    symbol: str
    reason: str
    author: str
    since: datetime
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything the rules need, read at market time ``now``.

    What lies in the future by more than the time that a rule counts is of another run of a replay, and counts nothing.
    """

    now: datetime
    sales: tuple[Sale, ...] = ()
    entries: tuple[Entry, ...] = ()
    fall: Fall | None = None
    locks: tuple[Lock, ...] = ()
