"""Alpaca's paper account as a ``Broker``, on alpaca-py's TradingClient."""

import contextlib
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

from alpaca.trading.client import TradingClient
from alpaca.trading.enums import AssetClass as WireAssetClass
from alpaca.trading.enums import AssetStatus
from alpaca.trading.requests import GetAssetsRequest

from connectors.alpaca import bodies, mapping, pages
from connectors.alpaca.addresses import PAPER_URL, require_paper_address
from connectors.alpaca.mapping import UnknownPairError
from connectors.alpaca.stream import TradeUpdateListener
from connectors.base import (
    Account,
    Asset,
    BrokerActivity,
    BrokerFill,
    BrokerOrder,
    BrokerPosition,
    Holdings,
    MarketClock,
    OpenOrders,
    OrderRequest,
    TradeUpdate,
)
from connectors.calls import MALFORMED, malformed_detail, read
from connectors.departure import departing
from connectors.errors import (
    ConnectorError,
    DuplicateOrderError,
    OutcomeUnknownError,
    RejectedError,
    UnavailableError,
)
from connectors.lists import read_rows, refuse_if_most
from connectors.redaction import register_secret
from connectors.rows import Rows, UnreadableRow
from connectors.throttle.base import Priority, Throttle
from connectors.transport import BoundedSession, SendError, StatusError
from connectors.wire import Fields

T = TypeVar("T")

_NOTHING = object()
_ORDER_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


