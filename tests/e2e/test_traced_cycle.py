"""One real cycle, from beat to the order and back: its spans form one trace, its log lines carry its ids."""

import json
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
import requests
from django.conf import settings
from django.utils import timezone
from django_celery_beat.models import PeriodicTask

from benchmarks.waterfall import draw
from tests.ai.chat_server import ChatServer
from tests.e2e.system import System
from tests.e2e.truth import wait_for_end
from tests.otlp import Collector, SeenSpan
from tests.ports import free_port
from tests.venue_process import VenueProcess
from tests.waiting import wait_until
from trading import tasks
from trading.core.settings import CYCLE_SCHEDULE
from trading.cycle.cycles import start_cycle
from trading.models import Asset, Cycle, Saga

pytestmark = [pytest.mark.system, pytest.mark.django_db(transaction=True)]
KEY = "sk-test-0f-the-model-and-nobody-else"
SHAPE = {"timestamp", "level", "logger", "process", "pid", "event"}


@dataclass(frozen=True)
class Told:
    """What the processes said of one cycle."""

    cycle: Cycle
    spans: list[SeenSpan]
    lines: list[dict[str, Any]]
    by_process: dict[str, list[str]]
    everything: list[SeenSpan]

    def children(self, span: SeenSpan) -> list[SeenSpan]:
        return [other for other in self.spans if other.parent_id == span.span_id]

    def ancestors(self, span: SeenSpan) -> list[SeenSpan]:
        """Return the span's parents, the nearest first."""
        by_id = {other.span_id: other for other in self.spans}
        found: list[SeenSpan] = []
        while span.parent_id in by_id:
            span = by_id[span.parent_id]
            found.append(span)
        return found

    def named(self, name: str) -> list[SeenSpan]:
        return [span for span in self.spans if span.name == name]


@pytest.fixture
def told(seeded: None, market: VenueProcess) -> Iterator[Told]:
    """Let beat start a cycle whose model buys some coins, and collect everything that is said."""
    _few_coins()
    PeriodicTask.objects.filter(name=CYCLE_SCHEDULE).update(last_run_at=timezone.now() - timedelta(hours=1))
    home = Path(tempfile.mkdtemp(prefix="sys-", dir=settings.ENVIRONMENT.orchestrator_home))
    with redis.Redis.from_url(settings.REDIS_URL) as queue:
        queue.flushdb()
    with Collector() as collector, ChatServer() as chat:
        variables = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint,
            "AI_MODELS": "openai/sound",
            "AI_API_BASE": chat.api_base,
            "AI_API_KEY": KEY,
        }
        port = free_port()
        system = System(home, variables=variables, also=frozenset({"beat", "web"}), port=port)
        try:
            system.start()
            system.start_one("web")
            system.start_one("beat")  # what it sends to workers that are not there yet would expire
            cycle = wait_until(_traded, seconds=180, what="a cycle of beat that traded")
            wait_until(
                lambda: _is_whole(collector.trace_of(str(cycle.pk))),
                seconds=180,
                what="the last spans of the cycle",
            )
            wait_until(
                lambda: _page(port), seconds=180, what=f"the web process answers: {system.log('web')[-500:]}"
            )
            wait_until(
                lambda: collector.spans(http__method="GET", http__route="admin/login/"), what="its span"
            )
        finally:
            system.stop()
        texts = {name: system.log(name).splitlines() for name in system.names}
        lines = [json.loads(line) for text in texts.values() for line in text]
        yield Told(
            cycle,
            collector.trace_of(str(cycle.pk)),
            [line for line in lines if line.get("cycle_id") == str(cycle.pk)],
            texts,
            collector.spans(),
        )
    shutil.rmtree(home, ignore_errors=True)


def _page(port: int) -> bool:
    """Ask the web process for a page, with a key in the address."""
    try:
        return (
            requests.get(f"http://127.0.0.1:{port}/admin/login/?token={KEY}", timeout=120).status_code == 200
        )
    except requests.ConnectionError:
        return False


def _few_coins() -> None:
    keep = Asset.objects.filter(asset_class="crypto").order_by("-dollar_volume")[:6]
    Asset.objects.exclude(pk__in=[asset.pk for asset in keep]).update(tradable=False)


def _traded() -> Cycle | None:
    done = Saga.objects.filter(status="completed").values_list("cycle_id", flat=True)
    return Cycle.objects.filter(pk__in=list(done), status="completed", trigger="schedule").first()


def _is_whole(spans: list[SeenSpan]) -> bool:
    """Whether every span's parent has arrived, too, and the cycle's end is among them."""
    known = {span.span_id for span in spans}
    orphans = [span for span in spans if span.parent_id not in known]
    return len(orphans) == 1 and {"finish_cycle", "update-position"} <= {span.name for span in spans}


