"""What a posted order's failure means: unsent, refused, duplicate or unknown. Money depends on it."""

from collections.abc import Callable
from decimal import Decimal
from time import monotonic
from typing import Any

import pytest

from connectors.alpaca.broker import AlpacaBroker
from connectors.base import AssetClass, BrokerOrder, BrokerOrderStatus, OrderRequest, Side, TimeInForce
from connectors.errors import (
    ConnectorError,
    DuplicateOrderError,
    OutcomeUnknownError,
    RejectedError,
    UnavailableError,
)
from tests.connectors import samples
from tests.connectors.conftest import make_broker
from tests.connectors.server import (
    Answer,
    Handler,
    ProviderServer,
    drip,
    hang,
    redirect_to,
    reset,
    truncated,
    unannounced_cut,
)

SHORT, LONG = 1.5, 60.0
SLOW = {"hang", "drip_body", "drip_head"}


def make_request(**overrides: Any) -> OrderRequest:
    fields: dict[str, Any] = {
        "client_order_id": "decision-1-entry-1",
        "symbol": "AAPL",
        "asset_class": AssetClass.STOCK,
        "side": Side.BUY,
        "quantity": Decimal("15"),
        "time_in_force": TimeInForce.DAY,
    }
    return OrderRequest(**(fields | overrides))


UNKNOWN: dict[str, Handler] = {
    "hang": hang,
    "drip_body": drip(samples.order(), seconds=0.05),
    "drip_head": drip(samples.order(), seconds=0.05, in_head=True),
    "reset": reset,
    "truncated": truncated(samples.order()),
    "unannounced_cut": unannounced_cut(samples.order()),
    "server_error": Answer({"message": "internal server error"}, 500),
    "bad_gateway_page": Answer(b"<html>", 502),
    "gateway_timeout": Answer({"message": "timeout"}, 504),
    "request_timeout": Answer({"message": "timeout"}, 408),
    "unavailable": Answer({"message": "try later"}, 503, {"Retry-After": "1"}),
    "redirect": redirect_to("http://127.0.0.1:9/v2/orders"),
    "not_json": Answer(b"<html>welcome</html>"),
    "empty": Answer(b""),
    "null": Answer(None),
    "list": Answer([samples.order()]),
    "no_status": Answer(samples.order(status=None)),
    "unheard_of_status": Answer(samples.order(status="teleported")),
    "another_order": Answer(samples.order(client_order_id="somebody-elses")),
}


@pytest.mark.parametrize("fault", UNKNOWN)
def test_failure_after_bytes_left_is_outcome_unknown(server: ProviderServer, fault: str) -> None:
    """docs/lessons.md#lesson-36: one request went out, and the caller is told to look it up, never to repeat."""
    server.on("POST", "/v2/orders", UNKNOWN[fault])
    started = monotonic()

    with pytest.raises(OutcomeUnknownError):
        make_broker(server, SHORT if fault in SLOW else LONG).submit_order(make_request())

    assert monotonic() - started < 300
    assert len(server.seen) == 1, "an order was sent twice"


def test_a_reply_of_one_byte_a_second_ends_at_the_total_deadline(server: ProviderServer) -> None:
    server.on("POST", "/v2/orders", drip(samples.order(), seconds=1))
    started = monotonic()

    with pytest.raises(OutcomeUnknownError):
        make_broker(server, 2.5).submit_order(make_request())

    assert 2.4 < monotonic() - started < 300


