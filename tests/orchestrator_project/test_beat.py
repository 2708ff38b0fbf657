"""Beat goes on after a clock has stepped back: times stored or planned lie ahead then."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from celery.beat import event_t
from django.conf import settings as django_settings
from django.utils import timezone
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from orchestrator_project.beat import SteadyEntry, SteadyScheduler
from orchestrator_project.celery import app

INTERVAL = 60


@pytest.fixture
def scheduler(transactional_db: None) -> Iterator[SteadyScheduler]:
    """A scheduler with one task a minute that ran just now, and a list in place of the queue."""
    PeriodicTask.objects.all().delete()
    every, _ = IntervalSchedule.objects.get_or_create(every=INTERVAL, period=IntervalSchedule.SECONDS)
    PeriodicTask.objects.create(name="each minute", task="t", interval=every, last_run_at=timezone.now())
    made = SteadyScheduler(app=app, lazy=True)
    sent: list[str] = []
    made.apply_entry = lambda entry, producer=None: sent.append(entry.name)
    made.sent = sent
    yield made
    made._finalize.cancel()


def entry(scheduler: SteadyScheduler) -> Any:
    return scheduler.schedule["each minute"]


def waits(scheduler: SteadyScheduler) -> float:
    """Return for how many seconds the next run is planned from now."""
    scheduler.tick()
    at, _, first = scheduler._heap[0]
    return float(at - scheduler._when(first, 0))


def test_settings_name_this_scheduler() -> None:
    assert (
        f"{SteadyScheduler.__module__}.SteadyScheduler".replace(".SteadyScheduler", ":SteadyScheduler")
        == django_settings.CELERY_BEAT_SCHEDULER
    )


def test_task_waits_for_the_rest_of_its_interval(scheduler: SteadyScheduler) -> None:
    assert 0 < waits(scheduler) <= INTERVAL
    assert scheduler.sent == []


@pytest.mark.parametrize("hours", [2, 0.05])
def test_after_a_step_back_it_waits_for_one_interval_at_most(
    scheduler: SteadyScheduler, hours: float
) -> None:
    """What was planned before the step, and the last run, lie ahead by as much."""
    scheduler.tick()
    ahead = timedelta(hours=hours)
    entry(scheduler).last_run_at = entry(scheduler).model.last_run_at = timezone.now() + ahead
    scheduler._heap = [
        event_t(at + ahead.total_seconds(), order, what) for at, order, what in scheduler._heap
    ]

    assert 0 < waits(scheduler) <= INTERVAL


def test_started_after_a_step_back_it_waits_for_one_interval_at_most(scheduler: SteadyScheduler) -> None:
    PeriodicTask.objects.update(last_run_at=timezone.now() + timedelta(hours=2))

    assert 0 < waits(scheduler) <= INTERVAL


def test_after_a_step_forward_it_runs_at_once(scheduler: SteadyScheduler) -> None:
    PeriodicTask.objects.update(last_run_at=timezone.now() - timedelta(hours=2))

    waits(scheduler)

    assert scheduler.sent == ["each minute"]


def test_disabled_task_does_not_run(transactional_db: None) -> None:
    every, _ = IntervalSchedule.objects.get_or_create(every=INTERVAL, period=IntervalSchedule.SECONDS)
    task = PeriodicTask(name="off", task="t", interval=every, enabled=False, last_run_at=timezone.now())

    assert SteadyEntry(task, app=app).is_due().is_due is False
