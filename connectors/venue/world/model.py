"""The world's value types: instruments and compact price series."""

import uuid
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

DAY_SECONDS, MINUTE_SECONDS = 86_400, 60
_EPOCH = date(1970, 1, 1)
_NAMESPACE = uuid.UUID("6f1c1c5a-5d0b-4a1e-9d53-7a2c5c4a9e10")


def epoch_day(day: date) -> int:
    """Return the number of days since 1970-01-01."""
    return (day - _EPOCH).days


def day_date(day: int) -> date:
    """Return the date of an epoch day."""
    return _EPOCH + timedelta(days=day)


def stable_id(*parts: str) -> str:
    """Return a UUID that depends on ``parts`` alone."""
    return str(uuid.uuid5(_NAMESPACE, "/".join(parts)))


@dataclass(frozen=True, slots=True)
class Instrument:
    """Something that trades, under the symbol of orders: ``AAPL``, ``BTC/USD``."""

    symbol: str
    name: str
    exchange: str
    fractionable: bool = True

    @property
    def is_crypto(self) -> bool:
        """Coins are quoted against a currency and say so in their symbol."""
        return "/" in self.symbol

    @property
    def position_symbol(self) -> str:
        """The symbol positions use: ``BTCUSD``."""
        return self.symbol.replace("/", "")

    @property
    def asset_class(self) -> str:
        """Alpaca's word for the class."""
        return "crypto" if self.is_crypto else "us_equity"


@dataclass(frozen=True, slots=True)
class Series:
    """OHLCV rows in ascending order; volume in base units.

    ``at`` holds epoch days for daily series and epoch seconds of the bar's start for those within a day, whose bars
    last ``step`` seconds: a minute, or whole minutes that divide a day.
    """

    at: Ints
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    step: int = MINUTE_SECONDS

    def position(self, moment: int) -> int | None:
        """Return the row at exactly ``moment``, or None."""
        row = int(np.searchsorted(self.at, moment))
        return row if row < len(self.at) and self.at[row] == moment else None

    def last_before(self, moment: int) -> int | None:
        """Return the last row strictly before ``moment``, or None."""
        row = int(np.searchsorted(self.at, moment)) - 1
        return row if row >= 0 else None


@dataclass(frozen=True, slots=True)
class Action:
    """A split of ``value`` new shares for an old one, or a dividend of ``value`` USD a share, from ``ex_day`` on.

    ``kind`` is ``split`` or ``dividend``.
    """

    symbol: str
    ex_day: int
    kind: str
    value: Decimal


@dataclass(frozen=True, slots=True)
class World:
    """Everything the venue will ever show.

    ``kind`` is ``replay`` or ``synthetic``, ``name`` identifies the data and the seed, ``refused`` counts
    the rows left out by reason. ``session_days`` are the epoch days on which the stock market opens. With ``actions``
    the prices of stocks are as quoted, and fall on their ex-days; without any they are adjusted.
    """

    kind: str
    name: str
    seed: int
    instruments: dict[str, Instrument]
    daily: dict[str, Series]
    minute: dict[str, Series]
    session_days: Ints
    has_stocks: bool
    first_day: int
    last_day: int
    refused: dict[str, int] = field(default_factory=dict)
    actions: tuple[Action, ...] = ()

    def by_position_symbol(self, symbol: str) -> Instrument | None:
        """Find an instrument by ``BTC/USD`` or ``BTCUSD``, in any case."""
        wanted = symbol.upper()
        found = self.instruments.get(wanted)
        if found is None and wanted.endswith("USD"):
            found = self.instruments.get(f"{wanted[:-3]}/USD")
        return found
