"""What the session reads from answers, and what importing the contracts costs."""

import subprocess
import sys
from typing import Any

import pytest
import requests
from opentelemetry.instrumentation.requests import RequestsInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from connectors.transport import BoundedSession, cut, retry_after_seconds
from tests.connectors.server import Answer, ProviderServer

NOW = 1602770400.0


@pytest.mark.parametrize(
    ("headers", "status", "seconds"),
    [
        ({"Retry-After": "7"}, 429, 7.0),
        ({"Retry-After": "0.5"}, 503, 0.5),
        ({"Retry-After": "Thu, 15 Oct 2020 14:00:30 GMT"}, 429, 30.0),
        ({"Retry-After": "Thu, 15 Oct 2020 14:00:30 -0000"}, 429, 30.0),
        ({"Retry-After": "Thu, 15 Oct 2020 13:00:00 GMT"}, 429, 0.0),
        ({"Retry-After": "soon"}, 429, None),
        ({"Retry-After": "-3"}, 429, None),
        ({"X-RateLimit-Reset": "1602770412"}, 429, 12.0),
        ({"X-RateLimit-Reset": "1602770388"}, 429, 0.0),
        ({"X-RateLimit-Reset": "1602770412"}, 500, None),
        ({"X-RateLimit-Reset": "later"}, 429, None),
        ({}, 429, None),
    ],
)
def test_how_long_the_provider_asks_to_wait(
    headers: dict[str, str], status: int, seconds: float | None
) -> None:
    assert retry_after_seconds(headers, status_code=status, now=NOW) == seconds


def test_long_answers_are_cut() -> None:
    assert len(cut("x" * 5000)) == 300


def test_contracts_import_no_sdk() -> None:
    """alpaca-py alone brings pandas: 0.45 s and 89 MB in every process."""
    code = (
        "import sys, connectors.base, connectors.errors, connectors.redaction, connectors.retry, "
        "connectors.alpaca.addresses; "
        "print([m for m in ('alpaca', 'pandas', 'finnhub', 'pycoingecko', 'requests') if m in sys.modules])"
    )

    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert found.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("method", "path", "options"),
    [
        ("GET", "/v2/clock", {"headers": {"APCA-API-KEY-ID": "k", "accept": "text/csv"}, "params": None}),
        ("get", "/v2/orders", {"params": {"status": "open", "limit": 5, "after": None, "of": ["a", "b c"]}}),
        ("GET", "/a b/\u00e9?x=1#part", {"params": "y=2&z=3"}),
        (
            "POST",
            "/v2/orders",
            {"json": {"symbol": "\u00c9", "legs": [1.5, None]}, "headers": {"User-Agent": "x"}},
        ),
        ("POST", "/v2/orders", {"json": {}}),
        ("PATCH", "/v2/orders/1", {"data": {"a": "1 2"}}),
        ("DELETE", "/v2/orders", {"params": {}, "headers": {"User-Agent": None}}),
    ],
)
@pytest.mark.parametrize("token", [None, "secret"])
def test_request_is_what_requests_itself_prepares(
    method: str, path: str, options: dict[str, Any], token: str | None
) -> None:
    base = "http://user:word@127.0.0.1:9"
    session = BoundedSession(base, connect_timeout_seconds=1, total_timeout_seconds=1)
    if token is not None:
        session.params = {"token": token}

    found = session._prepared(method, base + path, timeout=3, allow_redirects=True, **options)

    expected = session.prepare_request(requests.Request(method.upper(), base + path, **options))
    assert (found.method, found.url, found.body) == (expected.method, expected.url, expected.body)
    assert list(found.headers.lower_items()) == list(expected.headers.lower_items())


def test_request_with_what_a_session_would_have_to_merge_is_refused() -> None:
    session = BoundedSession("http://127.0.0.1:9", connect_timeout_seconds=1, total_timeout_seconds=1)

    with pytest.raises(TypeError, match="was given cookies, expected none of it"):
        session.request("GET", "http://127.0.0.1:9/", cookies={"a": "b"})


def test_request_is_seen_where_a_process_is_traced() -> None:
    seen, tracing = InMemorySpanExporter(), TracerProvider()
    tracing.add_span_processor(SimpleSpanProcessor(seen))
    RequestsInstrumentor().instrument(tracer_provider=tracing)
    try:
        with ProviderServer() as server:
            server.on("GET", "/v2/clock", Answer({"is_open": True}))
            session = BoundedSession(server.url, connect_timeout_seconds=60, total_timeout_seconds=60)

            told = session.request("GET", f"{server.url}/v2/clock")
    finally:
        RequestsInstrumentor().uninstrument()

    assert told.json() == {"is_open": True}
    assert [
        (span.name, (span.attributes or {})["http.status_code"]) for span in seen.get_finished_spans()
    ] == [("GET", 200)]
