"""A plain HTTP client of the venue."""

import uuid
from typing import Any

import requests

from tests.waiting import wait_until

HEADERS = {"APCA-API-KEY-ID": "key", "APCA-API-SECRET-KEY": "secret"}
STOCK, OTHER_STOCK, COIN = "BRSZ", "BREZ", "BTC/USD"


class Client:
    """Requests with keys and a timeout."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.session = requests.Session()
        self.session.headers.update(HEADERS)

    def send(self, method: str, path: str, **options: Any) -> requests.Response:
        options.setdefault("timeout", 10)
        return self.session.request(method, f"{self.url}{path}", **options)

    def get(self, path: str, **params: Any) -> Any:
        reply = self.send("GET", path, params=params)
        assert reply.status_code == 200, reply.text
        return reply.json()

    def post_order(self, symbol: str = STOCK, side: str = "buy", **fields: Any) -> requests.Response:
        tif = "gtc" if "/" in symbol else "day"
        body = {"symbol": symbol, "side": side, "type": "market", "time_in_force": tif}
        body |= {"client_order_id": str(uuid.uuid4()), **fields}
        if "qty" not in body and "notional" not in body:
            body["qty"] = "1"
        return self.send("POST", "/v2/orders", json=body)

    def order(self, symbol: str = STOCK, side: str = "buy", **fields: Any) -> dict[str, Any]:
        """Post an order that must be taken and return it."""
        reply = self.post_order(symbol, side, **fields)
        assert reply.status_code == 200, reply.text
        return dict(reply.json())

    def wait_for(self, order: dict[str, Any], *statuses: str) -> dict[str, Any]:
        """Wait until the order has one of ``statuses`` and return it."""

        def look() -> dict[str, Any] | None:
            found = self.get(f"/v2/orders/{order['id']}")
            return found if found["status"] in statuses else None

        found = wait_until(look)
        assert found is not None
        return found

    def filled(self, symbol: str = STOCK, side: str = "buy", **fields: Any) -> dict[str, Any]:
        """Post an order and wait until it is filled."""
        return self.wait_for(self.order(symbol, side, **fields), "filled")

    def position(self, symbol: str) -> dict[str, Any] | None:
        wanted = symbol.replace("/", "")
        return next((p for p in self.get("/v2/positions") if p["symbol"] == wanted), None)
