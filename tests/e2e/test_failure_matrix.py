"""The failure matrix of docs/failures.md, each row provoked at the venue or the engines, with real processes."""

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg2
import pytest
import redis
from django.conf import settings
from django.db import connection
from django.db.models import F
from kombu import Connection

from orchestrator_project.runtime.engines import valkey
from risk.models import RiskReservation
from tests.e2e.system import System, environment, held
from tests.e2e.truth import assert_books_agree, wait_for_end, wait_for_rest
from tests.venue_process import VenueProcess
from tests.waiting import wait_until
from trading import tasks
from trading.core.settings import set_runtime_setting
from trading.cycle.cycles import start_cycle
from trading.domain.statuses import CycleStage, CycleStatus
from trading.models import AgentStatus, AIDecision, Asset, Cycle, Event, MarketSnapshot, Mode, Order, Saga
from trading.queries.event_words import line_of

pytestmark = [pytest.mark.system, pytest.mark.django_db(transaction=True)]
BROKER = r"^(GET|POST|DELETE) /v2/(account|clock|positions|orders)"
STOCK_PRICES = "GET /v2/stocks/snapshots"
CHAT = "POST /ai/v1/chat/completions"
FAILURE_FIELDS = {"cycle_id", "error_type", "error", "symbol", "operation", "state"}
Start = Callable[..., System]


@pytest.fixture
def start_system(seeded: None) -> Iterator[Start]:
    """Start the processes with further environment variables."""
    home = Path(tempfile.mkdtemp(prefix="sys-", dir=settings.ENVIRONMENT.orchestrator_home))
    with redis.Redis.from_url(settings.REDIS_URL) as queue:
        queue.flushdb()
    started: list[System] = []

    def start(**variables: str) -> System:
        system = System(home, variables=variables)
        started.append(system)
        system.start()
        return system

    yield start
    for system in started:
        system.stop()
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def symbols() -> list[str]:
    """Some stocks and a coin: small cycles are quick."""
    stocks = Asset.objects.filter(asset_class="stock").order_by("-dollar_volume")[:8]
    return [*(asset.symbol for asset in stocks), "BTC/USD"]


def begun(symbols: list[str]) -> Cycle:
    cycle = start_cycle(trigger="test", symbols=symbols)
    tasks.launch(cycle)
    return cycle


def completed(cycle: Cycle) -> Cycle:
    wait_for_end(cycle)
    assert (cycle.status, cycle.reason) == (CycleStatus.COMPLETED, "")
    return cycle


def logged(system: System, event: str, cycle: Cycle, **wanted: str) -> dict[str, Any]:
    """Return the failure's log line, which says everything one has to know of it."""
    found = [
        line
        for line in system.lines(event)
        if line.get("cycle_id") == str(cycle.pk) and wanted.items() <= line.items()
    ]
    assert found, system.lines(event)
    assert found[0].keys() >= FAILURE_FIELDS
    return found[0]


def told(event_type: str, **payload: object) -> str:
    """Return the line the operator's terminal shows of an event."""
    for event in Event.objects.filter(type=event_type):
        if payload.items() <= event.payload.items():
            return line_of(event) or ""
    raise AssertionError(list(Event.objects.values_list("type", "payload")))


def model_of(market: VenueProcess) -> dict[str, str]:
    url = f"{market.url}/ai/v1"
    return {"AI_MODELS": "openai/venue-model", "AI_API_BASE": url, "AI_API_KEY": "x"}


def test_model_that_times_out_makes_its_symbols_hold(
    start_system: Start, market: VenueProcess, symbols: list[str]
) -> None:
    set_runtime_setting(name="analysis_timeout", value="2", actor="test")
    market.fault(kind="hang", route=CHAT)
    system = start_system(**model_of(market))

    cycle = completed(begun(symbols))

    decisions = AIDecision.objects.filter(cycle=cycle)
    assert set(decisions.values_list("status", "reason")) == {("held", "analysis_timeout")}
    assert decisions.count() == len(symbols)
    assert not Order.objects.exists()
    assert "within" in logged(system, "cycle_error", cycle, operation="analyse")["error"]
    assert "problem in analyse" in told("cycle.error", operation="analyse")


def test_model_that_answers_nonsense_makes_that_symbol_hold(
    start_system: Start, market: VenueProcess, symbols: list[str]
) -> None:
    answers: list[dict[str, object]] = [
        {"symbol": s, "action": "hold", "confidence": 0.5, "reasoning": "calm"} for s in symbols
    ]
    answers[0] |= {"action": "to the moon"}
    market.fault(kind="content", route=CHAT, body=json.dumps({"decisions": answers}))
    system = start_system(**model_of(market))

    cycle = completed(begun(symbols))

    odd = AIDecision.objects.get(cycle=cycle, symbol=symbols[0])
    others = AIDecision.objects.filter(cycle=cycle).exclude(pk=odd.pk)
    assert odd.status == "held"
    assert odd.reason not in ("", "hold")
    assert set(others.values_list("status", "reason")) == {("held", "hold")}
    warnings = [line_of(event) or "" for event in Event.objects.filter(type="cycle.warning")]
    assert any(symbols[0] in line and "to the moon" in line for line in warnings), (
        warnings,
        odd.reason_detail,
    )
    assert system.lines("cycle_warning")[0]["cycle_id"] == str(cycle.pk)


