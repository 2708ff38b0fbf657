"""The account behind Alpaca's trading addresses, as their documents show its answers: orders, fills, positions."""

import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

STOCKS = {
    "AAPL": "231.59",
    "AMZN": "226.63",
    "GOOG": "178.88",
    "MSFT": "422.99",
    "NVDA": "138.85",
    "SPY": "597.19",
}
COINS = {"BTC/USD": "64000.5", "ETH/USD": "3120.25"}
PRICES = {symbol: Decimal(price) for symbol, price in {**STOCKS, **COINS}.items()}
ACCOUNT_ID = "e6fe16f3-64a4-4921-8928-cadf02f92f98"
CASH = Decimal(100_000)
OPEN = ("new", "accepted", "pending_new", "partially_filled")


def stamp(moment: datetime | None = None) -> str:
    """Return a time as Alpaca writes it."""
    return (moment or datetime.now(UTC)).isoformat().replace("+00:00", "Z")


def compact(symbol: str) -> str:
    """Return a symbol as positions write it."""
    return symbol.replace("/", "")


def asset_class(symbol: str) -> str:
    """Return the class of a symbol."""
    return "crypto" if symbol in COINS else "us_equity"


@dataclass(slots=True)
class Account:
    """Orders by id; a position is the sum of an account's fills."""

    orders: dict[str, dict[str, Any]] = field(default_factory=dict)
    fills: list[dict[str, Any]] = field(default_factory=list)

    def account(self) -> dict[str, Any]:
        """Return GET /v2/account."""
        held = sum((q * PRICES[s] for s, q in self.held().items()), Decimal(0))
        spent = sum((self._value(fill) for fill in self.fills), Decimal(0))
        return {
            "id": ACCOUNT_ID,
            "account_number": "PA3717PJAYWN",
            "status": "ACTIVE",
            "crypto_status": "ACTIVE",
            "currency": "USD",
            "cash": str(CASH - spent),
            "equity": str(CASH - spent + held),
            "last_equity": str(CASH),
            "buying_power": str(CASH - spent),
            "trading_blocked": False,
            "transfers_blocked": False,
            "account_blocked": False,
            "trade_suspended_by_user": False,
            "shorting_enabled": False,
            "maintenance_margin": "0",
            "multiplier": "1",
        }

    def clock(self) -> dict[str, Any]:
        """Return GET /v2/clock: the session is open."""
        now = datetime.now(UTC)
        times = {"next_open": stamp(now + timedelta(hours=20)), "next_close": stamp(now + timedelta(hours=3))}
        return {"timestamp": stamp(now), "is_open": True, **times}

    def assets(self, query: dict[str, str]) -> list[dict[str, Any]]:
        """Return GET /v2/assets."""
        wanted = query.get("asset_class", "us_equity")
        return [self.asset(symbol) for symbol in PRICES if asset_class(symbol) == wanted]

    def asset(self, symbol: str) -> dict[str, Any]:
        """Return one asset."""
        is_coin = symbol in COINS
        limits = {"min_order_size": "0.0001", "min_trade_increment": "0.000000001", "price_increment": "0.5"}
        return {
            "id": str(uuid.uuid5(uuid.NAMESPACE_DNS, symbol)),
            "class": asset_class(symbol),
            "exchange": "CRYPTO" if is_coin else "NASDAQ",
            "symbol": symbol,
            "name": f"{symbol} / US Dollar" if is_coin else f"{symbol} Inc. Common Stock",
            "status": "active",
            "tradable": True,
            "marginable": not is_coin,
            "shortable": not is_coin,
            "easy_to_borrow": not is_coin,
            "fractionable": True,
            **(limits if is_coin else {}),
        }

    def held(self) -> dict[str, Decimal]:
        """Return what is held, in base units by symbol."""
        found: dict[str, Decimal] = {}
        for fill in self.fills:
            sign = 1 if fill["side"] == "buy" else -1
            found[fill["symbol"]] = found.get(fill["symbol"], Decimal(0)) + sign * Decimal(fill["qty"])
        return {symbol: quantity for symbol, quantity in found.items() if quantity}

    def positions(self) -> list[dict[str, Any]]:
        """Return GET /v2/positions."""
        return [self.position(symbol, quantity) for symbol, quantity in self.held().items()]

    def position(self, symbol: str, quantity: Decimal) -> dict[str, Any]:
        """Return one position."""
        price = PRICES[symbol]
        return {
            "asset_id": str(uuid.uuid5(uuid.NAMESPACE_DNS, symbol)),
            "symbol": compact(symbol),
            "exchange": "CRYPTO" if symbol in COINS else "NASDAQ",
            "asset_class": asset_class(symbol),
            "avg_entry_price": str(price),
            "qty": str(quantity),
            "qty_available": str(quantity),
            "side": "long",
            "market_value": str(quantity * price),
            "cost_basis": str(quantity * price),
            "unrealized_pl": "0",
            "current_price": str(price),
            "lastday_price": str(price),
            "change_today": "0",
        }

    def take(self, body: dict[str, Any]) -> dict[str, Any]:
        """Take an order; return it as it is answered."""
        now = stamp()
        order = {
            "id": str(uuid.uuid4()),
            "client_order_id": body.get("client_order_id") or str(uuid.uuid4()),
            "created_at": now,
            "updated_at": now,
            "submitted_at": now,
            "filled_at": None,
            "expired_at": None,
            "canceled_at": None,
            "failed_at": None,
            "replaced_at": None,
            "replaced_by": None,
            "replaces": None,
            "asset_id": str(uuid.uuid5(uuid.NAMESPACE_DNS, body["symbol"])),
            "symbol": body["symbol"],
            "asset_class": asset_class(body["symbol"]),
            "notional": body.get("notional"),
            "qty": body.get("qty"),
            "filled_qty": "0",
            "filled_avg_price": None,
            "order_class": "",
            "order_type": body["type"],
            "type": body["type"],
            "side": body["side"],
            "time_in_force": body["time_in_force"],
            "limit_price": body.get("limit_price"),
            "stop_price": body.get("stop_price"),
            "status": "pending_new",
            "extended_hours": False,
            "legs": None,
            "trail_percent": None,
            "trail_price": None,
            "hwm": None,
        }
        self.orders[order["id"]] = order
        return dict(order)

    def rest(self, order_id: str) -> dict[str, Any]:
        """Let an order wait for its price; return it as it is answered."""
        self.orders[order_id]["status"] = "new"
        return dict(self.orders[order_id])

    def fill(self, order_id: str) -> dict[str, Any] | None:
        """Fill an order that is open; return the update of the stream."""
        order = self.orders[order_id]
        if order["status"] not in OPEN:
            return None
        price, now = str(PRICES[order["symbol"]]), stamp()
        order |= {"status": "filled", "filled_qty": order["qty"], "filled_avg_price": price}
        order |= {"filled_at": now, "updated_at": now}
        execution = str(uuid.uuid4())
        self.fills.append(
            {
                "id": f"{datetime.now(UTC):%Y%m%d%H%M%S%f}::{execution}",
                "activity_type": "FILL",
                "transaction_time": now,
                "type": "fill",
                "price": price,
                "qty": order["qty"],
                "side": order["side"],
                "symbol": order["symbol"],
                "leaves_qty": "0",
                "cum_qty": order["qty"],
                "order_id": order_id,
                "order_status": "filled",
            }
        )
        figures = {"price": price, "qty": order["qty"], "timestamp": now, "position_qty": order["qty"]}
        return {"event": "fill", "execution_id": execution, "order": dict(order), **figures}

    def listed(self, query: dict[str, str]) -> list[dict[str, Any]]:
        """Return GET /v2/orders."""
        wanted = query.get("status", "open")
        found = [
            o for o in self.orders.values() if wanted == "all" or (o["status"] in OPEN) == (wanted == "open")
        ]
        if "after" in query:
            after = datetime.fromisoformat(query["after"])
            found = [o for o in found if datetime.fromisoformat(o["submitted_at"]) > after]
        found.sort(key=lambda o: o["submitted_at"], reverse=query.get("direction", "desc") == "desc")
        return found[: int(query.get("limit", 50))]

    def by_client_order_id(self, client_order_id: str) -> dict[str, Any] | None:
        """Return the order, None where there is none."""
        return next((o for o in self.orders.values() if o["client_order_id"] == client_order_id), None)

    def _value(self, fill: dict[str, Any]) -> Decimal:
        sign = 1 if fill["side"] == "buy" else -1
        return sign * Decimal(fill["qty"]) * Decimal(fill["price"])