def test_one_cycle_is_one_trace_and_its_lines_name_it(told: Told) -> None:
    _every_process_writes_the_same_shape(told)
    _the_spans_are_one_trace(told)
    _from_beat_to_the_order_and_back(told)
    _the_lines_carry_cycle_and_trace(told)
    _no_key_and_no_prompt_is_told(told)
    assert "risk_and_execute" in draw(told.spans, heading="drawn")


def _every_process_writes_the_same_shape(told: Told) -> None:
    for name, texts in told.by_process.items():
        parsed = [json.loads(text) for text in texts]  # a banner or a bare traceback would not be JSON
        assert parsed or name in ("web", "sweeper"), f"{name} wrote nothing"  # these two may be silent
        for line in parsed:
            assert line.keys() >= SHAPE, line
            assert line["process"] == name, line


def _the_spans_are_one_trace(told: Told) -> None:
    assert len({span.trace_id for span in told.spans}) == 1
    roots = [span for span in told.spans if not told.ancestors(span)]
    assert [(root.name, root.process, root.parent_id) for root in roots] == [
        ("apply_async/trading.start_cycle", "beat", "")
    ]
    assert {span.process for span in told.spans} >= {"beat", "worker", "io_worker", "analyst"}
    stages = {"start_cycle", "fan_out", "fetch_coins", "fetch_news", "sync_account", "analyse"}
    stages |= {"model call", "risk_and_execute", "gate", "submit-order", "submit", "finish_cycle"}
    assert {span.name for span in told.spans} >= stages
    for name in stages - {"model call"}:
        for span in told.named(name):
            assert span.attributes["orchestrator.cycle_id"] == str(told.cycle.pk), span


def _from_beat_to_the_order_and_back(told: Told) -> None:
    posts = [
        span
        for span in told.spans
        if span.name == "POST" and span.kind == "client" and "/v2/orders" in str(span.attributes)
    ]
    assert posts
    way = [span.name for span in told.ancestors(posts[0])]
    wanted = ["submit", "submit-order", "risk_and_execute", "run/trading.risk_and_execute", "analyse",
              "run/trading.analyse", "fan_out", "start_cycle", "apply_async/trading.start_cycle"]  # fmt: skip
    assert [name for name in way if name in wanted] == wanted
    # Through the chord's last task, through the saga that ended last, or through the sweeper where it was quicker.
    before = {"run/trading.risk_and_execute", "run/trading.advance_saga", "revive"}
    for finish in told.named("run/trading.finish_cycle"):
        assert before & {span.name for span in told.ancestors(finish)}
    [question, *_] = [span for span in told.spans if "/chat/completions" in str(span.attributes)]
    assert {"model call", "analyse"} <= {
        span.name for span in told.ancestors(question)
    }  # through two threads
    systems = {span.attributes.get("db.system") for span in told.spans}
    assert systems >= {"postgresql", "redis"}


def _the_lines_carry_cycle_and_trace(told: Told) -> None:
    trace_id = told.spans[0].trace_id
    assert told.lines
    in_line = [line for line in told.lines if line["process"] in ("worker", "io_worker", "analyst")]
    assert {line.get("trace_id") for line in in_line} == {trace_id}
    assert {line["process"] for line in told.lines} >= {"worker", "io_worker", "analyst"}
    done = [
        line for line in told.lines if line["event"] == "task_done" and line["task"] == "risk_and_execute"
    ]
    assert done
    assert all(line["decision_id"] and line["task_id"] for line in done)


def _no_key_and_no_prompt_is_told(told: Told) -> None:
    assert {span.process for span in told.everything} >= {"web", "worker", "io_worker", "analyst", "beat"}
    spans = str(told.everything)
    assert "url" in spans
    for secret in (KEY, "Look for liquid symbols"):
        assert secret not in spans
        assert secret not in str(told.by_process)
    lone = [s for s in told.everything if s.kind == "client" and not s.parent_id]
    assert not lone  # polls start no traces


def test_a_collector_that_hangs_takes_nothing_from_a_cycle(seeded: None, market: VenueProcess) -> None:
    home = Path(tempfile.mkdtemp(prefix="sys-", dir=settings.ENVIRONMENT.orchestrator_home))
    with redis.Redis.from_url(settings.REDIS_URL) as queue:
        queue.flushdb()
    with Collector(is_hanging=True) as collector:
        system = System(home, variables={"OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint})
        try:
            system.start()
            cycle = start_cycle(trigger="test", symbols=["BTC/USD", "ETH/USD"])
            tasks.launch(cycle)
            wait_for_end(cycle)
            complaints = wait_until(
                lambda: system.lines("trace_export_failed"), what="somebody says that spans are lost"
            )
        finally:
            system.stop()

    assert (cycle.status, cycle.errors) == ("completed", [])
    pids = [line["pid"] for line in complaints]
    assert len(pids) == len(set(pids))  # once each, however many batches were lost
    assert not [name for name in system.names if "opentelemetry" in system.log(name)]
    shutil.rmtree(home, ignore_errors=True)
