"""Answers in the shapes that the providers were recorded with."""

from typing import Any

ORDER_ID = "61e69015-8549-4bfd-b9c3-01e75843f47d"


def order(**overrides: Any) -> dict[str, Any]:
    return {
        "id": ORDER_ID,
        "client_order_id": "decision-1-entry-1",
        "created_at": "2021-03-16T18:38:01.942282451Z",
        "updated_at": "2021-03-16T18:38:01.942282999Z",
        "submitted_at": "2021-03-16T18:38:01.937734123Z",
        "filled_at": None,
        "expired_at": None,
        "canceled_at": None,
        "failed_at": None,
        "asset_id": "b0b6dd9d-8b9b-48a9-ba46-b9d54906e415",
        "symbol": "AAPL",
        "asset_class": "us_equity",
        "notional": None,
        "qty": "15",
        "filled_qty": "0",
        "filled_avg_price": None,
        "order_class": "",
        "type": "market",
        "side": "buy",
        "time_in_force": "day",
        "status": "accepted",
        "extended_hours": False,
        "legs": None,
    } | overrides


def account(**overrides: Any) -> dict[str, Any]:
    return {
        "id": "e6fe16f3-64a4-4921-8928-cadf02f92f98",
        "account_number": "PA3QXGJ1V5W9",
        "status": "ACTIVE",
        "currency": "USD",
        "cash": "99000.5",
        "equity": "100250.25",
        "last_equity": "100000",
        "buying_power": "199000.5",
        "trading_blocked": False,
        "account_blocked": False,
        "trade_suspended_by_user": False,
    } | overrides


def clock(**overrides: Any) -> dict[str, Any]:
    return {
        "timestamp": "2020-10-15T10:00:00.123456789-04:00",
        "is_open": True,
        "next_open": "2020-10-16T09:30:00-04:00",
        "next_close": "2020-10-15T16:00:00-04:00",
    } | overrides


CALENDAR = [
    {"date": "2020-11-25", "open": "09:30", "close": "16:00", "session_open": "0400"},
    {"date": "2020-11-27", "open": "09:30", "close": "13:00", "session_open": "0400"},
]


def asset(**overrides: Any) -> dict[str, Any]:
    return {
        "id": "b0b6dd9d-8b9b-48a9-ba46-b9d54906e415",
        "class": "us_equity",
        "exchange": "NASDAQ",
        "symbol": "AAPL",
        "name": "Apple Inc. Common Stock",
        "status": "active",
        "tradable": True,
        "fractionable": True,
    } | overrides


def coin_asset(symbol: str = "BTC/USD", **overrides: Any) -> dict[str, Any]:
    return (
        asset(
            **{"class": "crypto"},
            symbol=symbol,
            exchange="CRYPTO",
            name="Bitcoin / US Dollar",
            min_order_size="0.0001",
            min_trade_increment="0.000000001",
        )
        | overrides
    )


def position(**overrides: Any) -> dict[str, Any]:
    return {
        "asset_id": "64bbff51-59d6-4b3c-9351-13ad85e3c752",
        "symbol": "BTCUSD",
        "exchange": "CRYPTO",
        "asset_class": "crypto",
        "avg_entry_price": "11500.25",
        "qty": "0.123456789",
        "qty_available": "0.1",
        "side": "long",
        "market_value": "1419.78",
        "current_price": "11500.3",
    } | overrides


def fill(**overrides: Any) -> dict[str, Any]:
    return {
        "id": "20201015140000123::8efc7b9a-8b2b-4000-9955-d36e7db0df74",
        "activity_type": "FILL",
        "transaction_time": "2020-10-15T14:00:00.123Z",
        "type": "fill",
        "price": "120.71",
        "qty": "15",
        "side": "buy",
        "symbol": "AAPL",
        "leaves_qty": "0",
        "order_id": ORDER_ID,
        "cum_qty": "15",
        "order_status": "filled",
    } | overrides


def dividend(**overrides: Any) -> dict[str, Any]:
    return {
        "id": "20201015094500123::5f596936-6f23-4cef-bdf1-3806aae57dbf",
        "activity_type": "DIV",
        "date": "2020-10-15",
        "net_amount": "10.25",
        "symbol": "AAPL",
        "qty": "12.5",
        "per_share_amount": "0.82",
        "status": "executed",
    } | overrides


def snapshot(**overrides: Any) -> dict[str, Any]:
    return {
        "latestTrade": {"t": "2020-10-15T14:00:30.123456789Z", "p": 120.71, "s": 100, "x": "V"},
        "latestQuote": {"t": "2020-10-15T14:00:30Z", "bp": 120.7, "ap": 120.72},
        "minuteBar": {"t": "2020-10-15T14:00:00Z", "o": 120.5, "h": 121, "l": 120.4, "c": 120.6, "v": 900},
        "dailyBar": {
            "t": "2020-10-15T04:00:00Z",
            "o": 118.7,
            "h": 121.2,
            "l": 118.1,
            "c": 120.7,
            "v": 112559,
        },
        "prevDailyBar": {"t": "2020-10-14T04:00:00Z", "o": 121, "h": 123, "l": 119.6, "c": 121.19, "v": 1},
    } | overrides


def bar(day: str, close: float = 101.5, **overrides: Any) -> dict[str, Any]:
    return {
        "t": f"{day}T04:00:00Z",
        "o": 100,
        "h": 102,
        "l": 99.5,
        "c": close,
        "v": 12345,
        "n": 7,
    } | overrides


def news(**overrides: Any) -> dict[str, Any]:
    return {
        "id": 24843171,
        "headline": "Apple&#39;s quarter beats estimates",
        "author": "Someone",
        "created_at": "2020-10-15T13:00:00Z",
        "updated_at": "2020-10-15T13:00:01Z",
        "summary": "Sales grew &amp; so on.",
        "content": "",
        "url": "https://example.com/a",
        "images": [],
        "symbols": ["AAPL", "BTCUSD"],
        "source": "benzinga",
    } | overrides


def finnhub_quote(**overrides: Any) -> dict[str, Any]:
    return {
        "c": 261.74,
        "d": 2.29,
        "dp": 0.9,
        "h": 263.3,
        "l": 260.7,
        "o": 261,
        "pc": 259.45,
        "t": 1602770400,
    } | overrides


def finnhub_news(**overrides: Any) -> dict[str, Any]:
    return {
        "category": "company",
        "datetime": 1602770400,
        "headline": "More sales",
        "id": 25286,
        "image": "",
        "related": "AAPL",
        "source": "Wire",
        "summary": "More.",
        "url": "https://example.com/b",
    } | overrides


COINGECKO_PRICES = {
    "bitcoin": {"usd": 11512.123456789, "last_updated_at": 1602770400},
    "ethereum": {"usd": 377.5, "last_updated_at": 1602770395},
}


def trade_update(event: str = "fill", **order_overrides: Any) -> dict[str, Any]:
    filled = {"status": "filled", "filled_qty": "15", "filled_avg_price": "120.71"}
    return {
        "stream": "trade_updates",
        "data": {
            "event": event,
            "execution_id": "2f63ea93-423d-4169-b3f6-3fdafc10c418",
            "price": "120.71",
            "qty": "15",
            "timestamp": "2020-10-15T14:00:00.123456789Z",
            "order": order(**(filled | order_overrides)),
        },
    }
