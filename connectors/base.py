"""What the rest of the system may ask of the outside world: protocols and their value types.

Symbols are ``AAPL`` and ``BTC/USD`` everywhere; adapters translate. Prices are in the quote currency
(USD) per base unit, quantities in base units, both ``Decimal``; times are aware UTC.

A list or a dict of an answer may be a ``Rows`` or a ``BySymbol`` (connectors/rows.py): what stands in it is sound, and
``unreadable_of`` tells what the source could not read. What is missing is then not known to be gone. Where most of an
answer cannot be read, it is refused as a whole.
"""

import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Protocol

from connectors.rows import UnreadableRow


class AssetClass(enum.StrEnum):
    STOCK = "stock"
    CRYPTO = "crypto"


class Side(enum.StrEnum):
    BUY = "buy"
    SELL = "sell"


class TimeInForce(enum.StrEnum):
    DAY = "day"
    GTC = "gtc"


class BrokerOrderStatus(enum.StrEnum):
    """Order states as the broker tells them, reduced to what a caller acts on."""

    ACCEPTED = "accepted"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REJECTED = "rejected"
    REPLACED = "replaced"


@dataclass(frozen=True, slots=True)
class Account:
    """The trading account as the broker tells it; money in USD.

    ``last_equity`` is the equity at the previous session's close; equity below ``maintenance_margin`` is a
    margin call (None: the broker does not say).
    """

    account_id: str
    status: str
    equity: Decimal
    last_equity: Decimal
    cash: Decimal
    buying_power: Decimal
    trading_blocked: bool
    maintenance_margin: Decimal | None = None


@dataclass(frozen=True, slots=True)
class MarketClock:
    """The broker's clock for stocks; ``now`` is market time, which a replay may run in the past.

    ``rate`` is how many seconds of market time pass in a second: 1 at a real broker, at a replay its speed, and 0
    while that stands still.
    """

    now: datetime
    is_open: bool
    next_open: datetime
    next_close: datetime
    rate: Decimal = Decimal(1)


@dataclass(frozen=True, slots=True)
class Asset:
    """A tradable instrument and the sizes it allows, in base units; None: no such limit."""

    symbol: str
    name: str
    asset_class: AssetClass
    exchange: str
    tradable: bool
    fractionable: bool
    min_order_size: Decimal | None
    min_trade_increment: Decimal | None


@dataclass(frozen=True, slots=True)
class BrokerPosition:
    """A net position; ``quantity_available`` is what is not held for open orders.

    ``market_value`` is None where the broker says none: what is held is known, what it is worth is not.
    """

    symbol: str
    asset_class: AssetClass
    quantity: Decimal
    quantity_available: Decimal
    average_entry_price: Decimal
    market_value: Decimal | None
    current_price: Decimal | None


class OrderType(enum.StrEnum):
    """What makes an order execute; FIX tag 40."""

    MARKET = "market"
    LIMIT = "limit"
    STOP = "stop"
    STOP_LIMIT = "stop_limit"


class OrderClass(enum.StrEnum):
    """How orders hang together at the broker: alone, an entry with both exits or with one, two exits of a position."""

    SIMPLE = ""
    BRACKET = "bracket"
    ONE_TRIGGERS_OTHER = "oto"
    ONE_CANCELS_OTHER = "oco"


@dataclass(frozen=True, slots=True)
class OrderRequest:
    """An order to be posted; ``client_order_id`` is ours and makes it idempotent. Prices in USD.

    ``limit_price`` and ``stop_price`` are its own, as its type has them. ``take_profit`` (a limit) and ``stop_loss``
    (a stop) are those of the legs that its class brings: of an entry the exits that follow its fill, of two exits that
    cancel each other the stop beside the limit, which is the order itself.
    """

    client_order_id: str
    symbol: str
    asset_class: AssetClass
    side: Side
    quantity: Decimal
    time_in_force: TimeInForce
    order_type: OrderType = OrderType.MARKET
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    order_class: OrderClass = OrderClass.SIMPLE
    take_profit: Decimal | None = None
    stop_loss: Decimal | None = None


