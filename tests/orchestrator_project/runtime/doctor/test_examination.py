"""The doctor: each thing that can be missing is missing for real, and is named with its remedy."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import psutil
import pytest
import redis
from django.core.management import call_command
from django.utils import timezone
from django_celery_beat.models import IntervalSchedule, PeriodicTask
from pytest_django import Settings

from ai.models import ModelPrice
from orchestrator_project.environment import load_environment
from orchestrator_project.management.commands import doctor as doctor_command
from orchestrator_project.runtime.doctor import Status, examine, machine, models, processes, records, servers
from orchestrator_project.runtime.doctor import locks as doctor_locks
from orchestrator_project.runtime.doctor.finding import Answer, Check, ok
from orchestrator_project.runtime.engines import valkey
from orchestrator_project.runtime.engines.disk import NEEDED_BYTES
from orchestrator_project.runtime.prepare import seed
from risk.models import RiskLimits
from tests.e2e.system import System, manage
from tests.factories import (
    make_agent,
    make_cycle,
    make_engagement,
    make_event,
    make_heartbeat,
    make_model_call,
)
from tests.paths import ROOT
from tests.trading.lock_holders import held, hold_book
from tests.venue_process import VenueProcess
from trading.core.settings import CYCLE_SCHEDULE, MAINTENANCE_SCHEDULE
from trading.execution.portfolio import sync_portfolio
from trading.market.assets import refresh_assets
from trading.models import Asset, Event, RuntimeSetting, Strategy
from trading.work import disk_space, lock_registry

START = "start the system: `manage.py up`"
EVERY_CHECK = (
    (
        "python packages disk proxy environment database migrations queue events locks senders workers schedule sync"
        " beat sweeper relay consumer evaluator notices broker account market_time prices news finnhub coingecko"
        " providers clock"
        " clock_steps analyst budget model_speed settings assets strategies limits broker's_lists kill_switch"
    )
    .replace(" ", ",")
    .replace("_", " ")
    .split(",")
)


def doctor(**environment: str) -> tuple[int, dict[str, Any], str]:
    """Run ``manage.py doctor --json`` with these names set; return its code, its object and all its words."""
    keep = {k: v for k, v in os.environ.items() if k not in ("DATABASE_URL", "REDIS_URL")}
    done = subprocess.run(
        [sys.executable, "manage.py", "doctor", "--json"],
        cwd=ROOT,
        env=keep | environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    return done.returncode, dict(json.loads(done.stdout)), done.stdout + done.stderr


def by_name(report: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {check["name"]: check for check in report["checks"]}


def assert_says(answer: Answer, status: str, found: str, remedy: str) -> None:
    assert (answer.status, found in answer.found, remedy in answer.remedy) == (status, True, True), answer
    assert bool(answer.remedy) == (status in ("warning", "failed"))


# The command


def test_with_nothing_running_it_says_manage_py_up(home: Path) -> None:
    code, report, _ = doctor(ORCHESTRATOR_HOME=str(home))

    found = by_name(report)
    assert (code, report["ok"], list(found)) == (1, False, EVERY_CHECK)
    assert found["database"]["found"].endswith("(embedded)")
    assert found["migrations"]["status"] == "failed"
    assert found["workers"] | {"seconds": 0} == {
        "name": "workers",
        "status": "failed",
        "found": "no worker answers for queue default and fetch and upkeep and orders and analysis",
        "remedy": START,
        "seconds": 0,
    }
    assert found["account"]["found"] == "not checked: migrations failed"
    assert report["configuration"]["environment"]["DATABASE_URL"] == ""
    assert report["configuration"]["settings"] is None


def test_with_both_engines_down_it_still_answers_and_shows_no_secret(home: Path) -> None:
    """docs/lessons.md#lesson-14."""
    began = time.monotonic()
    code, report, words = doctor(
        ORCHESTRATOR_HOME=str(home),
        DATABASE_URL="postgresql://me:databasesecret@127.0.0.1:1/name",
        REDIS_URL="redis://:queuesecret@127.0.0.1:1/0",
        ALPACA_API_KEY="brokerkeysecret",
        ALPACA_SECRET_KEY="brokersecret",
        DJANGO_SECRET_KEY="djangosecret",
    )

    found = by_name(report)
    assert code == 1
    assert time.monotonic() - began < 300
    assert {name for name, check in found.items() if check["status"] == "failed"} == {"database", "queue"}
    assert "DATABASE_URL" in found["database"]["remedy"]
    assert "REDIS_URL" in found["queue"]["remedy"]
    assert found["workers"]["found"] == "not checked: queue failed"
    assert report["configuration"]["environment"]["ALPACA_API_KEY"] == "***"
    assert report["configuration"]["engines"]["database"] == "postgresql://***@127.0.0.1:1/name"
    assert "secret" not in words.replace("SECRET_KEY", "").replace("secret_key", "")


