"""Whether it lives, whether it can work, whether its start is done; asked by anybody."""

import re
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from django_celery_beat.models import PeriodicTask

from connectors.errors import UnavailableError
from orchestrator_project import health
from orchestrator_project.runtime.doctor.finding import Check, ok
from orchestrator_project.runtime.prepare import seed
from tests.factories import make_agent
from tests.risk.threads import at_once
from tests.trading.lock_holders import held, hold_book
from tests.trading.scenes import ago
from tests.venue_process import VenueProcess
from trading.core.settings import CYCLE_SCHEDULE
from trading.models import Heartbeat, Strategy
from trading.work import disk_space, lock_registry


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """Forget what was answered before, and after."""
    for kept in (health.ready, health.startup, health.broker, health.workers):
        kept.forget()
    yield
    for kept in (health.ready, health.startup, health.broker, health.workers):
        kept.forget()


def checks(path: str) -> tuple[int, dict[str, dict[str, Any]]]:
    """Ask; return the status and the looks by name."""
    answered = Client().get(path)
    return answered.status_code, {each["name"]: each for each in answered.json()["checks"]}


@pytest.mark.parametrize("path", ["/health/live", "/api/health/live"])
def test_live_touches_nothing(path: str) -> None:
    """Without access to the database, pytest-django fails any query."""
    answered = Client().get(path)

    assert (answered.status_code, answered.json()) == (200, {"status": "ok"})


def test_ready_names_what_is_missing_with_time_and_reason(
    transactional_db: None, venue: VenueProcess
) -> None:
    make_agent()
    health.broker()  # the first look loads the SDK, which may take longer than a probe waits

    status, looks = checks("/health/ready")

    assert status == 503
    assert list(looks) == [
        "database", "redis", "migrations", "broker", "worker", "sweeper", "schedule", "sync", "locks", "disk"
    ]  # fmt: skip
    assert {name for name, look in looks.items() if not look["ok"]} == {"worker", "sweeper"}
    assert looks["sweeper"]["reason"] == "it has never run here"
    assert all(look["checkedAt"] and look["seconds"] >= 0 for look in looks.values())


def test_ready_when_everything_answers(
    transactional_db: None, venue: VenueProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_agent()
    Heartbeat.objects.create(process="sweeper", beaten_at=timezone.now())
    health.broker()
    looks = [check if check.name != "worker" else Check("worker", lambda: ok("w")) for check in health.READY]
    monkeypatch.setattr(health, "READY", tuple(looks))

    status, found = checks("/health/ready")

    assert (status, [name for name, look in found.items() if not look["ok"]]) == (200, [])


def test_sweeper_that_stopped_is_seen(transactional_db: None, venue: VenueProcess) -> None:
    make_agent()
    Heartbeat.objects.create(process="sweeper", beaten_at=ago(seconds=60))

    _, looks = checks("/health/ready")

    assert looks["sweeper"]["ok"] is False
    assert looks["sweeper"]["reason"].startswith("last sign of life 6")


def test_a_schedule_that_is_disabled_is_said_and_no_failure(
    transactional_db: None, venue: VenueProcess
) -> None:
    make_agent()
    seed()
    _, before = checks("/health/ready")
    PeriodicTask.objects.filter(name=CYCLE_SCHEDULE).update(enabled=False)
    health.ready.forget()

    _, after = checks("/health/ready")

    assert before["schedule"]["reason"] == "trading cycles start by themselves"
    assert after["schedule"]["ok"] is True
    assert after["schedule"]["reason"].startswith(
        "disabled: Trading cycle; no trading cycle starts by itself"
    )


@pytest.mark.parametrize(("age", "is_ok"), [(140, True), (170, False)])
def test_an_account_that_nobody_reads_makes_it_unready(
    transactional_db: None, venue: VenueProcess, age: int, is_ok: bool
) -> None:
    make_agent(positions_as_of=ago(seconds=age))

    _, looks = checks("/health/ready")

    assert looks["sync"]["ok"] is is_ok
    assert ("nobody watches its loss" in looks["sync"]["reason"]) is not is_ok


def test_a_lock_that_is_stuck_is_said_without_saying_whose(
    transactional_db: None, venue: VenueProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_agent()
    monkeypatch.setattr(lock_registry, "BOUNDS", {"book": -1.0, "transaction": 1000.0})

    with held(hold_book):
        _, looks = checks("/health/ready")

    assert looks["locks"]["ok"] is True
    assert re.fullmatch(r"book for \d+ s", looks["locks"]["reason"])


@pytest.mark.parametrize(
    ("free", "embedded", "is_ok", "reason"),
    [
        (disk_space.LOW_BYTES, True, True, "has room"),
        (disk_space.LOW_BYTES - 1, True, True, "nearly full"),
        (disk_space.FULL_BYTES - 1, True, False, "full: the database can take no more"),
        (disk_space.FULL_BYTES - 1, False, True, "nearly full"),
        (None, True, True, "has room"),
    ],
)
def test_a_disk_that_fills_up(
    monkeypatch: pytest.MonkeyPatch, free: int | None, embedded: bool, is_ok: bool, reason: str
) -> None:
    monkeypatch.setattr(disk_space, "free_bytes", lambda: free)
    monkeypatch.setattr(health.servers, "postgres_is_embedded", lambda: embedded)
    monkeypatch.setattr(health, "READY", [check for check in health.READY if check.name == "disk"])

    _, looks = checks("/health/ready")

    assert (looks["disk"]["ok"], looks["disk"]["reason"]) == (is_ok, reason)


def test_broker_is_asked_once_by_a_storm_of_probes(transactional_db: None, venue: VenueProcess) -> None:
    """A probe costs the broker's rate limit nothing."""
    make_agent()
    health.broker()
    health.broker.forget()
    before = len(venue.requests(path="/v2/clock"))

    at_once(8, lambda _: Client().get("/health/ready"))
    health.ready.forget()
    checks("/health/ready")

    assert len(venue.requests(path="/v2/clock")) - before == 1


def test_broker_that_is_away_makes_it_unready(
    transactional_db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_agent()

    def away() -> None:
        raise UnavailableError("alpaca", "clock", "a secret address")

    monkeypatch.setattr(health, "current_providers", away)

    _, looks = checks("/health/ready")

    assert looks["broker"]["reason"] == "no answer (UnavailableError)"


def test_look_that_hangs_does_not_hold_the_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()
    monkeypatch.setattr(health, "LOOK_SECONDS", 0.1)
    monkeypatch.setattr(health, "READY", (Check("database", lambda: ok(str(release.wait(60)))),))

    status, looks = checks("/health/ready")
    release.set()

    assert (status, looks["database"]["reason"]) == (503, "no answer within 0.1 s")


def test_startup_is_done_with_the_first_rows(transactional_db: None) -> None:
    before, looks = checks("/health/startup")
    seed()
    health.startup.forget()
    after, _ = checks("/health/startup")
    Strategy.objects.all().delete()
    health.startup.forget()

    assert (before, looks["seeds"]["ok"]) == (503, False)
    assert after == 200
    assert checks("/health/startup")[0] == 503