@dataclass(frozen=True, slots=True)
class BrokerOrder:
    """An order as the broker has it; ``average_price`` is None until something filled.

    ``status_detail`` is the broker's own word for the status (``pending_new``, ``done_for_day`` …).
    ``quantity`` is None for an order somebody placed by notional. ``order_type`` and ``order_class`` are the broker's
    words. ``legs`` are the orders that hang on it, where it was asked for by its id; a list has each as a row.
    """

    broker_order_id: str
    client_order_id: str
    symbol: str
    side: Side
    status: BrokerOrderStatus
    status_detail: str
    quantity: Decimal | None
    filled_quantity: Decimal
    average_price: Decimal | None
    submitted_at: datetime
    updated_at: datetime
    filled_at: datetime | None
    order_type: str = ""
    order_class: str = ""
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    legs: tuple["BrokerOrder", ...] = ()
    replaced_by: str | None = None


@dataclass(frozen=True, slots=True)
class BrokerFill:
    """One execution; ``execution_id`` is the broker's and unique per account."""

    execution_id: str
    broker_order_id: str
    symbol: str
    side: Side
    quantity: Decimal
    price: Decimal
    executed_at: datetime


@dataclass(frozen=True, slots=True)
class BrokerActivity:
    """What the broker booked on the account besides executions: a dividend, interest, a fee, a transfer, a split.

    ``kind`` is the broker's word (``DIV``). ``net_amount`` is the cash it brought, in USD, 0 where it moved none;
    ``quantity`` the base units (of a dividend those it was paid on), ``symbol`` "" where it is about none. ``day`` is
    the date it is booked for, ``booked_at`` when: it may come days after.
    """

    activity_id: str
    kind: str
    net_amount: Decimal
    day: date
    booked_at: datetime
    symbol: str = ""
    quantity: Decimal = Decimal(0)
    per_share: Decimal = Decimal(0)
    description: str = ""


@dataclass(frozen=True, slots=True)
class TradeUpdate:
    """The broker's word on its own stream that an order changed: the order as it then stood.

    ``event`` is the broker's word for it. ``execution`` is what filled just then, with the id it has among ``fills``,
    too; None where nothing did, or where it cannot be understood.
    """

    event: str
    order: BrokerOrder
    execution: BrokerFill | None = None


@dataclass(frozen=True, slots=True)
class Quote:
    """A last price with its origin; ``price`` is always positive, ``quoted_at`` the provider's time.

    ``day_*`` and ``previous_close`` are of the current and the previous daily bar, None where the
    provider does not say; ``day_volume`` in base units.
    """

    symbol: str
    price: Decimal
    quoted_at: datetime
    source: str
    previous_close: Decimal | None = None
    day_volume: Decimal | None = None
    day_high: Decimal | None = None
    day_low: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Bar:
    """One OHLCV bar; ``opened_at`` is its start, ``volume`` in base units."""

    opened_at: datetime
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal


@dataclass(frozen=True, slots=True)
class Headline:
    """A news item; all text is untrusted. ``symbols`` as the provider tagged them, ``keywords`` as asked."""

    headline_id: str
    source: str
    symbols: tuple[str, ...]
    title: str
    summary: str
    url: str
    published_at: datetime
    keywords: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Holdings:
    """What is held as far as it can be understood, and what cannot."""

    positions: tuple[BrokerPosition, ...]
    unreadable: tuple[UnreadableRow, ...] = ()


@dataclass(frozen=True, slots=True)
class OpenOrders:
    """What is open as far as it can be understood, and what cannot."""

    orders: tuple[BrokerOrder, ...]
    unreadable: tuple[UnreadableRow, ...] = ()