REFUSED: dict[str, tuple[Handler, type[ConnectorError], int | None]] = {
    "buying_power": (
        Answer({"code": 40310000, "message": "insufficient buying power"}, 403),
        RejectedError,
        40310000,
    ),
    "bad_parameters": (
        Answer({"code": 42210000, "message": "invalid qty"}, 422),
        RejectedError,
        42210000,
    ),
    "same_code_as_duplicate": (
        Answer({"code": 40010001, "message": "qty is required"}, 422),
        RejectedError,
        40010001,
    ),
    "duplicate": (
        Answer({"code": 40010001, "message": "client_order_id must be unique"}, 422),
        DuplicateOrderError,
        40010001,
    ),
    "no_code": (Answer({"message": "forbidden."}, 403), RejectedError, None),
    "code_is_text": (Answer({"code": "x", "message": "no"}, 400), RejectedError, None),
    "page": (Answer(b"<html>forbidden</html>", 403), RejectedError, None),
    "empty": (Answer(b"", 404), RejectedError, None),
    "list": (Answer(["no"], 400), RejectedError, None),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refusal_is_classified_by_status_and_words(server: ProviderServer, case: str) -> None:
    answer, kind, code = REFUSED[case]
    server.on("POST", "/v2/orders", answer)

    with pytest.raises(RejectedError) as caught:
        make_broker(server).submit_order(make_request())

    assert type(caught.value) is kind
    assert caught.value.code == code
    assert len(server.seen) == 1


def test_too_many_requests_took_nothing(server: ProviderServer) -> None:
    server.on("POST", "/v2/orders", Answer({"message": "too many requests."}, 429, {"Retry-After": "3"}))

    with pytest.raises(UnavailableError) as caught:
        make_broker(server).submit_order(make_request())

    assert caught.value.retry_after_seconds == 3
    assert len(server.seen) == 1


def _refused_connection(server: ProviderServer) -> str:
    with ProviderServer() as gone:
        pass
    return gone.url


def _no_tls_there(server: ProviderServer) -> str:
    return server.url.replace("http://", "https://")


@pytest.mark.parametrize("address", [_refused_connection, _no_tls_there])
def test_no_connection_means_provably_unsent(
    server: ProviderServer, address: Callable[[ProviderServer], str]
) -> None:
    broker = AlpacaBroker("AKTESTKEY123", "secretsecretsecret", address(server))

    with pytest.raises(UnavailableError):
        broker.submit_order(make_request())

    assert server.seen == []


def test_the_accepted_order_comes_back(server: ProviderServer) -> None:
    server.on("POST", "/v2/orders", Answer(samples.order(status="pending_new")))

    order = make_broker(server).submit_order(make_request())

    assert (order.status, order.status_detail) == (BrokerOrderStatus.ACCEPTED, "pending_new")
    assert order.client_order_id == "decision-1-entry-1"
    assert server.seen[0].body == {
        "symbol": "AAPL",
        "qty": "15",
        "side": "buy",
        "type": "market",
        "time_in_force": "day",
        "client_order_id": "decision-1-entry-1",
    }


@pytest.mark.parametrize("quantity", ["123456789012.123456789", "0.000000001", "1E+3"])
def test_the_quantity_reaches_the_broker_digit_for_digit(server: ProviderServer, quantity: str) -> None:
    """docs/lessons.md#lesson-2, #lesson-39: no float on the way, no exponent in the text."""
    server.on("POST", "/v2/orders", Answer(samples.order()))

    make_broker(server).submit_order(make_request(quantity=Decimal(quantity)))

    assert Decimal(server.seen[0].body["qty"]) == Decimal(quantity)
    assert "E" not in server.seen[0].body["qty"]


@pytest.mark.parametrize("quantity", ["0", "-1", "NaN", "Infinity"])
def test_a_quantity_that_is_none_is_not_sent(server: ProviderServer, quantity: str) -> None:
    """docs/lessons.md#lesson-8."""
    with pytest.raises(ValueError, match="must be positive"):
        make_broker(server).submit_order(make_request(quantity=Decimal(quantity)))

    assert server.seen == []


def test_proxies_of_the_environment_never_see_an_order(
    server: ProviderServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.on("POST", "/v2/orders", Answer(samples.order()))
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)

    make_broker(server).submit_order(make_request())

    assert len(server.seen) == 1


def test_a_redirect_is_not_followed(server: ProviderServer) -> None:
    with ProviderServer() as elsewhere:
        server.on("POST", "/v2/orders", redirect_to(f"{elsewhere.url}/v2/orders"))

        with pytest.raises(OutcomeUnknownError, match="307"):
            make_broker(server).submit_order(make_request())

        assert elsewhere.seen == []


def replace(server: ProviderServer) -> BrokerOrder:
    return make_broker(server, LONG).replace_order(
        "abc", client_order_id=samples.order()["client_order_id"], stop_price=Decimal("95.500000000000")
    )


def test_a_stop_gets_another_price_and_nothing_else(server: ProviderServer) -> None:
    server.on("PATCH", "/v2/orders/abc", Answer(samples.order(type="stop", stop_price="95.5")))

    placed = replace(server)

    assert (placed.order_type, placed.stop_price) == ("stop", Decimal("95.5"))
    (sent,) = server.seen
    assert sent.body == {
        "client_order_id": samples.order()["client_order_id"],
        "stop_price": "95.5",
    }


@pytest.mark.parametrize("fault", [fault for fault in UNKNOWN if fault not in SLOW])
def test_a_replacement_whose_reply_says_nothing_is_outcome_unknown(
    server: ProviderServer, fault: str
) -> None:
    server.on("PATCH", "/v2/orders/abc", UNKNOWN[fault])

    with pytest.raises(OutcomeUnknownError):
        replace(server)

    assert len(server.seen) == 1


@pytest.mark.parametrize("fault", REFUSED)
def test_a_refused_replacement_says_how(server: ProviderServer, fault: str) -> None:
    answer, error, _ = REFUSED[fault]
    server.on("PATCH", "/v2/orders/abc", answer)

    with pytest.raises(error):
        replace(server)
