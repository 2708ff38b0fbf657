"""`GET /metrics`: what it counts, who may read it, and what it says when something is away."""

import json
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families
from pytest_django import Settings

from orchestrator_project.observability import metric_totals, metrics
from orchestrator_project.observability.metric_kinds import METRICS, MOST_LABEL_SETS, Totals
from orchestrator_project.observability.metric_totals import count_new
from tests import forked
from tests.factories import (
    make_agent,
    make_cycle,
    make_decision,
    make_engagement,
    make_equity,
    make_event,
    make_heartbeat,
    make_model_call,
    make_order,
    make_position,
    make_saga,
    make_user,
)
from trading.access.api_tokens import issue_token
from trading.core import transitions
from trading.models import Event, MetricTotals

GROWING = ("events", "ai_decisions", "orders", "fills", "trades", "model_calls", "cycles", "sagas",
           "equity_snapshots", "approvals", "risk_checks", "risk_reservations")  # fmt: skip
Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]
database = pytest.mark.django_db(transaction=True)


def scrape(**headers: str) -> Samples:
    return samples(Client().get("/metrics", **headers).content.decode())


def samples(text: str) -> Samples:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(found: Samples, name: str, **labels: str) -> float:
    return found[f"orchestrator_{name}", tuple(sorted(labels.items()))]


def begin_counting() -> None:
    MetricTotals.objects.update_or_create(
        pk=1, defaults={"counted_until": timezone.now() - timedelta(minutes=1), "totals": {}}
    )


def moved(row: Any, event: str, **options: Any) -> None:
    """Apply the event, and read the row as it now stands."""
    assert transitions.apply(row, event, **options)
    row.refresh_from_db()


def traded() -> None:
    """Record what a cycle with one bought and one denied decision writes."""
    cycle = make_cycle(cycle_type="analysis", status="running")
    transitions.record_created(cycle)
    bought = make_decision(cycle=cycle, symbol="AAPL", action="buy", status="claimed")
    moved(bought, "pass")
    denied = make_decision(cycle=cycle, symbol="MSFT", action="buy", status="claimed")
    transitions.apply(denied, "deny", changes={"reason": "max_positions"}, reason="max_positions")
    order = make_order(decision=bought, reference_price=Decimal(100), status="created")
    moved(order, "submit", changes={"submitted_at": timezone.now() - timedelta(seconds=2)})
    moved(order, "accept", changes={"acknowledged_at": order.submitted_at + timedelta(seconds=0.3)})
    moved(order, "fill", changes={"average_price": Decimal("100.15"), "filled_quantity": Decimal(1)})
    transitions.apply(make_saga(order=order), "complete")
    transitions.apply(bought, "complete")
    transitions.apply(
        cycle, "complete", changes={"ended_at": timezone.now(), "stage": "ended"}, duration_seconds=3.5
    )


@database
def test_what_happened_is_counted_once_however_often_it_is_read() -> None:
    begin_counting()
    traded()
    make_model_call(model="m", prompt_tokens=100, completion_tokens=7, charged_usd=Decimal("0.01"))
    make_engagement(trigger="daily_loss")
    make_event(aggregate_type="sender", type="kill_switch.sender_fenced")

    until = timezone.now()
    count_new(until=until)
    found = count_new(until=until).totals

    assert found.counters["cycles"] == {("analysis", "completed"): 1}
    assert found.counters["decisions"] == {
        ("buy", "denied", "max_positions"): 1,
        ("buy", "executed", ""): 1,
    }
    assert found.counters["denials"] == {("max_positions",): 1}
    assert found.counters["orders"] == {("submitting",): 1, ("accepted",): 1, ("filled",): 1}
    assert found.counters["sagas"] == {("completed",): 1}
    assert found.counters["model_tokens"] == {("m", "prompt"): 100, ("m", "completion"): 7}
    assert found.counters["model_cost_usd"] == {("m",): 0.01}
    assert found.counters["switch_engagements"] == {("daily_loss",): 1}
    assert found.counters["senders_fenced"] == {(): 1}
    assert found.histograms["cycle_seconds"]["analysis",].total == 3.5
    assert found.histograms["order_submit_seconds"][()].total == pytest.approx(0.3)
    assert found.histograms["order_fill_seconds"][()].total >= 2
    assert found.histograms["slippage_bps"]["buy",].total == pytest.approx(15)


