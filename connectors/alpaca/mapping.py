"""From Alpaca's trading answers to our value types; pure functions.

Each raises ``MalformedError`` naming the field it could not read. A list is read row by row
(``connectors.lists.read_rows``): a row that cannot be understood is named beside the others, never left out in silence,
and never takes them with it.
"""

import contextlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, time
from decimal import Decimal
from types import MappingProxyType
from zoneinfo import ZoneInfo

from connectors.alpaca.symbols import is_common_stock, split_pair
from connectors.base import (
    Account,
    Asset,
    AssetClass,
    BrokerActivity,
    BrokerFill,
    BrokerOrder,
    BrokerOrderStatus,
    BrokerPosition,
    MarketClock,
    Side,
    TradeUpdate,
)
from connectors.errors import MalformedError
from connectors.lists import read_rows
from connectors.rows import LONGEST_ID, Rows, UnreadableRow
from connectors.wire import (
    SMALLEST_PRICE,
    SMALLEST_QUANTITY,
    Fields,
    is_plain,
    to_decimal,
)

PROVIDER = "alpaca"
ZERO, ONE = Decimal(0), Decimal(1)
FASTEST_RATE = Decimal(10**6 - 1)  # seconds of market time in a second
LONGEST_ORDER_ID = 64
LONGEST_CLIENT_ORDER_ID = 128
LONGEST_EXCHANGE = 20
LONGEST_WORD = 20  # of a type or class of orders, or of an activity
LONGEST_DESCRIPTION = 200
NEW_YORK = ZoneInfo("America/New_York")

_NO_PAIRS: Mapping[str, str] = MappingProxyType({})

# Ended statuses; every other status is one of an order still at work.
_ENDED = MappingProxyType(
    {
        "filled": BrokerOrderStatus.FILLED,
        "canceled": BrokerOrderStatus.CANCELED,
        "expired": BrokerOrderStatus.EXPIRED,
        "rejected": BrokerOrderStatus.REJECTED,
        "replaced": BrokerOrderStatus.REPLACED,
    }
)
_EXECUTIONS = frozenset({"fill", "partial_fill"})
_TRADES = frozenset({"FILL"})  # where a broker lists them among the others
_WORKING = frozenset(
    {
        "new",
        "partially_filled",
        "accepted",
        "pending_new",
        "accepted_for_bidding",
        "pending_cancel",
        "pending_replace",
        "pending_review",
        "held",
        "stopped",  # a trade is guaranteed but has not happened
        "suspended",
        "calculated",  # done for the day, the sums are not settled
        "done_for_day",  # expired or canceled follows
    }
)


# Sound rows of what is not traded here. Other words are not understood: they may be ours, misspelt.
_OTHER_KINDS = frozenset({"us_option", "us_index", "us_future", "fixed_income", "crypto_perp", "ipo"})


class UnknownPairError(MalformedError):
    """A coin's symbol whose quote currency is not known: the listing of coins may tell."""


def account_from_wire(raw: object) -> Account:
    """Return the account of GET /v2/account."""
    fields = Fields(PROVIDER, "account", raw)
    return Account(
        account_id=fields.text("id"),
        status=fields.text("status"),
        equity=fields.decimal("equity"),
        last_equity=fields.decimal("last_equity"),
        cash=fields.decimal("cash"),
        buying_power=fields.decimal("buying_power"),
        trading_blocked=any(
            fields.boolean(name)
            for name in ("trading_blocked", "account_blocked", "trade_suspended_by_user")
            if name == "trading_blocked" or not fields.is_blank(name)
        ),
        maintenance_margin=(
            None if fields.is_blank("maintenance_margin") else fields.decimal("maintenance_margin")
        ),
    )


def clock_from_wire(raw: object, *, may_run_at_its_own_rate: bool = False) -> MarketClock:
    """Return the clock of GET /v2/clock.

    Args:
        may_run_at_its_own_rate: a venue on this machine, which says how fast its time runs; the real account's time
            is the world's, whatever it says.
    """
    fields = Fields(PROVIDER, "clock", raw)
    says_rate = may_run_at_its_own_rate and not fields.is_blank("market_rate")
    return MarketClock(
        now=fields.time("timestamp"),
        is_open=fields.boolean("is_open"),
        next_open=fields.time("next_open"),
        next_close=fields.time("next_close"),
        rate=fields.decimal("market_rate", minimum=ZERO, largest=FASTEST_RATE) if says_rate else ONE,
    )