class AlpacaBroker:
    """The paper account behind one pair of keys; safe for the threads of a worker.

    Args:
        trading_url: what ``require_paper_address`` accepts; checked here once more.
        connect_timeout_seconds: to reach the broker; the TLS handshake gets as much again.
        total_timeout_seconds: for a whole request, dripping replies and the wait for a slot included.
        throttle: the rate limit and breaker of this account's requests.
        is_switchs: what it asks and posts is the kill switch's: no limit of ours holds it back.

    Raises:
        ConfigurationError: the address is not a paper account's.
    """

    name = "alpaca"

    def __init__(
        self,
        api_key: str,
        secret_key: str,
        trading_url: str,
        *,
        connect_timeout_seconds: float = 3,
        total_timeout_seconds: float = 10,
        throttle: Throttle | None = None,
        is_switchs: bool = False,
    ) -> None:
        self._url = require_paper_address(trading_url)
        register_secret(api_key)
        register_secret(secret_key)
        # Raw answers: the SDK's models turn quantities into floats on some paths (docs/lessons.md#lesson-39).
        self._client = TradingClient(api_key, secret_key, raw_data=True, url_override=self._url)
        self._client._retry = 0  # the SDK would repeat an order after 429 and 504, blindly
        self._client._session = BoundedSession(
            self._url,
            connect_timeout_seconds=connect_timeout_seconds,
            total_timeout_seconds=total_timeout_seconds,
            throttle=throttle,
            priority=_switchs if is_switchs else _priority,
        )
        self._listener = TradeUpdateListener(api_key, secret_key, self._url)
        self._pairs: dict[str, str] = {}

    def account(self) -> Account:
        """Return the account's money and standing."""
        return mapping.account_from_wire(self._read("account", self._client.get_account))

    def clock(self) -> MarketClock:
        """Return market time and the stock session's state."""
        raw = self._read("clock", self._client.get_clock)
        return mapping.clock_from_wire(raw, may_run_at_its_own_rate=self._url != PAPER_URL)

    def assets(self) -> Rows[Asset]:
        """Return the active common stocks and USD-quoted coins, and the rows that cannot be understood."""
        stocks = mapping.assets_from_wire(self._listing(WireAssetClass.US_EQUITY))
        coins = mapping.assets_from_wire(self._listing(WireAssetClass.CRYPTO))
        found = Rows([*stocks, *coins], (*stocks.unreadable, *coins.unreadable))
        refuse_if_most(self.name, "assets", found.unreadable, len(found))
        return found

    def positions(self) -> Rows[BrokerPosition]:
        """Return all open positions that can be understood, and the rows that cannot.

        A position whose value is not known is among both.
        """
        found = self._holdings()
        refuse_if_most(self.name, "position", found.unreadable, len(found))
        return found

    def position(self, symbol: str) -> BrokerPosition | None:
        """Return what is held of one symbol, or None when the broker says that nothing is."""
        path = f"/positions/{quote(symbol.replace('/', ''), safe='')}"
        raw = self._find("position", lambda: self._client.get(path))
        if raw is _NOTHING:
            return None
        return self._with_pairs(
            lambda: mapping.position_from_wire(Fields(self.name, "position", raw), self._pairs)
        )

    def holdings(self) -> Holdings:
        """Return the same, whatever else is listed: what stops trading sells what it can name."""
        found = self._holdings()
        return Holdings(tuple(found), found.unreadable)

    def open_orders(self) -> OpenOrders:
        """Return the newest 500 open orders that can be understood, and the rows that cannot."""
        query = {"status": "open", "limit": pages.ORDERS_PER_PAGE, "direction": "desc"}
        found = self._each("order", self._get("orders", "/orders", query), mapping.order_from_fields)
        return OpenOrders(tuple(found), found.unreadable)

    def submit_order(self, request: OrderRequest, *, permit: Callable[[], None] | None = None) -> BrokerOrder:
        """Post one order, with the legs of its class, once, within the total timeout.

        Args:
            permit: called once, when the connection stands, right before the first byte leaves.

        Raises:
            Exception: what ``permit`` raises; nothing was sent.
            UnavailableError: no connection could be made, or 429: provably not taken.
            DuplicateOrderError: the broker has this ``client_order_id`` already.
            RejectedError: any other 4xx but 408.
            OutcomeUnknownError: anything that went wrong once bytes may have left.
            ValueError: the quantity is not positive.
        """
        if not (request.quantity.is_finite() and request.quantity > 0):
            raise ValueError(f"quantity must be positive, was {request.quantity}")

        def post() -> Any:
            with departing(permit):
                return self._client.post("/orders", bodies.order_body(request))

        return self._taken("submit_order", request.client_order_id, post)

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
            UnavailableError, DuplicateOrderError, RejectedError, OutcomeUnknownError: as ``submit_order``.
        """
        path = _order_path("replace_order", broker_order_id)
        body = bodies.replacement_body(
            client_order_id=client_order_id, stop_price=stop_price, limit_price=limit_price
        )
        return self._taken("replace_order", client_order_id, lambda: self._client.patch(path, body))

    def _taken(self, operation: str, client_order_id: str, send: Callable[[], Any]) -> BrokerOrder:
        """Send what makes an order, once; return the order, which must have the name it was given."""
        try:
            order = mapping.order_from_wire(send(), self._pairs)
        except SendError as exc:
            error = _unsent(operation, exc)
        except StatusError as exc:
            error = _refused(operation, exc)
        except UnavailableError as exc:  # taken, and answered in words we cannot read
            error = OutcomeUnknownError(self.name, operation, exc.detail)
        except MALFORMED as exc:
            error = OutcomeUnknownError(self.name, operation, malformed_detail(exc))
        else:
            if order.client_order_id == client_order_id:
                return order
            error = OutcomeUnknownError(
                self.name, operation, f"answered with another order: {order.client_order_id}"
            )
        raise error

    def order_by_client_order_id(self, client_order_id: str) -> BrokerOrder | None:
        """Return the order, or None when the broker says there is none."""
        return self._find_order(
            "order_by_client_order_id", lambda: self._client.get_order_by_client_id(client_order_id)
        )

    def order(self, broker_order_id: str) -> BrokerOrder | None:
        """Return the order with its legs, or None when the broker says there is none."""
        path = _order_path("order", broker_order_id)
        return self._find_order("order", lambda: self._client.get(path, {"nested": "true"}))

    def orders(self, *, open_only: bool, after: datetime | None = None) -> Rows[BrokerOrder]:
        """Return orders, oldest first, all pages, and the rows that cannot be understood.

        Args:
            after: exclusive bound on the submission time; the broker's, so to the nanosecond.

        Raises:
            UnavailableError: also when there are more than 100,000.
        """
        found: dict[str, BrokerOrder] = {}
        odd: list[UnreadableRow] = []
        for page in pages.order_pages(self._get, "open" if open_only else "all", after):
            rows = self._each("order", page, mapping.order_from_fields)
            found |= {order.broker_order_id: order for order in rows}
            odd += rows.unreadable
        unreadable = pages.once(odd)
        refuse_if_most(self.name, "orders", unreadable, len(found))
        return Rows(sorted(found.values(), key=lambda order: order.submitted_at), unreadable)

    def cancel_order(self, broker_order_id: str) -> None:
        """Ask for a cancel; the order's own status tells whether it came in time.

        Raises:
            RejectedError: unknown (404), or no longer cancelable (422).
        """
        path = _order_path("cancel_order", broker_order_id)
        self._read("cancel_order", lambda: self._client.delete(path))

    def fills(self, *, after: datetime | None = None) -> Rows[BrokerFill]:
        """Return executions since ``after`` (exclusive), oldest first, all pages, and the rows that cannot be read.

        Raises:
            UnavailableError: also when there are more than 20,000.
        """
        found: dict[str, BrokerFill] = {}
        odd: list[UnreadableRow] = []
        for page in pages.fill_pages(self._get, after):
            rows = self._each("fill", page, mapping.fill_from_wire)
            found |= {fill.execution_id: fill for fill in rows if after is None or fill.executed_at > after}
            odd += rows.unreadable
        unreadable = pages.once(odd)
        refuse_if_most(self.name, "fills", unreadable, len(found))
        return Rows(sorted(found.values(), key=lambda fill: fill.executed_at), unreadable)

    def activities(self, *, after: datetime) -> Rows[BrokerActivity]:
        """Return what was booked since ``after`` besides executions, oldest first, and the rows that cannot be read.

        Raises:
            UnavailableError: also when there are more than 2,000.
        """
        found: dict[str, BrokerActivity] = {}
        odd: list[UnreadableRow] = []
        for page in pages.activity_pages(self._get, after):
            rows = self._each("activity", page, mapping.activity_from_wire)
            found |= {row.activity_id: row for row in rows if row is not None}
            odd += rows.unreadable
        unreadable = pages.once(odd)
        refuse_if_most(self.name, "activities", unreadable, len(found))
        return Rows(sorted(found.values(), key=lambda row: (row.booked_at, row.activity_id)), unreadable)

    def listen(
        self, on_update: Callable[[TradeUpdate], None], *, on_alive: Callable[[], None] | None = None
    ) -> None:
        """Call ``on_update`` in this thread for every update, reconnecting, until stopped.

        It and ``on_alive`` run outside of any event loop, so they may use Django's ORM; what they raise ends
        the listening. Updates during a reconnect are lost: whoever waits for one asks after a while.

        Raises:
            UnavailableError: the keys were refused, or the stream stayed away.
        """
        self._listener.listen(on_update, on_alive=on_alive)

    def stop_listening(self) -> None:
        """End ``listen`` within 2 s; from another thread or from a signal handler."""
        self._listener.stop()

    def _read(self, operation: str, call: Callable[[], T]) -> T:
        return read(self.name, operation, call)

    def _get(self, operation: str, path: str, query: dict[str, Any]) -> Any:
        return self._read(operation, lambda: self._client.get(path, query))

    def _find_order(self, operation: str, call: Callable[[], Any]) -> BrokerOrder | None:
        raw = self._find(operation, call)
        return None if raw is _NOTHING else mapping.order_from_wire(raw, self._pairs)

    def _find(self, operation: str, call: Callable[[], Any]) -> Any:
        """Return the answer, ``_NOTHING`` where the broker itself says that there is none."""

        def find() -> Any:
            try:
                return call()
            except StatusError as exc:
                if exc.status_code != 404:
                    raise
                if exc.is_json:
                    return _NOTHING
                # Only the broker's own words count: a proxy's 404 page says nothing about an order.
                raise SendError("HTTP 404, not in the broker's words", sent=True) from None

        return self._read(operation, find)

    def _listing(self, asset_class: WireAssetClass) -> Any:
        request = GetAssetsRequest(status=AssetStatus.ACTIVE, asset_class=asset_class)
        raw = self._read("assets", lambda: self._client.get_all_assets(request))
        if asset_class is WireAssetClass.CRYPTO:
            self._pairs = mapping.pairs_from_wire(raw)
        return raw

    def _with_pairs(self, map_all: Callable[[], T]) -> T:
        """Map; where a pair cannot be split by its quote currency, once more with the listing."""
        with contextlib.suppress(UnknownPairError):
            return map_all()
        self._listing(WireAssetClass.CRYPTO)
        return map_all()

    def _holdings(self) -> Rows[BrokerPosition]:
        raw = self._read("positions", self._client.get_all_positions)
        rows = self._each(
            "position", raw, lambda fields, pairs: (fields, mapping.position_from_wire(fields, pairs))
        )
        problems = (mapping.value_problem(fields, position) for fields, position in rows)
        without_value = [problem for problem in problems if problem is not None]
        return Rows((position for _, position in rows), (*rows.unreadable, *without_value))

    def _each(self, kind: str, raw: Any, read_row: Callable[[Fields, Mapping[str, str]], T]) -> Rows[T]:
        """Read every row by itself; where a pair cannot be split, all once more with the listing."""
        has_unknown_pair = False

        def read_one(fields: Fields) -> T:
            nonlocal has_unknown_pair
            try:
                return read_row(fields, self._pairs)
            except UnknownPairError:
                has_unknown_pair = True
                raise

        rows = read_rows(self.name, kind, raw, read_one)
        if has_unknown_pair:
            with contextlib.suppress(ConnectorError):
                self._listing(WireAssetClass.CRYPTO)
                rows = read_rows(self.name, kind, raw, read_one)
        return Rows(rows, (mapping.symbol_of(row, self._pairs) for row in rows.unreadable))


def _order_path(operation: str, broker_order_id: str) -> str:
    if _ORDER_ID.fullmatch(broker_order_id) is None:
        raise RejectedError("alpaca", operation, "not an order id", 422)
    return f"/orders/{broker_order_id}"


def _unsent(operation: str, failure: SendError) -> ConnectorError:
    if failure.sent:
        return OutcomeUnknownError("alpaca", operation, failure.detail)
    return failure.unavailable("alpaca", operation, failure.detail, failure.retry_after_seconds)


def _switchs(method: str, url: str) -> Priority:
    return Priority.SWITCH


def _priority(method: str, url: str) -> Priority:
    """Orders, their look-ups and cancels before everything else; and what a sale has to know before it leaves."""
    if not urlsplit(url).path.startswith(("/v2/orders", "/v2/positions/")):
        return Priority.READ
    return Priority.CANCEL if method.upper() == "DELETE" else Priority.ORDER


def _refused(operation: str, failure: StatusError) -> ConnectorError:
    status, message = failure.status_code, failure.message
    detail = f"HTTP {status}: {message}"
    if status == 429:
        return UnavailableError("alpaca", operation, detail, failure.retry_after_seconds)
    if not 400 <= status < 500 or status == 408:
        return OutcomeUnknownError("alpaca", operation, detail)
    # By the words, never by the code alone: Alpaca's codes are overloaded.
    is_duplicate = status == 422 and "client_order_id" in message and "unique" in message
    kind = DuplicateOrderError if is_duplicate else RejectedError
    return kind("alpaca", operation, detail, status, failure.code)