@pytest.fixture
def prepared(transactional_db: None, venue: VenueProcess) -> None:
    """What a start leaves behind, without its processes."""
    seed()
    sync_portfolio(None)
    refresh_assets()


@pytest.mark.system
def test_a_running_system_is_ok_and_a_dead_analyst_is_missed(prepared: None, tmp_path: Path) -> None:
    system = System(tmp_path)
    system.start()
    try:
        healthy = manage("doctor")
        system.kill("analyst")
        wounded = manage("doctor")
    finally:
        system.stop()

    assert healthy.returncode == 0, healthy.stdout
    assert healthy.stdout.endswith("a cycle can run\n")
    assert "FAILED" not in healthy.stdout
    assert "cycle_interval = 60 seconds" in healthy.stdout
    assert "Trading cycle = every 60 seconds" in healthy.stdout
    assert "mode = manual" in healthy.stdout
    assert wounded.returncode == 1
    assert "FAILED   workers      no worker answers for queue analysis" in wounded.stdout
    assert f"-> {START}" in wounded.stdout


def test_the_command_only_reads(prepared: None, capsys: pytest.CaptureFixture[str]) -> None:
    before = (Asset.objects.count(), Strategy.objects.get().updated_at, Asset.objects.latest("refreshed_at"))

    with pytest.raises(SystemExit, match="1"):
        call_command("doctor")

    assert "FAILED   sweeper      it has never run here" in capsys.readouterr().out
    assert before == (
        Asset.objects.count(), Strategy.objects.get().updated_at, Asset.objects.latest("refreshed_at")
    )  # fmt: skip


# The examination


def test_a_check_that_hangs_is_left_behind() -> None:
    """docs/lessons.md#lesson-20."""
    never = threading.Event()
    hanging = Check("hanging", lambda: ok(str(never.wait())))

    def half_described(facts: dict[str, Any]) -> None:
        facts["known"] = "yes"
        facts["late"] = never.wait()

    leisurely = Check("leisurely", lambda: ok(str(never.wait())), late=Status.WARNING)

    examination = examine([hanging, leisurely], describe=half_described, limit_seconds=0.1)

    assert [(f.status, f.found) for f in examination.findings] == [
        ("failed", "no answer within 0.1 s"),
        ("warning", "no answer within 0.1 s"),
    ]
    assert examination.configuration == {"known": "yes"}
    never.set()


def test_a_check_that_raises_is_a_finding_without_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AI_API_KEY", "model-key-0123")

    def raises() -> Answer:
        raise RuntimeError("refused\nkey model-key-0123 at https://me:pw12345@host/?token=abc")

    (finding,) = examine([Check("broken", raises)], describe=dict.clear).findings

    assert finding.status == "failed"
    assert finding.found == "RuntimeError: refused key *** at https://[redacted]@host/?token=[redacted]"


def test_what_needs_a_failed_check_is_not_tried() -> None:
    tried: list[str] = []

    def look(name: str, status: Status) -> Callable[[], Answer]:
        return lambda: (tried.append(name), Answer(status, name))[1]

    checks = [
        Check("late", look("late", Status.OK), needs=("middle",)),
        Check("middle", look("middle", Status.OK), needs=("first",)),
        Check("first", look("first", Status.FAILED)),
        Check("other", look("other", Status.OK), needs=("off",)),
        Check("off", look("off", Status.OFF)),
    ]

    findings = examine(checks, describe=dict.clear).findings

    assert sorted(tried) == ["first", "off", "other"]
    assert [f.found for f in findings] == [
        "not checked: first failed", "not checked: first failed", "first", "other", "off"
    ]  # fmt: skip