def assets_from_wire(raw: object) -> Rows[Asset]:
    """Return the active common stocks and USD-quoted coins of GET /v2/assets, and the rows that cannot be read."""
    return read_rows(PROVIDER, "asset", raw, _asset)


def pairs_from_wire(raw: object) -> dict[str, str]:
    """Return joined → pair for every listed coin pair, whatever its quote currency."""
    symbols = read_rows(PROVIDER, "asset", raw, Fields.symbol)
    return {symbol.replace("/", ""): symbol for symbol in symbols if "/" in symbol}


def position_from_wire(fields: Fields, listed: Mapping[str, str] = _NO_PAIRS) -> BrokerPosition:
    """Return one position; a short one has a negative quantity.

    Its value is None where the broker has no price for it (a share that was delisted) and where what it says is no
    number: how much is held is known all the same (``value_problem``).

    Args:
        listed: joined → pair, for coins whose quote currency is not known.

    Raises:
        UnknownPairError: ``listed`` does not have such a coin.
        OtherKindError: it is no stock and no coin.
        MalformedError: another field could not be read.
    """
    asset_class = _asset_class(fields)
    side = fields.text("side")
    if side not in ("long", "short"):
        raise fields.malformed("side")
    quantity = fields.decimal("qty")
    if (quantity != 0 and abs(quantity) < SMALLEST_QUANTITY) or (side == "long" and quantity < 0):
        raise fields.malformed("qty")
    sign, quantity = (1 if side == "long" else -1), abs(quantity)
    available = fields.optional_decimal("qty_available")
    if available is not None and (abs(available) > quantity or (side == "long" and available < 0)):
        raise fields.malformed("qty_available")
    return BrokerPosition(
        symbol=_symbol(fields, listed),
        asset_class=asset_class,
        quantity=sign * quantity,
        quantity_available=sign * (quantity if available is None else abs(available)),
        average_entry_price=fields.decimal("avg_entry_price", minimum=ZERO),
        market_value=_market_value(fields, side),
        current_price=fields.optional_decimal("current_price", minimum=ZERO),
    )


def value_problem(fields: Fields, position: BrokerPosition) -> UnreadableRow | None:
    """Return what a position's row says instead of a value; None where its value is known."""
    if position.market_value is not None:
        return None
    return fields.unreadable(fields.malformed("market_value"), symbol=position.symbol)


def _market_value(fields: Fields, side: str) -> Decimal | None:
    value = to_decimal(fields.get("market_value"))
    return None if value is not None and side == "long" and value < 0 else value


def order_from_wire(raw: object, listed: Mapping[str, str] = _NO_PAIRS) -> BrokerOrder:
    """Return one order of GET or POST /v2/orders, or of the stream."""
    return order_from_fields(Fields(PROVIDER, "order", raw), listed)


def order_from_fields(fields: Fields, listed: Mapping[str, str] = _NO_PAIRS) -> BrokerOrder:
    """Return one order of a list that was taken apart already.

    Raises:
        OtherKindError: it is an option's or a spread's.
        MalformedError: a field could not be read.
    """
    if fields.get("order_class") == "mleg":
        raise fields.other_kind("order_class")
    if not fields.is_blank("asset_class"):
        _asset_class(fields)
    filled = fields.decimal("filled_qty", minimum=ZERO)
    quantity = fields.optional_decimal("qty", minimum=ZERO)
    if quantity is None and fields.is_blank("notional"):
        raise fields.malformed("qty")
    if quantity is not None and filled > quantity:
        raise fields.malformed("filled_qty")
    submitted_at = fields.optional_time("submitted_at") or fields.time("created_at")
    return BrokerOrder(
        broker_order_id=fields.text("id", longest=LONGEST_ORDER_ID),
        client_order_id=fields.text("client_order_id", longest=LONGEST_CLIENT_ORDER_ID),
        symbol=_symbol(fields, listed),
        side=_side(fields),
        status=_status(fields, filled),
        status_detail=fields.text("status"),
        quantity=quantity,
        filled_quantity=filled,
        average_price=fields.optional_decimal("filled_avg_price", minimum=ZERO) if filled else None,
        submitted_at=submitted_at,
        updated_at=fields.optional_time("updated_at") or submitted_at,
        filled_at=fields.optional_time("filled_at"),
        order_type=_word(fields, "type"),
        order_class=_word(fields, "order_class"),
        limit_price=_price(fields, "limit_price"),
        stop_price=_price(fields, "stop_price"),
        legs=_legs(fields, listed),
        replaced_by=_word(fields, "replaced_by", longest=LONGEST_ORDER_ID) or None,
    )


