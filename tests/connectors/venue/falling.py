"""Stocks whose days are known: quiet, then a rise, then a night in which they fall by a quarter."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alpaca.trading.client import TradingClient
from alpaca.trading.enums import OrderSide, TimeInForce
from alpaca.trading.models import Order
from alpaca.trading.requests import GetOrderByIdRequest

from tests.connectors.venue.client import Client
from tests.connectors.venue.tiny import COIN_HEADER, STOCK_HEADER, write_csv
from tests.venue_process import VenueProcess
from tests.waiting import wait_until

# day: open, high, low, close
DAYS = {
    "2020-10-13": (100, 102, 98, 100),
    "2020-10-14": (100, 102, 98, 100),
    "2020-10-15": (100, 102, 98, 100),
    "2020-10-16": (100, 112, 99, 110),
    "2020-10-19": (80, 82, 79, 81),
    "2020-10-20": (81, 83, 80, 82),
}
BUY, SELL, DAY, GTC = OrderSide.BUY, OrderSide.SELL, TimeInForce.DAY, TimeInForce.GTC
NESTED = GetOrderByIdRequest(nested=True)


def falling_world(folder: Path) -> Path:
    """Write AAA and CCC, which fall alike, a calm BBB, and a coin that keeps between 9,900 and 10,200."""
    stocks = []
    for day, prices in DAYS.items():
        written = ",".join(map(str, prices))
        stocks += [f"{name},{day},{written},{prices[3]},1000000,0,1" for name in ("AAA", "CCC")]
        stocks.append(f"BBB,{day},50,51,49,50,50,1000000,0,1")
    write_csv(folder, "s.csv", STOCK_HEADER, stocks)
    coins = [f"BTC/USD,2020-10-{day},10000,10200,9900,10100,101000000" for day in range(12, 21)]
    write_csv(folder, "c.csv", COIN_HEADER, coins)
    return folder


class Desk(Client):
    """The real SDK and a plain client on one venue, whose clock stands until it is moved."""

    def __init__(self, venue: VenueProcess) -> None:
        super().__init__(venue.url)
        self.venue = venue
        self.sdk = TradingClient("key", "secret", url_override=venue.url)

    def look(self, order: Order | dict[str, Any]) -> Order:
        order_id = str(order["id"] if isinstance(order, dict) else order.id)
        found = self.sdk.get_order_by_id(order_id, NESTED)
        assert isinstance(found, Order)
        return found

    def status(self, order: Order | dict[str, Any]) -> str:
        return self.look(order).status.value

    def until(self, order: Order | dict[str, Any], *statuses: str) -> Order:
        """Wait until the order has one of ``statuses`` and return it."""
        found = wait_until(lambda: one if (one := self.look(order)).status.value in statuses else None)
        assert found is not None
        return found

    def post(self, symbol: str = "AAA", side: str = "buy", **fields: Any) -> Order:
        """Post an order that must be taken, and wait until it works or is filled."""
        taken = self.order(symbol, side, **fields)
        return self.until(taken, "new", "filled", "accepted")

    def refusal(self, symbol: str = "AAA", side: str = "buy", **fields: Any) -> dict[str, Any]:
        """Post an order that must be refused; return the body, with the status."""
        reply = self.post_order(symbol, side, **fields)
        assert reply.status_code != 200, reply.text
        return {"status": reply.status_code, **reply.json()}

    def replace(self, order: Order, **fields: Any) -> Order:
        """Replace an order and wait until the new one is in its place."""
        reply = self.send("PATCH", f"/v2/orders/{order.id}", json=fields)
        assert reply.status_code == 200, reply.text
        return self.until(reply.json(), "new", "held")

    def bracket(self, target: str = "120", stop: str = "95", symbol: str = "AAA", **fields: Any) -> Order:
        """Buy with both exits, and wait until the entry has filled, or works."""
        levels = {"take_profit": {"limit_price": target}, "stop_loss": {"stop_price": stop}}
        asked = {"qty": "4", "time_in_force": "gtc", "order_class": "bracket", **levels, **fields}
        return self.until(self.order(symbol, **asked), "filled", "new")


def take_profit(order: Order) -> Order:
    """Return a bracket's take-profit."""
    return leg(order, "limit")


def stop_loss(order: Order) -> Order:
    """Return a group's stop-loss."""
    return leg(order, "stop", "stop_limit")


def leg(order: Order, *types: str) -> Order:
    """Return the nested order of one of ``types``."""
    return next(one for one in order.legs or [] if one.type is not None and one.type.value in types)


@contextmanager
def falling(folder: Path, *, is_measured: bool = False, **options: Any) -> Iterator[Desk]:
    """Start a venue on the falling stock, its clock standing at 2020-10-15 09:31 New York; see ``VenueProcess``."""
    folder.mkdir(exist_ok=True)
    data = falling_world(folder / "data")
    chosen = {"start": "2020-10-15T09:31", "slippage_bps": 0, "fill_latency": 0, "speed": 0.001, **options}
    with VenueProcess(data, is_forked=not is_measured, is_measured=is_measured, **chosen) as venue:
        venue.clock(paused=True)
        yield Desk(venue)