def test_data_provider_that_limits_us_is_asked_again_later(
    start_system: Start, market: VenueProcess, symbols: list[str]
) -> None:
    start_system()
    market.fault(kind="rate_limit", route=STOCK_PRICES, retry_after=1, times=1)

    cycle = completed(begun(symbols))

    asked = [request["query"]["symbols"] for request in market.requests(path="/v2/stocks/snapshots")]
    assert asked.count(asked[0]) == 2, asked  # whoever follows what was bought asks for less
    prices = MarketSnapshot.objects.filter(cycle=cycle, symbol__in=symbols)
    assert set(prices.values_list("source", flat=True)) == {"alpaca"}
    wait_for_rest()
    first = {row.symbol: row.quoted_at for row in prices}
    market.clear_faults()
    market.fault(kind="rate_limit", route=STOCK_PRICES)
    market.fault(kind="rate_limit", route="GET /finnhub/*")
    again = completed(begun(symbols))
    cached = MarketSnapshot.objects.filter(cycle=again, source="cached alpaca")
    assert {row.symbol: row.quoted_at for row in cached} == {s: first[s] for s in symbols[:-1]}


def test_data_provider_out_of_reach_is_replaced_by_the_next(
    start_system: Start, market: VenueProcess, symbols: list[str]
) -> None:
    system = start_system()
    market.fault(kind="error", status=503, route=STOCK_PRICES)

    cycle = completed(begun(symbols))

    assert len(market.requests(path="/v2/stocks/snapshots")) >= 2
    stocks = MarketSnapshot.objects.filter(cycle=cycle).exclude(symbol="BTC/USD")
    assert set(stocks.values_list("source", flat=True)) == {"finnhub"}
    assert logged(system, "cycle_error", cycle, operation="quotes alpaca")["error_type"] == "UnavailableError"
    assert "problem in quotes alpaca" in told("cycle.error", operation="quotes alpaca")


def test_rejected_order_is_recorded_in_the_brokers_words_and_undone(
    start_system: Start, market: VenueProcess, symbols: list[str]
) -> None:
    market.fault(kind="reject_order", status=403, body="account is restricted", times=1)
    system = start_system()

    cycle = completed(begun(symbols))

    order = Order.objects.get(status="rejected")
    assert "account is restricted" in order.broker_message
    assert Saga.objects.get(order=order).status == "compensated"
    line = logged(system, "order_rejected", cycle, symbol=order.symbol, operation="submit_order")
    assert (line["error_type"], line["state"]) == ("RejectedError", "submitting")
    assert "account is restricted" in told("order.reject")
    wait_for_rest()
    assert not RiskReservation.objects.counting().exists()


def test_broker_that_is_down_pauses_the_cycle_until_it_answers(
    start_system: Start, market: VenueProcess, symbols: list[str]
) -> None:
    system = start_system()
    market.fault(kind="error", status=503, route=BROKER)
    cycle = begun(symbols)

    wait_until(lambda: Cycle.objects.get().status == "paused", seconds=180, what="the cycle is paused")
    wait_until(lambda: system.lines("broker_still_unavailable"), what="the broker is asked again")
    cycle.refresh_from_db()
    assert cycle.reason.startswith("broker_unavailable: alpaca")
    assert "cycle PAUSED, waiting for the broker" in told("cycle.pause")
    assert logged(system, "cycle_paused", cycle)["state"] == "paused, fetching"
    market.clear_faults()

    completed(cycle)
    assert "cycle goes on" in told("cycle.resume")
    assert MarketSnapshot.objects.filter(cycle=cycle).count() == len(symbols)
    wait_for_rest()
    assert_books_agree(market)


def test_broker_down_in_mid_execution_pauses_and_nothing_is_ordered_twice(
    start_system: Start, market: VenueProcess, symbols: list[str]
) -> None:
    set_runtime_setting(name="order_attempts", value="1", actor="test")
    start_system()
    market.fault(kind="latency", route="POST /v2/orders", seconds=3, times=1)
    cycle = begun(symbols)
    wait_until(
        lambda: Order.objects.filter(status="submitting").exists(), seconds=180, what="an order under way"
    )

    market.fault(kind="error", status=503, route=BROKER)
    wait_until(lambda: Event.objects.filter(type="cycle.pause").exists(), what="the cycle is paused")
    market.clear_faults()

    completed(cycle)
    wait_for_rest()
    assert_books_agree(market)


