"""No key reaches a log line or a span, in the real words of each SDK; keys in header, query and user info.

The keys are registered nowhere: what is tested is what the patterns alone catch.
"""

import io
import json
import logging
import os
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import finnhub
import httpx
import psycopg2
import pytest
import redis
import requests
import structlog
from alpaca.trading.client import TradingClient
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pycoingecko import CoinGeckoAPI

from ai import gateway
from orchestrator_project.observability.log import logging_config
from orchestrator_project.observability.process_name import process_name
from orchestrator_project.observability.tracing import CalmExporter, make_provider, stop_tracing
from tests.connectors.server import Answer, ProviderServer
from tests.otlp import Collector
from tests.paths import ROOT

KEY = "Zq7vT2xW9yB4nM6kL1pR"
PASSWORD = "hunter2-and-then-some"
Call = Callable[[ProviderServer], object]


def _alpaca(server: ProviderServer) -> object:
    server.on_any(Answer({"message": f"forbidden: APCA-API-SECRET-KEY: {KEY}"}, 403))
    client = TradingClient("PKtest", KEY, url_override=server.url)
    client._retry = 0
    return client.get_account()


def _finnhub(server: ProviderServer) -> object:
    client = finnhub.Client(KEY)
    client.API_URL = f"{_gone()}/api/v1"
    return client.quote("AAPL")


def _coingecko(server: ProviderServer) -> object:
    client = CoinGeckoAPI(demo_api_key=KEY, retries=0)
    client.api_base_url = f"{_gone()}/api/v3/"
    return client.get_price("bitcoin", "usd")


def _requests(server: ProviderServer) -> object:
    server.on_any(Answer(b"no", 401))
    address = server.url.replace("http://", f"http://user:{PASSWORD}@")
    reply = requests.get(f"{address}/v1?apikey={KEY}", timeout=120)
    raise RuntimeError(
        f"GET {address}/v1?apikey={KEY} with {dict(reply.request.headers)}: {reply.status_code}"
    )


def _httpx(server: ProviderServer) -> object:
    server.on_any(Answer(b"no", 401))
    address = server.url.replace("http://", f"http://user:{PASSWORD}@")
    with httpx.Client(headers={"Authorization": f"Bearer {KEY}"}) as client:
        return client.get(f"{address}/v1/models?api_key={KEY}").raise_for_status()


def _litellm(server: ProviderServer) -> object:
    server.on_any(Answer({"error": {"message": f"Incorrect API key: Bearer {KEY}, api_key={KEY}"}}, 401))
    messages = [{"role": "user", "content": "x"}]
    base = f"{server.url}/v1"
    return gateway.load().completion(
        model="openai/x", messages=messages, api_base=base, api_key=KEY, max_retries=0
    )


def _redis(server: ProviderServer) -> object:
    return redis.Redis.from_url(f"redis://user:{PASSWORD}#more@127.0.0.1/0").ping()


def _psycopg2(server: ProviderServer) -> object:
    return psycopg2.connect(f"postgresql://user@127.0.0.1:{PASSWORD}/x")


def _gone() -> str:
    with ProviderServer() as server:
        return server.url


CALLS: list[Call] = [
    _alpaca,
    _finnhub,
    _coingecko,
    _requests,
    _httpx,
    _litellm,
    _redis,
    _psycopg2,
]


@pytest.fixture
def server() -> Iterator[ProviderServer]:
    with ProviderServer() as running:
        yield running


@pytest.fixture
def stream(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """What a logger of its own writes, by the formatter every process has."""
    monkeypatch.setattr(sys, "argv", ["celery", "-A", "orchestrator_project", "worker"])
    settings = dict(logging_config("INFO")["formatters"]["lines"])
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(settings.pop("()")(**settings))
    logger = logging.getLogger("words")
    logger.addHandler(handler)
    yield written
    logger.removeHandler(handler)


def test_in_a_persons_terminal_a_line_is_a_sentence_and_gossip_is_none(
    stream: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["manage.py", "reconcile"])
    (asked,) = (each["()"]() for each in logging_config("INFO")["filters"].values())
    logging.getLogger("words").handlers[-1].addFilter(asked)
    log = structlog.get_logger("words")

    log.info("cycle_started", symbols=140)
    log.warning("broker_unreachable", error=f"https://x/?token={KEY}", attempts=3, cycle_id="")

    said = stream.getvalue()
    assert said.startswith("warning: broker unreachable (error https://x/?token=")
    assert said.endswith("attempts 3)\n")
    assert KEY not in said


@pytest.mark.parametrize("call", CALLS)
def test_no_sdk_s_words_bring_a_key_into_a_line_or_a_span(
    server: ProviderServer, stream: io.StringIO, call: Call
) -> None:
    error = _provoked(call, server)
    words = "".join(traceback.format_exception(error))
    assert KEY in words or PASSWORD in words  # as they are, its words do show one
    log = structlog.get_logger("words")

    log.warning("failed", error=str(error), detail={"tried": [{"why": error, "words": words}]})
    log.error("failed", exc_info=error)
    logging.getLogger("words").error("it said %s", error, exc_info=error)
    span = _span_of(error, words)

    lines = stream.getvalue()
    assert lines.count("\n") == 3
    assert type(error).__name__ in lines
    for secret in (KEY, PASSWORD):
        assert secret not in lines
        assert secret not in span


def test_no_line_steers_a_screen_or_holds_half_a_character(stream: io.StringIO) -> None:
    structlog.get_logger("words").warning(
        "odd \x1b[2J", error="half \ud83d", tried=["\x00", {"why": "\x9b1m"}]
    )

    line = json.loads(stream.getvalue())
    assert line["event"] == "odd \ufffd[2J"
    assert (line["error"], line["tried"]) == ("half \ufffd", ["\ufffd", {"why": "\ufffd1m"}])


def _provoked(call: Call, server: ProviderServer) -> Exception:
    try:
        call(server)
    except Exception as error:  # noqa: BLE001 - whatever the SDK raises is what is tested
        return error
    raise AssertionError("nothing was raised")


def _span_of(error: Exception, words: str) -> str:
    """Return all that is exported of a span in which this was raised."""
    kept = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(CalmExporter(kept, "here")))
    try:
        with provider.get_tracer("t").start_as_current_span(
            "call", attributes={"http.url": f"https://x.test/v1?apikey={KEY}", "said": words, "token": KEY}
        ):
            raise error
    except type(error):
        pass
    [span] = kept.get_finished_spans()
    assert span.events[0].name == "exception"
    return str(span.to_json())


