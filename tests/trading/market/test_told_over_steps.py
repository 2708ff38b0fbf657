"""What tells the log goes on when a clock steps back: terminal, stream and counters, nothing twice or left out."""

from datetime import timedelta

import pytest
from django.utils import timezone

from orchestrator_project.observability.metric_totals import count_new
from orchestrator_project.runtime.event_tail import EventTail
from tests.factories import make_event
from trading.models import Event, MetricTotals
from trading.queries.event_stream import events_after, newest_place, place_of

HOURS = timedelta(hours=2)


def saga_completes(at: timedelta = timedelta(0)) -> Event:
    """Write an event that happened so long from now."""
    payload = {"from": "running", "to": "completed"}
    event = make_event(aggregate_type="saga", type="saga.complete", payload=payload)
    Event.objects.filter(pk=event.pk).update(occurred_at=timezone.now() + at)
    return event


@pytest.mark.django_db
def test_terminal_says_what_happens_after_a_step_back(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(
        "orchestrator_project.runtime.event_tail.lines_of", lambda events: [str(event.pk) for event in events]
    )
    real = timezone.now
    with monkeypatch.context() as ahead:
        ahead.setattr(timezone, "now", lambda: real() + HOURS)
        tail = EventTail(said.append)
        saga_completes()
        tail.look()
    assert len(said) == 1

    after = saga_completes()
    for _ in range(3):
        tail.look()

    assert said[1:] == [str(after.pk)]


@pytest.mark.django_db(transaction=True)
def test_stream_tells_what_happens_after_a_step_back() -> None:
    before = saga_completes(HOURS)
    after = saga_completes(-timedelta(seconds=2))

    place = place_of(before.pk)
    assert place is not None
    found, place = events_after(place, {})

    assert [event.pk for event in found] == [after.pk]
    assert place.transaction_id <= newest_place().transaction_id
    assert events_after(place, {})[0] == []


@pytest.mark.django_db
def test_counters_go_on_after_a_step_back_and_count_nothing_twice() -> None:
    saga_completes(HOURS - timedelta(minutes=1))
    count_new(until=timezone.now() + timedelta(hours=1))
    assert count_new(until=timezone.now() + HOURS).totals.counters["sagas"]["completed",] == 1

    count_new()
    assert MetricTotals.objects.get().counted_until <= timezone.now()
    saga_completes()
    totals = count_new(until=timezone.now() + timedelta(hours=1)).totals
    assert totals.counters["sagas"]["completed",] == 2

    totals = count_new(until=timezone.now() + HOURS).totals
    assert totals.counters["sagas"]["completed",] == 2