@database
def test_a_count_that_breaks_off_leaves_nothing_counted_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    begin_counting()
    traded()
    until = timezone.now()

    def dies(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(metric_totals, "COUNTS", (*metric_totals.COUNTS, dies))
    with pytest.raises(KeyboardInterrupt):
        count_new(until=until)
    monkeypatch.undo()

    assert count_new(until=until).totals.counters["orders"]["filled",] == 1


@database
def test_scrape_reads_what_the_sweeper_counted_and_writes_nothing() -> None:
    begin_counting()
    traded()
    Event.objects.update(occurred_at=timezone.now() - timedelta(seconds=30))
    begun = MetricTotals.objects.get()

    before = scrape()
    untouched = MetricTotals.objects.get()
    call_command("sweeper", "--once")
    after = scrape()

    assert value(before, "orders_total", status="filled") == 0
    assert (untouched.counted_until, untouched.totals) == (begun.counted_until, {})
    assert value(after, "orders_total", status="filled") == 1
    assert value(before, "counters_behind_seconds") >= 60 > value(after, "counters_behind_seconds")


@database
def test_session_of_a_scrape_may_only_read(monkeypatch: pytest.MonkeyPatch) -> None:
    begin_counting()
    begun = MetricTotals.objects.get().counted_until
    monkeypatch.setattr(metrics, "read_totals", count_new)

    assert value(scrape(), "database_up") == 0
    assert MetricTotals.objects.get().counted_until == begun


@database
def test_scrape_before_anything_was_counted_has_every_series_at_zero() -> None:
    MetricTotals.objects.all().delete()

    found = scrape()

    assert value(found, "database_up") == 1
    assert value(found, "orders_total", status="filled") == 0


@database
def test_what_lies_hours_back_is_caught_up_with(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metric_totals, "CATCH_UP_SECONDS", 60)
    now = timezone.now()
    MetricTotals.objects.update_or_create(
        pk=1, defaults={"counted_until": now - timedelta(hours=5), "totals": {}}
    )
    make_model_call(model="m", created_at=now - timedelta(hours=4, minutes=30))

    counted = count_new(until=now)

    assert counted.until == now
    assert counted.totals.counters["model_calls"] == {("m", "succeeded"): 1}


@database
def test_a_scrape_says_how_things_stand() -> None:
    make_agent(trading_state="active", mode="autonomous", failed_analyses=1)
    make_equity(equity=Decimal(99_000))
    make_position(market_value=Decimal(9_900))
    make_heartbeat(beaten_at=timezone.now() - timedelta(seconds=30))
    cycle = make_cycle(status="completed", ended_at=timezone.now() - timedelta(seconds=90), stage="ended")
    make_saga(order=make_order(decision=make_decision(cycle=cycle), status="accepted"))
    make_engagement()

    found = scrape()

    assert value(found, "database_up") == value(found, "redis_up") == 1
    assert value(found, "kill_switch_engaged") == value(found, "trading_state", state="halted") == 1
    assert value(found, "trading_state", state="active") == 0
    assert value(found, "mode", mode="autonomous") == 1
    assert value(found, "daily_pnl_usd") == -1000
    assert value(found, "daily_pnl_percent") == -1
    assert value(found, "exposure_usd") == 9900
    assert value(found, "open_orders", status="accepted") == value(found, "open_sagas", status="running") == 1
    assert value(found, "heartbeat_age_seconds", process="sweeper") >= 30
    assert value(found, "last_completed_cycle_age_seconds", type="analysis") >= 90
    assert value(found, "queue_length", queue="analysis") == 0
    assert value(found, "schedule_enabled") == value(found, "lock_waiters") == 0
    assert (
        value(found, "lock_held_seconds", lock="switch") == value(found, "lock_wait_seconds", lock="row") == 0
    )
    assert value(found, "condition", condition="sync") == value(found, "senders_fenced_total") == 0
    assert value(found, "disk_free_bytes") > 0
    assert value(found, "sagas_total", status="failed") == 0  # there before the first: an increase needs it


@database
def test_no_read_of_a_scrape_goes_over_a_growing_table() -> None:
    """With sequential scans made dear, the planner uses one only where no index serves."""
    begin_counting()
    traded()
    with CaptureQueriesContext(connection) as seen:
        count_new(until=timezone.now())
        metric_totals.known_series(Totals())
        from orchestrator_project.observability.metric_readings import database_readings

        assert database_readings()
    reads = [query["sql"] for query in seen if query["sql"].startswith("SELECT")]
    assert len(reads) >= 20

    with connection.cursor() as cursor:
        cursor.execute("SET enable_seqscan = off")
        for sql in reads:
            cursor.execute(f"EXPLAIN (FORMAT JSON) {sql}")
            [[plan]] = cursor.fetchall()
            scanned = set(_scanned(plan if isinstance(plan, list) else json.loads(plan)))
            assert not scanned & set(GROWING), sql
        cursor.execute("RESET enable_seqscan")


def _scanned(plan: object) -> Iterator[str]:
    if isinstance(plan, list):
        for part in plan:
            yield from _scanned(part)
    elif isinstance(plan, dict):
        if plan.get("Node Type") == "Seq Scan":
            yield str(plan["Relation Name"])
        for part in plan.values():
            yield from _scanned(part)


@database
@pytest.mark.parametrize(
    ("peer", "headers", "status"),
    [
        ("127.0.0.1", {}, 200),
        ("::1", {}, 200),
        ("10.0.0.7", {}, 401),
        ("127.0.0.1", {"HTTP_X_FORWARDED_FOR": "10.0.0.7"}, 401),
        ("10.0.0.7", {"HTTP_AUTHORIZATION": "Token wrong"}, 401),
        ("10.0.0.7", {"HTTP_AUTHORIZATION": "Token {token}"}, 200),
        ("10.0.0.7", {"HTTP_AUTHORIZATION": "Bearer {token}"}, 200),
        ("10.0.0.7", {"HTTP_AUTHORIZATION": "Token {token} of somebody who left"}, 401),
    ],
)
def test_it_is_open_to_this_machine_and_to_tokens(peer: str, headers: dict[str, str], status: int) -> None:
    is_gone = any("left" in text for text in headers.values())
    token = issue_token(user=make_user("prometheus", is_active=not is_gone)).text
    sent = {
        name: text.format(token=token).removesuffix(" of somebody who left") for name, text in headers.items()
    }

    assert Client(REMOTE_ADDR=peer, **sent).get("/metrics").status_code == status


@database
def test_this_machine_needs_a_token_where_it_is_set_so(settings: Settings) -> None:
    """Equity is no business of every user of a shared machine."""
    settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(update={"orchestrator_metrics": "token"})
    token = issue_token(user=make_user("prometheus")).text

    openly = Client(REMOTE_ADDR="127.0.0.1").get("/metrics")
    with_token = Client(REMOTE_ADDR="127.0.0.1", HTTP_AUTHORIZATION=f"Bearer {token}").get("/metrics")

    assert (openly.status_code, with_token.status_code) == (401, 200)


@contextmanager
def _silent_port() -> Iterator[int]:
    """A server that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        yield server.getsockname()[1]


@pytest.mark.parametrize("is_silent", [False, True], ids=["gone", "silent"])
def test_a_scrape_answers_while_database_and_redis_are_away(is_silent: bool, tmp_path: Path) -> None:
    program = tmp_path / "scrape.py"
    program.write_text(
        "import django; django.setup(); from django.test import Client;"
        "reply = Client().get('/metrics'); assert reply.status_code == 200; print(reply.content.decode())"
    )
    with _silent_port() as silent:
        port = silent if is_silent else 1
        environment = {
            **os.environ,
            "DATABASE_URL": f"postgresql://u:p@127.0.0.1:{port}/x",
            "REDIS_URL": f"redis://127.0.0.1:{port}/0",
            "ORCHESTRATOR_HOME": str(tmp_path),
            "DJANGO_SETTINGS_MODULE": "orchestrator_project.settings",
            "DJANGO_ALLOWED_HOSTS": "testserver",
        }
        done = forked.run([sys.executable, str(program)], env=environment, seconds=90)
    assert done.returncode == 0, done.stderr
    found = samples(done.stdout)

    assert value(found, "database_up") == value(found, "redis_up") == 0
    assert not [name for name, _ in found if name == "orchestrator_kill_switch_engaged"]  # not known is not 0


def test_labels_are_bounded() -> None:
    totals = Totals()
    for number in range(MOST_LABEL_SETS + 50):
        totals.add("provider_errors", ["quotes", f"Error{number}"])

    series = totals.counters["provider_errors"]
    assert len(series) == MOST_LABEL_SETS + 1
    assert series["other", "other"] == 50


@given(st.lists(st.floats(-1000, 1000), min_size=1))
def test_a_histogram_puts_each_value_into_the_first_bucket_that_holds_it(values: list[float]) -> None:
    totals = Totals()
    for number in values:
        totals.observe("slippage_bps", ["buy"], number)

    kept = Totals.from_json(json.loads(json.dumps(totals.to_json())))
    histogram = kept.histograms["slippage_bps"]["buy",]
    bounds = METRICS["slippage_bps"].buckets
    for place, bound in enumerate(bounds):
        assert sum(histogram.counts[: place + 1]) == sum(number <= bound for number in values)
    assert sum(histogram.counts) == len(values)
    assert histogram.total == pytest.approx(sum(values))
    assert kept == totals