# The machine


def test_an_old_python() -> None:
    assert_says(machine.python((3, 10, 14)), "failed", "Python 3.10.14", "install Python 3.11 or newer")


def test_packages_that_are_missing_or_other_than_locked(tmp_path: Path) -> None:
    lock = tmp_path / "runtime.txt"
    lock.write_text("no-such-thing==1.0 \\\n    --hash=sha256:00\npsutil==0.1 ; sys_platform == 'nowhere'\n")
    missing = machine.packages(lock)
    lock.write_text(
        f"psutil==0.1 ; python_version >= '3.11' \\\n    --hash=sha256:00\nredis=={redis.__version__}\n"
    )
    other = machine.packages(lock)

    assert_says(missing, "failed", "not installed: no-such-thing", "make install")
    assert_says(other, "warning", f"psutil {psutil.__version__} instead of 0.1", "make install")
    assert_says(machine.packages(tmp_path / "none.txt"), "warning", "missing", "restore it")
    assert machine.packages().status == "ok"


def test_a_disk_that_fills_up(tmp_path: Path) -> None:
    plenty = 10**18

    assert_says(machine.disk(tmp_path, comfort_bytes=plenty), "warning", "MB free", "ORCHESTRATOR_HOME")
    assert_says(machine.disk(tmp_path, needed_bytes=plenty), "failed", "MB free", "ORCHESTRATOR_HOME")
    assert_says(machine.disk(tmp_path / "none"), "failed", "not a folder", "ORCHESTRATOR_HOME")
    assert disk_space.FULL_BYTES == NEEDED_BYTES  # what the notices and probes call full, no start accepts


# The engines


@pytest.fixture
def own_queue(home: Path) -> Iterator[tuple[str, redis.Redis]]:
    """A server of the test's own, whose settings it may spoil."""
    record = valkey.start(home, None)
    with redis.Redis.from_url(record.url) as client:
        yield record.url, client


def test_a_queue_that_forgets(own_queue: tuple[str, redis.Redis]) -> None:
    url, client = own_queue
    kept = servers.queue(url)
    client.config_set("appendonly", "no")
    client.config_set("maxmemory-policy", "allkeys-lru")

    assert kept.status == "ok"
    assert "append-only file, no eviction" in kept.found
    assert_says(
        servers.queue(url),
        "warning",
        "nothing is kept across a crash, messages may be dropped (allkeys-lru)",
        "set `appendonly yes`, set `maxmemory-policy noeviction`",
    )


def test_a_queue_with_another_password(own_queue: tuple[str, redis.Redis]) -> None:
    url, _ = own_queue

    assert_says(servers.queue(url.replace("redis://:", "redis://:x")), "failed", "no answer", "REDIS_URL")


@pytest.mark.django_db(transaction=True)
def test_a_pending_migration_is_named() -> None:
    call_command("migrate", "sessions", "zero", verbosity=0)
    try:
        answer = servers.migrations()
    finally:
        call_command("migrate", verbosity=0)

    assert_says(answer, "failed", "1 not applied, the first is sessions.0001_initial", "manage.py prepare")
    assert servers.migrations().status == "ok"


# The processes


@pytest.fixture
def seeded(db: None) -> None:
    seed()


def test_the_schedule(seeded: None) -> None:
    cycle = PeriodicTask.objects.filter(name=CYCLE_SCHEDULE)
    assert "a cycle every 60 s, maintenance every hour" in processes.schedule().found

    cycle.update(enabled=False)
    assert_says(processes.schedule(), "warning", "disabled: Trading cycle", "enable it in the console")
    assert_says(processes.schedule(), "warning", "no trading cycle starts by itself", "manage.py prepare")
    cycle.update(enabled=True, task="trading.maintain_cycle")
    assert_says(processes.schedule(), "warning", "another task (trading.maintain_cycle)", "enable it in the")

    cycle.update(task="trading.start_cycle")
    other = IntervalSchedule.objects.create(every=2, period=IntervalSchedule.MINUTES)
    cycle.update(enabled=True, interval=other)
    assert_says(processes.schedule(), "warning", "every 120 s, but the setting", "save cycle_interval")

    PeriodicTask.objects.filter(name=MAINTENANCE_SCHEDULE).delete()
    assert_says(processes.schedule(), "warning", "'Maintenance cycle' is missing", "manage.py prepare")

    cycle.delete()
    assert_says(processes.schedule(), "failed", "'Trading cycle' has no interval", "manage.py prepare")