def _legs(fields: Fields, listed: Mapping[str, str]) -> tuple[BrokerOrder, ...]:
    """Return the legs that can be understood: what else an order says is worth knowing without them."""
    raw, found = fields.get("legs"), []
    for leg in raw if isinstance(raw, list) else []:
        with contextlib.suppress(MalformedError):
            found.append(order_from_wire(leg, listed))
    return tuple(found)


def _word(fields: Fields, name: str, *, longest: int = LONGEST_WORD) -> str:
    with contextlib.suppress(MalformedError):
        return "" if fields.is_blank(name) else fields.text(name, longest=longest)
    return ""


def _price(fields: Fields, name: str) -> Decimal | None:
    """Return a price that describes a resting order; None where it has none, or none that can be understood."""
    with contextlib.suppress(MalformedError):
        return fields.optional_decimal(name, minimum=SMALLEST_PRICE)
    return None


def symbol_of(row: UnreadableRow, listed: Mapping[str, str]) -> UnreadableRow:
    """Return an unreadable row with its symbol as ours: ``BTC/USD`` where the broker says ``BTCUSD``."""
    pair = split_pair(row.symbol, listed)
    is_joined = len(row.symbol) >= 6 or row.symbol in listed
    return replace(row, symbol=pair) if pair and is_joined and not row.other_kind else row


def fill_from_wire(fields: Fields, listed: Mapping[str, str] = _NO_PAIRS) -> BrokerFill:
    """Return one execution of GET /v2/account/activities/FILL."""
    return BrokerFill(
        execution_id=_execution_id(fields.text("id", longest=LONGEST_ID)),
        broker_order_id=fields.text("order_id", longest=LONGEST_ORDER_ID),
        symbol=_symbol(fields, listed),
        side=_side(fields),
        quantity=fields.decimal("qty", minimum=SMALLEST_QUANTITY),
        price=fields.decimal("price", minimum=SMALLEST_PRICE),
        executed_at=fields.time("transaction_time"),
    )


def activity_from_wire(fields: Fields, listed: Mapping[str, str] = _NO_PAIRS) -> BrokerActivity | None:
    """Return one activity of GET /v2/account/activities that is no execution; None for one, or one that was canceled.

    When it was booked says ``created_at``, or, where that is missing, its id, which begins with New York's time.
    """
    kind = fields.text("activity_type", longest=LONGEST_WORD)
    if kind in _TRADES or fields.get("status") == "canceled":
        return None
    activity_id, day = fields.text("id", longest=LONGEST_ID), fields.day("date")
    booked_at = fields.optional_time("created_at") or _time_of_id(activity_id)
    is_listed = not fields.is_blank("symbol")
    description = fields.get("description")
    return BrokerActivity(
        activity_id=activity_id,
        kind=kind,
        net_amount=fields.optional_decimal("net_amount") or ZERO,
        day=day,
        booked_at=booked_at or datetime.combine(day, time(), NEW_YORK).astimezone(UTC),
        symbol=_symbol(fields, listed) if is_listed else "",
        quantity=_figure(fields, "qty"),
        per_share=_figure(fields, "per_share_amount"),
        description=str(description) if is_plain(description, LONGEST_DESCRIPTION) else "",
    )


def _figure(fields: Fields, name: str) -> Decimal:
    """Return a figure that says more of what is known without it; 0 where it cannot be understood."""
    number = to_decimal(fields.get(name))
    return ZERO if number is None else number