def test_broker_that_stays_down_ends_the_cycle_at_its_deadline(
    start_system: Start, market: VenueProcess, symbols: list[str]
) -> None:
    set_runtime_setting(name="cycle_deadline", value="30", actor="test")
    start_system()
    market.fault(kind="error", status=503, route=BROKER)
    cycle = begun(symbols)
    assert cycle.deadline_at - cycle.started_at == timedelta(seconds=30)
    wait_until(lambda: Cycle.objects.get().status == "paused", seconds=180, what="the cycle is paused")
    Cycle.objects.update(deadline_at=F("started_at"))  # nobody waits for it

    wait_until(lambda: not Cycle.objects.get().is_open, seconds=180, what="the cycle ends")

    cycle.refresh_from_db()
    assert cycle.status == CycleStatus.ABORTED
    assert cycle.reason.startswith("deadline, broker_unavailable")
    assert "cycle aborted: deadline, broker unavailable" in told("cycle.abort")
    assert not Order.objects.exists()


def test_position_sync_that_fails_at_the_end_is_an_error_of_a_completed_cycle(
    start_system: Start, market: VenueProcess, symbols: list[str]
) -> None:
    AgentStatus.objects.update(mode=Mode.MANUAL)  # without orders the final sync is the only one
    system = start_system()
    with held("LOCK TABLE ai_decisions IN EXCLUSIVE MODE"):
        cycle = begun(symbols)
        wait_until(
            lambda: (
                Cycle.objects.get().stage == CycleStage.ANALYSING
                and Event.objects.filter(type="cycle.step.account").exists()
            ),
            what="the analysis",
        )
        market.fault(kind="error", status=500, route="GET /v2/positions")

    completed(cycle)

    assert [error["operation"] for error in cycle.errors] == ["final_sync"]
    assert logged(system, "cycle_error", cycle, operation="final_sync")["state"] == "running, finishing"
    assert "problem in final_sync" in told("cycle.error", operation="final_sync")


def test_database_out_of_reach_lets_everything_wait_and_come_back(
    start_system: Start, market: VenueProcess, symbols: list[str]
) -> None:
    system = start_system()
    market.fault(kind="latency", route="POST /v2/orders", seconds=0.5)
    cycle = begun(symbols)
    wait_until(lambda: Order.objects.exists(), what="orders are being placed")
    name, url = connection.settings_dict["NAME"], environment()["DATABASE_URL"]
    connection.close()
    other = psycopg2.connect(url.replace(f"/{name}", "/postgres"))
    other.autocommit = True

    with other.cursor() as cursor:
        cursor.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        cursor.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
        try:
            wait_until(lambda: len(system.lines("database_unreachable")) > 1, what="the processes say so")
        finally:
            cursor.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
            other.close()

    completed(cycle)
    line = system.lines("database_unreachable")[0]
    assert line["level"] == "critical"
    assert {"error_type", "error", "operation", "state"} <= line.keys()
    wait_for_rest()
    assert_books_agree(market)


def test_queue_that_is_gone_leaves_the_cycle_to_the_sweeper(
    start_system: Start, market: VenueProcess, symbols: list[str], tmp_path: Path
) -> None:
    tmp_path.chmod(0o755)
    record = valkey.start(tmp_path, None)
    try:
        system = start_system(REDIS_URL=record.url)
        market.fault(kind="latency", route=STOCK_PRICES, seconds=1)
        cycle = start_cycle(trigger="test", symbols=symbols)
        with Connection(record.url) as queue:
            tasks.fan_out.apply_async((str(cycle.pk),), connection=queue)
        wait_until(lambda: market.faults()[0]["hits"], what="a fetch under way")

        valkey.stop(tmp_path)

        completed(cycle)
        assert system.lines("queue_unreachable")
        assert AIDecision.objects.filter(cycle=cycle).count() == len(symbols)
        wait_for_rest()
        assert_books_agree(market)
    finally:
        valkey.stop(tmp_path)


def test_analysis_waits_for_fetches_that_wait_behind_other_work(
    start_system: Start, market: VenueProcess, symbols: list[str]
) -> None:
    set_runtime_setting(name="fetch_timeout", value="2", actor="test")
    system = start_system()
    workers = [*system.processes("worker"), *system.processes("io_worker")]
    for process in workers:
        process.suspend()
    try:
        cycle = begun(symbols)
        wait_until(
            lambda: any(line["kind"] == "fan_out" for line in system.lines("revived")),
            what="the fetches are asked for again",
        )
        assert Cycle.objects.get().stage == CycleStage.FETCHING
    finally:
        for process in workers:
            process.resume()

    completed(cycle)

    assert "note on fetch: not ended after" in told("cycle.warning", operation="fetch")
    assert not AIDecision.objects.filter(cycle=cycle, reason="no_price").exists()
    stocks = Event.objects.filter(cycle_id=cycle.pk, type="cycle.step.stocks")
    assert [event.payload["count"] for event in stocks] == [len(symbols) - 1]