def test_a_disabled_schedule_is_not_called_a_cycle_that_can_run(
    prepared: None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    PeriodicTask.objects.filter(name=CYCLE_SCHEDULE).update(enabled=False)
    monkeypatch.setattr(doctor_command, "examine", lambda: examine([Check("schedule", processes.schedule)]))

    call_command("doctor")

    words = capsys.readouterr().out
    assert "WARNING  schedule     disabled: Trading cycle; no trading cycle starts by itself" in words
    assert words.endswith(
        "no cycle starts by itself: see WARNING schedule above (one started by hand would run)\n"
    )
    assert "a cycle can run" not in words


@pytest.mark.parametrize(
    ("age", "status", "words"),
    [
        (None, "ok", "not read yet"),
        (149, "ok", "last read 2 min ago"),
        (170, "warning", "nobody watches its loss"),
        (-3600, "warning", "s from now"),
    ],
)
def test_an_account_that_nobody_reads(db: None, age: int | None, status: str, words: str) -> None:
    make_agent(positions_as_of=None if age is None else timezone.now() - timedelta(seconds=age))

    answer = processes.sync()

    assert (answer.status, words in answer.found) == (status, True), answer


def test_locks_that_are_held_too_long_are_named_with_their_holder(
    transactional_db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert doctor_locks.locks() == ok("0 held, 0 waited for, none too long")
    monkeypatch.setattr(lock_registry, "BOUNDS", dict.fromkeys(lock_registry.BOUNDS, -1.0))

    with held(hold_book):
        answer, described = doctor_locks.locks(), doctor_locks.described()

    assert_says(answer, "warning", "holds book since 0 s", "stopped or paused?")
    assert [words.startswith("orchestrator ") for words in described.values()] == [True, True]
    assert {name.split()[0] for name in described} == {"book", "transaction"}
    assert doctor_locks.described() == {"held or waited for": "none"}


def test_senders_that_were_cut_off_are_remembered_for_an_hour(db: None) -> None:
    assert doctor_locks.senders() == ok("none was cut off in the last hour")
    fenced = make_event(
        aggregate_type="sender",
        aggregate_id="7-1",
        type="kill_switch.sender_fenced",
        payload={
            "pid": 7,
            "application": "orchestrator worker 9",
            "held_seconds": 12.3,
            "client_order_id": "x-entry-0",
        },
    )

    assert_says(doctor_locks.senders(), "warning", "orchestrator worker 9 at", "manage.py reconcile")
    assert "with x-entry-0" in doctor_locks.senders().found
    Event.objects.filter(pk=fenced.pk).update(occurred_at=timezone.now() - timedelta(minutes=61))
    assert doctor_locks.senders().status == "ok"


@pytest.mark.parametrize(("age", "status"), [(60, "ok"), (359, "ok"), (400, "warning")])
def test_beat_is_judged_by_its_cycles(seeded: None, age: int, status: str) -> None:
    assert processes.beat().found == "no scheduled cycle yet"

    make_cycle(trigger="schedule", started_at=timezone.now() - timedelta(seconds=age))

    assert processes.beat().status == status


@pytest.mark.parametrize(
    ("age", "status", "words"),
    [(3, "ok", "3 s ago"), (300, "failed", "5 min ago"), (200_000, "failed", "2 days ago")],
)
def test_the_sweeper_is_judged_by_its_heartbeat(db: None, age: int, status: str, words: str) -> None:
    make_heartbeat(beaten_at=timezone.now() - timedelta(seconds=age))

    answer = processes.sweeper()

    assert (answer.status, answer.found) == (status, f"last sign of life {words}")


# The models


@pytest.mark.parametrize(
    ("names", "status", "found"),
    [
        ("", "ok", "built-in technical analyst (not a language model)"),
        ("openai/gpt-4o-mini", "ok", "openai/gpt-4o-mini"),
        ("builtin/technical-v1", "ok", "not a language model"),
        ("gpt-4o", "warning", "gpt-4o: no provider prefix"),
        ("openai/my-own-model", "failed", "its price is not known, so it is not asked"),
        ("nobody/model", "failed", "nobody/model: unknown provider"),
        ("anything", "failed", "anything: no provider prefix"),
        ("nobody/model,openai/gpt-4o-mini", "warning", "nobody/model: unknown provider"),
    ],
)  # fmt: skip
def test_models_are_looked_up_by_name(
    db: None, settings: Settings, names: str, status: str, found: str
) -> None:
    settings.ENVIRONMENT = load_environment({"AI_MODELS": names, "AI_API_KEY": "key-012345"})

    answer = models.analyst()

    assert (answer.status, found in answer.found) == (status, True), answer


def test_a_model_without_a_listed_price(db: None, settings: Settings) -> None:
    here = {"AI_MODELS": "openai/own", "AI_API_KEY": "key-012345", "AI_API_BASE": "http://127.0.0.1:9/v1"}
    settings.ENVIRONMENT = load_environment(here)
    assert_says(models.analyst(), "warning", "served by this machine, it counts nothing", "Model prices")

    settings.ENVIRONMENT = load_environment({"AI_MODELS": "openai/own", "AI_API_KEY": "key-012345"})
    ModelPrice.objects.create(model="openai/own", input_usd_per_million=1, output_usd_per_million=2)
    assert models.analyst() == ok("openai/own")


def test_a_model_without_its_key(db: None, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    settings.ENVIRONMENT = load_environment({"AI_MODELS": "openai/gpt-4o-mini"})
    assert_says(models.analyst(), "failed", "OPENAI_API_KEY is not set", "AI_API_KEY")

    monkeypatch.setenv("OPENAI_API_KEY", "key-012345")
    assert models.analyst() == ok("openai/gpt-4o-mini")


def test_the_budget_of_the_day(db: None, settings: Settings) -> None:
    assert models.budget().status == "off"

    settings.ENVIRONMENT = load_environment({"AI_MODELS": "openai/gpt-4o-mini", "AI_DAILY_BUDGET_USD": "0.5"})
    make_model_call(charged_usd=Decimal("0.25"))
    assert models.budget() == ok("0.2500 of 0.50 USD spent since midnight UTC")

    make_model_call(charged_usd=Decimal("0.25"))
    assert_says(models.budget(), "warning", "every decision holds", "AI_DAILY_BUDGET_USD")


# The rows every cycle reads


def test_records_of_a_fresh_start(seeded: None) -> None:
    assert records.runtime_settings().status == "ok"
    assert records.strategies() == ok("active: Balanced momentum")
    assert records.limits() == ok(
        "version 1 by seed: position 10 %, exposure 50 %, 15 positions, daily loss 5 %,"
        " at stops 1 % a position, 5 % in all"
    )
    assert records.kill_switch() == ok("released")
    assert_says(records.assets(), "failed", "none is listed", START)


def test_records_that_are_missing_or_wrong(seeded: None) -> None:
    RuntimeSetting.objects.filter(pk="cycle_interval").update(value="soon")
    Strategy.objects.update(is_active=False)
    RiskLimits.objects.all().delete()
    make_engagement(reason="drill")

    assert_says(records.runtime_settings(), "failed", "cycle_interval: was 'soon'", "System, Settings")
    assert_says(records.strategies(), "failed", "none is active", "Strategies")
    assert_says(records.limits(), "failed", "the gate denies every entry", "manage.py prepare")
    assert_says(records.kill_switch(), "warning", "(drill): no trading cycle runs", "kill_switch release")


def test_assets_that_nobody_refreshed(prepared: None) -> None:
    fresh = records.assets()
    Asset.objects.update(refreshed_at=timezone.now() - timedelta(hours=26))

    assert fresh == ok("150 stocks, 20 coins, listed 0.0 h ago")
    assert_says(records.assets(), "warning", "listed 26.0 h ago", "--type maintenance")