def _time_of_id(activity_id: str) -> datetime | None:
    """Return the moment that an id begins with: ``20190801011955195::5f596936-...``."""
    with contextlib.suppress(ValueError):
        return datetime.strptime(activity_id[:14], "%Y%m%d%H%M%S").replace(tzinfo=NEW_YORK).astimezone(UTC)
    return None


def update_from_wire(raw: object, listed: Mapping[str, str] = _NO_PAIRS) -> TradeUpdate:
    """Return one message of the ``trade_updates`` stream; an execution that cannot be read is left out of it."""
    fields = Fields(PROVIDER, "trade_update", raw)
    event, order = fields.text("event"), order_from_wire(fields.get("order"), listed)
    execution = None
    if event in _EXECUTIONS:
        with contextlib.suppress(MalformedError):
            execution = _execution(fields, order)
    return TradeUpdate(event=event, order=order, execution=execution)


def _execution(fields: Fields, order: BrokerOrder) -> BrokerFill:
    """Return what filled: the message's own price and quantity, for the order tells only sums."""
    return BrokerFill(
        execution_id=_execution_id(fields.text("execution_id", longest=LONGEST_ID)),
        broker_order_id=order.broker_order_id,
        symbol=order.symbol,
        side=order.side,
        quantity=fields.decimal("qty", minimum=SMALLEST_QUANTITY),
        price=fields.decimal("price", minimum=SMALLEST_PRICE),
        executed_at=fields.time("timestamp"),
    )


def _execution_id(said: str) -> str:
    """Return an execution's id: an activity has it behind its time, ``20190524113406977::8efc7b9a-...``."""
    return said.rpartition("::")[2] or said


def _asset(fields: Fields) -> Asset | None:
    symbol = fields.symbol()
    exchange = fields.text("exchange", longest=LONGEST_EXCHANGE)
    name = fields.text("name") if not fields.is_blank("name") else symbol
    if fields.get("class") == "crypto":
        asset_class, wanted = AssetClass.CRYPTO, symbol.endswith("/USD")
    else:
        asset_class = AssetClass.STOCK
        wanted = fields.get("class") == "us_equity" and is_common_stock(symbol, exchange, name)
    if not wanted or fields.get("status") != "active" or not fields.boolean("tradable"):
        return None
    return Asset(
        symbol=symbol,
        name=name,
        asset_class=asset_class,
        exchange=exchange,
        tradable=True,
        fractionable=fields.boolean("fractionable"),
        min_order_size=fields.optional_decimal("min_order_size", minimum=ZERO),
        min_trade_increment=fields.optional_decimal("min_trade_increment", minimum=ZERO),
    )


def _asset_class(fields: Fields) -> AssetClass:
    value = fields.text("asset_class")
    if value == "us_equity":
        return AssetClass.STOCK
    if value == "crypto":
        return AssetClass.CRYPTO
    if value in _OTHER_KINDS:
        raise fields.other_kind("asset_class")
    raise fields.malformed("asset_class")


def _symbol(fields: Fields, listed: Mapping[str, str]) -> str:
    symbol = fields.symbol()
    pair = split_pair(symbol, listed)
    if fields.get("asset_class") == "crypto":
        if pair is None:
            error = fields.malformed("symbol")
            raise UnknownPairError(error.provider, error.operation, error.field, error.value)
        return pair
    if not fields.is_blank("asset_class"):
        return symbol
    # Fills carry no asset class. No stock symbol has six letters, so those are coins; a shorter one is
    # a coin only if the listing says so.
    return pair if pair and (symbol in listed or len(symbol) >= 6) else symbol


def _side(fields: Fields) -> Side:
    value = fields.text("side")
    if value in ("buy", "sell"):
        return Side(value)
    if value == "sell_short":  # how fills call the sale that opens a short
        return Side.SELL
    raise fields.malformed("side")


def _status(fields: Fields, filled: Decimal) -> BrokerOrderStatus:
    word = fields.text("status")
    if word in _ENDED:
        return _ENDED[word]
    if word not in _WORKING:
        raise fields.malformed("status")
    return BrokerOrderStatus.PARTIALLY_FILLED if filled else BrokerOrderStatus.ACCEPTED