class Broker(Protocol):
    """A paper trading account. Every method may raise ``UnavailableError`` or ``RejectedError``."""

    name: str

    def account(self) -> Account:
        """Return the account's money and standing."""
        ...

    def clock(self) -> MarketClock:
        """Return market time and the stock session's state."""
        ...

    def assets(self) -> list[Asset]:
        """Return every active US stock and USD-quoted coin the broker lists; ``Rows``."""
        ...

    def positions(self) -> list[BrokerPosition]:
        """Return all open positions; ``Rows``. One whose value is not known is among the unreadable ones, too."""
        ...

    def position(self, symbol: str) -> BrokerPosition | None:
        """Return what is held of one symbol, or None when the broker says that nothing is."""
        ...

    def holdings(self) -> Holdings:
        """Return the same however many rows cannot be understood: what stops trading sells what it can name."""
        ...

    def open_orders(self) -> OpenOrders:
        """Return the newest 500 open orders, however many rows cannot be understood."""
        ...

    def submit_order(self, request: OrderRequest, *, permit: Callable[[], None] | None = None) -> BrokerOrder:
        """Post one order, once, within 10 s in total.

        Args:
            permit: called once, right before the first byte leaves; what it raises passes through, and nothing
                was sent then. None: nothing to prove.

        Raises:
            UnavailableError: provably not taken.
            DuplicateOrderError: the broker has this ``client_order_id`` already.
            RejectedError: refused for good.
            OutcomeUnknownError: it may have been taken.
        """
        ...

    def order_by_client_order_id(self, client_order_id: str) -> BrokerOrder | None:
        """Return the order, or None when the broker says there is none."""
        ...

    def order(self, broker_order_id: str) -> BrokerOrder | None:
        """Return the order with its legs, or None when the broker says there is none."""
        ...

    def orders(self, *, open_only: bool, after: datetime | None = None) -> list[BrokerOrder]:
        """Return orders, oldest first, all pages; ``Rows``. ``after`` bounds their submission time."""
        ...

    def cancel_order(self, broker_order_id: str) -> None:
        """Ask for a cancel; the order's own status tells whether it came in time.

        Raises:
            RejectedError: no longer cancelable, e.g. filled.
        """
        ...

    def replace_order(
        self,
        broker_order_id: str,
        *,
        client_order_id: str,
        stop_price: Decimal,
        limit_price: Decimal | None = None,
    ) -> BrokerOrder:
        """Give a resting stop another price; return the order that takes its place, under the name it is given.

        Raises:
            UnavailableError: provably not taken.
            RejectedError: it cannot be replaced any more, or not so.
            OutcomeUnknownError: it may have been taken.
        """
        ...

    def fills(self, *, after: datetime | None = None) -> list[BrokerFill]:
        """Return executions since ``after`` (exclusive), oldest first, all pages; ``Rows``."""
        ...

    def activities(self, *, after: datetime) -> list[BrokerActivity]:
        """Return what was booked since ``after`` (exclusive) besides executions, oldest first; ``Rows``."""
        ...

    def listen(
        self, on_update: Callable[[TradeUpdate], None], *, on_alive: Callable[[], None] | None = None
    ) -> None:
        """Call ``on_update`` for every update of the stream until stopped or cut off for good.

        Args:
            on_alive: called every few seconds while the stream is there, whether it says something or not.
        """
        ...

    def stop_listening(self) -> None:
        """End ``listen`` within 2 s, from another thread or a signal handler."""
        ...


class QuoteSource(Protocol):
    """Market data. Missing or non-positive prices are left out of the answer, never guessed."""

    name: str

    def quotes(self, symbols: Sequence[str], *, within_seconds: float | None = None) -> dict[str, Quote]:
        """Return the latest prices of one asset class by symbol; what is unknown is missing; ``BySymbol``.

        Args:
            within_seconds: for a source of many requests: none of them begins in its second half that might end
                later.
        """
        ...


class BarSource(Protocol):
    """Price history."""

    def daily_bars(self, symbols: Sequence[str], *, start: date, end: date) -> dict[str, list[Bar]]:
        """Return daily bars by symbol, oldest first, both bounds inclusive, all pages; ``BySymbol``."""
        ...


class NewsSource(Protocol):
    """Headlines."""

    name: str

    def headlines(
        self, symbols: Sequence[str], *, since: datetime, until: datetime, keywords: Sequence[str] = ()
    ) -> list[Headline]:
        """Return headlines published in ``[since, until]``, newest first, at most 50; ``Rows``.

        About one of ``symbols``, or with one of ``keywords`` as whole words in title or summary.
        """
        ...