@pytest.mark.parametrize("name", ["uvicorn.error", "celery.worker", "django.request", "words"])
def test_every_logger_writes_the_same_shape(name: str, stream: io.StringIO) -> None:
    handler = logging.getLogger("words").handlers[0]
    logger = logging.getLogger(name)
    logger.addHandler(handler)
    try:
        with structlog.contextvars.bound_contextvars(cycle_id="c1"):
            logger.error("It %s", "broke")
            structlog.get_logger("words").error("it_broke", figures={"n": 1}, price=1.5, gone=None)
    finally:
        if name != "words":
            logger.removeHandler(handler)

    theirs, ours = (json.loads(line) for line in stream.getvalue().splitlines())
    assert theirs["event"] == "It broke"
    assert ours.keys() - theirs.keys() == {"figures", "price", "gone"}
    assert theirs.keys() == {"event", "level", "logger", "timestamp", "process", "pid", "cycle_id"}
    assert (ours["figures"], ours["price"], ours["gone"]) == ({"n": 1}, 1.5, None)


def test_what_nobody_catches_is_a_redacted_line(tmp_path: Path) -> None:
    program = (
        "import sys; sys.argv = ['celery', 'worker']; import django; django.setup();"
        "from orchestrator_project.observability.log import log_what_nobody_catches; log_what_nobody_catches();"
        f"url = 'https://x.test/?token=' + '{KEY[:10]}' + '{KEY[10:]}'; raise RuntimeError(url)"
    )
    environment = {**os.environ, "ORCHESTRATOR_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    line = json.loads(done.stderr)
    assert (done.returncode, line["event"], line["error_type"]) == (1, "uncaught_exception", "RuntimeError")
    assert "raise RuntimeError" in line["exception"] or "RuntimeError: https://x.test/" in line["exception"]
    assert KEY not in done.stderr


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("/x/celery/__main__.py --quiet -A orchestrator_project worker -n worker@%h -Q default", "worker"),
        ("/x/celery/__main__.py -A orchestrator_project worker -n analyst@%h -Q analysis", "analyst"),
        ("/x/celery/__main__.py -A orchestrator_project worker -n io_worker@%h -P threads", "io_worker"),
        ("/usr/bin/celery -A orchestrator_project worker -Q default,analysis", "worker"),
        ("/usr/bin/celery -A orchestrator_project beat", "beat"),
        ("/x/uvicorn/__main__.py orchestrator_project.asgi:application", "web"),
        ("/usr/bin/uvicorn orchestrator_project.asgi:application", "web"),
        ("/x/manage.py listen_trade_updates", "listener"),
        ("manage.py sweeper", "sweeper"),
        ("manage.py run_cycle --json", "run_cycle"),
        ("manage.py", "help"),
    ],
)
def test_a_process_is_called_by_its_command_line(command: str, name: str) -> None:
    assert process_name(command.split()) == name


def test_a_collector_that_hangs_holds_up_nobody_and_is_complained_of_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with Collector(is_hanging=True) as hanging:
        said = _record_many(hanging.endpoint, caplog)

        assert hanging.requests == 1  # one batch waited for its answer, the rest were let go
    assert said == ["trace_export_failed"]


def test_a_collector_that_is_not_there_is_complained_of_once(caplog: pytest.LogCaptureFixture) -> None:
    said = _record_many(_gone(), caplog)

    assert said == ["trace_export_failed"]


def _record_many(endpoint: str, caplog: pytest.LogCaptureFixture) -> list[object]:
    """Record more spans than the queue takes, and stop; return what was logged of it."""
    logging.getLogger("opentelemetry").setLevel(logging_config("INFO")["loggers"]["opentelemetry"]["level"])
    provider = make_provider(endpoint, "test")
    tracer = provider.get_tracer("t")
    caplog.clear()
    for _ in range(20_000):
        tracer.start_span("x").end()
    stop_tracing(provider)
    assert not [record for record in caplog.records if record.name.startswith("opentelemetry")]
    return [
        _event(record)
        for record in caplog.records
        if record.name == "orchestrator_project.observability.tracing"
    ]


def _event(record: logging.LogRecord) -> object:
    return record.msg["event"] if isinstance(record.msg, dict) else record.msg
