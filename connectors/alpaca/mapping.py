"""From Alpaca's trading answers to our value types; pure functions.

Each raises ``UnavailableError`` naming the field it could not read: a position or an order that cannot be
understood must stop its reader, not be left out. What stops trading reads row by row instead, and
names what it could not read (``unreadable_row``): one odd row must not keep all others from being cancelled or sold.
"""

from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType

from connectors.alpaca.symbols import is_common_stock, split_pair
from connectors.base import (
    Account,
    Asset,
    AssetClass,
    BrokerFill,
    BrokerOrder,
    BrokerOrderStatus,
    BrokerPosition,
    MarketClock,
    Side,
    TradeUpdate,
    UnreadableRow,
)
from connectors.errors import UnavailableError
from connectors.transport import cut
from connectors.wire import Fields, objects

PROVIDER = "alpaca"
ZERO = Decimal(0)

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


class UnknownPairError(UnavailableError):
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


def clock_from_wire(raw: object) -> MarketClock:
    """Return the clock of GET /v2/clock."""
    fields = Fields(PROVIDER, "clock", raw)
    return MarketClock(
        now=fields.time("timestamp"),
        is_open=fields.boolean("is_open"),
        next_open=fields.time("next_open"),
        next_close=fields.time("next_close"),
    )


def assets_from_wire(raw: object) -> list[Asset]:
    """Return the active common stocks and USD-quoted coins of GET /v2/assets."""
    assets = []
    for fields in objects(PROVIDER, "asset", raw):
        asset = _asset(fields)
        if asset is not None:
            assets.append(asset)
    return assets


def pairs_from_wire(raw: object) -> dict[str, str]:
    """Return joined → pair for every listed coin pair, whatever its quote currency."""
    symbols = [fields.text("symbol") for fields in objects(PROVIDER, "asset", raw)]
    return {symbol.replace("/", ""): symbol for symbol in symbols if "/" in symbol}


def position_from_wire(fields: Fields, listed: Mapping[str, str] = _NO_PAIRS) -> BrokerPosition:
    """Return one position; a short one has a negative quantity.

    Args:
        listed: joined → pair, for coins whose quote currency is not known.

    Raises:
        UnknownPairError: ``listed`` does not have such a coin.
        UnavailableError: another field could not be read.
    """
    sign = {"long": 1, "short": -1}.get(fields.text("side"))
    if sign is None:
        raise fields.malformed("side")
    quantity = abs(fields.decimal("qty"))
    available = fields.optional_decimal("qty_available")
    return BrokerPosition(
        symbol=_symbol(fields, listed),
        asset_class=_asset_class(fields),
        quantity=sign * quantity,
        quantity_available=sign * (quantity if available is None else abs(available)),
        average_entry_price=fields.decimal("avg_entry_price", minimum=ZERO),
        market_value=fields.decimal("market_value"),
        current_price=fields.optional_decimal("current_price"),
    )


def order_from_wire(raw: object, listed: Mapping[str, str] = _NO_PAIRS) -> BrokerOrder:
    """Return one order of GET or POST /v2/orders, or of the stream."""
    return order_from_fields(Fields(PROVIDER, "order", raw), listed)


def order_from_fields(fields: Fields, listed: Mapping[str, str] = _NO_PAIRS) -> BrokerOrder:
    """Return one order of a list that was taken apart already."""
    filled = fields.decimal("filled_qty", minimum=ZERO)
    submitted_at = fields.optional_time("submitted_at") or fields.time("created_at")
    return BrokerOrder(
        broker_order_id=fields.text("id"),
        client_order_id=fields.text("client_order_id"),
        symbol=_symbol(fields, listed),
        side=_side(fields),
        status=_status(fields, filled),
        status_detail=fields.text("status"),
        quantity=fields.optional_decimal("qty", minimum=ZERO),
        filled_quantity=filled,
        average_price=fields.optional_decimal("filled_avg_price", minimum=ZERO) if filled else None,
        submitted_at=submitted_at,
        updated_at=fields.optional_time("updated_at") or submitted_at,
        filled_at=fields.optional_time("filled_at"),
    )


def unreadable_row(raw: object, detail: str) -> UnreadableRow:
    """Return what can be said of a row that could not be understood."""
    row = raw if isinstance(raw, dict) else {}

    def word(name: str) -> str:
        value = row.get(name)
        return cut(value) if isinstance(value, str) else ""

    return UnreadableRow(detail, symbol=word("symbol"), broker_order_id=word("id"), side=word("side"))


def fill_from_wire(fields: Fields, listed: Mapping[str, str] = _NO_PAIRS) -> BrokerFill:
    """Return one execution of GET /v2/account/activities/FILL."""
    return BrokerFill(
        execution_id=fields.text("id"),
        broker_order_id=fields.text("order_id"),
        symbol=_symbol(fields, listed),
        side=_side(fields),
        quantity=fields.decimal("qty", minimum=ZERO),
        price=fields.decimal("price", minimum=ZERO),
        executed_at=fields.time("transaction_time"),
    )


def update_from_wire(raw: object, listed: Mapping[str, str] = _NO_PAIRS) -> TradeUpdate:
    """Return one message of the ``trade_updates`` stream."""
    fields = Fields(PROVIDER, "trade_update", raw)
    return TradeUpdate(event=fields.text("event"), order=order_from_wire(fields.get("order"), listed))


def _asset(fields: Fields) -> Asset | None:
    symbol, exchange = fields.text("symbol"), fields.text("exchange")
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
    raise fields.malformed("asset_class")


def _symbol(fields: Fields, listed: Mapping[str, str]) -> str:
    symbol = fields.text("symbol")
    pair = split_pair(symbol, listed)
    if fields.get("asset_class") == "crypto":
        if pair is None:
            error = fields.malformed("symbol")
            raise UnknownPairError(error.provider, error.operation, error.detail)
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
