"""The venue as a test sees it: its requests since the test began, orders of strangers, the truth."""

import re
from decimal import Decimal
from typing import Any

from tests.venue_process import VenueProcess
from tests.waiting import wait_until

STOCK, OTHER_STOCK, WHOLE_STOCK, COIN = "ALSQ", "BRSZ", "COEQ", "BTC/USD"
ORDERS = "POST /v2/orders"
PROTECTS = re.compile("-(stop_loss|take_profit)-")
LOOK_UP = "GET /v2/orders:by_client_order_id"


class Outside:
    """A venue that begins anew: cash at the replay's first minute, and nothing of the tests before."""

    def __init__(self, venue: VenueProcess) -> None:
        self.venue = venue
        venue.request("POST", "/venue/reset", {"rewind": True})  # its log of requests begins anew, too

    def sell_everything(self) -> None:
        """Cancel every order and sell every position, as a stranger."""
        self.venue.request("DELETE", "/v2/orders")
        held = self.positions()
        for symbol, quantity in held.items():
            self.place(symbol, quantity, side="sell")
        if held:
            wait_until(lambda: not self.positions(), what="the venue's positions are sold")

    def positions(self) -> dict[str, Decimal]:
        """Return what the venue holds, base units by symbol."""
        told: dict[str, str] = self.venue.state_report()["positions"]
        return {symbol: Decimal(quantity) for symbol, quantity in told.items()}

    def place(self, symbol: str, quantity: Decimal | str, *, side: str = "buy", **more: str) -> str:
        """Place a stranger's order; return its broker_order_id."""
        body = {"symbol": symbol, "qty": str(quantity), "side": side, "type": "market"}
        body["time_in_force"] = "gtc" if "/" in symbol else "day"
        return str(self.venue.request("POST", "/v2/orders", body | more)["id"])

    def hold(self, symbol: str, quantity: Decimal | str) -> None:
        """Have the account hold a position, bought by a stranger."""
        self.place(symbol, quantity)
        wait_until(lambda: symbol in self.positions(), what=f"the venue holds {symbol}")

    def fill_never(self, **more: Any) -> None:
        """Let new orders rest unfilled."""
        self.venue.fault(kind="fill_delay", **more)

    def order(self, client_order_id: str) -> dict[str, Any]:
        """Return the venue's own view of an order."""
        path = f"/v2/orders:by_client_order_id?client_order_id={client_order_id}"
        return dict(self.venue.get(path))

    def is_open(self, client_order_id: str) -> bool:
        """Whether the venue still works an order; it may not have acknowledged it yet."""
        return self.order(client_order_id)["status"] in ("pending_new", "new")

    def wait_filled(self, client_order_id: str) -> dict[str, Any]:
        """Wait until the venue has filled an order."""
        wait_until(lambda: self.order(client_order_id)["status"] == "filled", what="the order is filled")
        return self.order(client_order_id)

    def posts(self, client_order_id: str | None = None) -> list[dict[str, Any]]:
        """Return our requests to post an order since the test began; a stranger's carry no id.

        Not those that a sweeper beside the test makes to protect what is held.
        """
        found = [r for r in self.requests() if (r["method"], r["path"]) == ("POST", "/v2/orders")]
        ours = [r for r in found if r["client_order_id"] and not PROTECTS.search(r["client_order_id"])]
        return [r for r in ours if client_order_id in (None, r["client_order_id"])]

    def requests(self) -> list[dict[str, Any]]:
        """Return all requests since the test began."""
        return self.venue.requests()
