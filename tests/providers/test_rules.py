"""The stub refuses what the providers refuse: a count against it would say nothing otherwise."""

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

import pytest

from tests.providers.conftest import hold_all
from tests.providers.stub import API_KEY, CHAT_KEY, COINGECKO_KEY, FINNHUB_KEY, SECRET_KEY, ProviderStub

ALPACA = {"APCA-API-KEY-ID": API_KEY, "APCA-API-SECRET-KEY": SECRET_KEY}
CHAT = {"Authorization": f"Bearer {CHAT_KEY}"}
ORDER = {"symbol": "AAPL", "qty": "1", "side": "buy", "type": "market", "time_in_force": "day"}


def answered(url: str, headers: Mapping[str, str], body: object = None) -> tuple[int, Any]:
    """Return status and body of a request; one with a body is a post."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, headers=dict(headers))  # noqa: S310 - loopback
    try:
        with urllib.request.urlopen(request, timeout=120) as reply:  # noqa: S310 - loopback
            return reply.status, json.loads(reply.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


@pytest.mark.parametrize(
    ("path", "headers", "body", "status", "words"),
    [
        ("/v2/venue", ALPACA, None, 404, "endpoint not found."),
        ("/finnhub/api/v1/quote?symbol=AAPL", {}, None, 404, "endpoint not found."),
        ("/v2/orders?state=open", ALPACA, None, 400, "unexpected parameter: state"),
        ("/v2/stocks/snapshots", ALPACA, None, 400, "symbols is required"),
        ("/v2/stocks/snapshots?symbols=BTC/USD", ALPACA, None, 400, "invalid symbols: BTC/USD"),
        ("/v1beta1/news?limit=51", ALPACA, None, 400, "invalid limit: 51"),
        ("/v2/account", {}, None, 401, "unauthorized."),
        (
            "/v2/orders",
            ALPACA,
            {**ORDER, "reason": "x"},
            422,
            "unrecognized request argument supplied: reason",
        ),
        ("/v2/orders", ALPACA, {"symbol": "AAPL"}, 422, "side is required"),
        ("/api/v1/quote?symbol=AAPL&token=other", {}, None, 401, "Invalid API key"),
        ("/api/v1/quote?symbols=AAPL", {}, None, 400, "unexpected parameter: symbols"),
        (f"/api/v3/simple/price?vs_currencies=usd&x_cg_pro_api_key={COINGECKO_KEY}", {}, None, 401, "10010"),
        ("/pro-api.coingecko.com/api/v3/simple/price?vs_currencies=usd", {}, None, 401, "10011"),
        ("/v1/chat/completions", CHAT, {"model": "m", "messages": [], "cycle": 1}, 422, "supplied: cycle"),
        ("/v1/chat/completions", {}, {"model": "m", "messages": []}, 401, "Incorrect API key provided"),
    ],
)
def test_what_no_provider_knows_is_refused_in_its_words(
    path: str, headers: Mapping[str, str], body: object, status: int, words: str
) -> None:
    with ProviderStub(decide=hold_all) as stub:
        told = answered(f"{stub.url}{path}", headers, body)

    assert told[0] == status
    assert words in json.dumps(told[1])
    assert len(stub.broken) == 1
    assert stub.noted[0].status == status


def test_each_provider_fails_in_its_own_form(stub: ProviderStub) -> None:
    for name in ("account", "finnhub quote", "coingecko", "model"):
        stub.refuse(name)

    refused = [
        answered(f"{stub.url}/v2/account", ALPACA),
        answered(f"{stub.url}/api/v1/quote?symbol=AAPL&token={FINNHUB_KEY}", {}),
        answered(f"{stub.url}/api/v3/simple/price?vs_currencies=usd&ids=bitcoin", {}),
        answered(f"{stub.url}/v1/chat/completions", CHAT, {"model": "m", "messages": []}),
    ]

    words = "service unavailable"
    assert [status for status, _ in refused] == [503] * 4
    assert [body for _, body in refused] == [
        {"code": 50310000, "message": words},
        {"error": words},
        {"status": {"error_code": 503, "error_message": words}},
        {"error": {"message": words, "type": "server_error", "param": None, "code": None}},
    ]


def test_a_second_order_of_one_id_is_refused(stub: ProviderStub) -> None:
    order = {**ORDER, "client_order_id": "one"}

    first, second = (answered(f"{stub.url}/v2/orders", ALPACA, order) for _ in range(2))

    assert (first[0], first[1]["status"]) == (200, "pending_new")
    assert second == (422, {"code": 40010001, "message": "client_order_id must be unique"})
