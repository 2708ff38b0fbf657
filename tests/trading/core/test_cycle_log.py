"""A cycle's errors stand once, in its events; whoever lists cycles reads them from there."""

import pytest
from django.db import transaction
from pytest_django import DjangoAssertNumQueries

from tests.factories import make_cycle, make_decision
from tests.risk.threads import beside
from trading.core import cycle_log
from trading.cycle import cycles
from trading.models import AIDecision, Cycle, Event

KEYS = {"operation", "type", "message", "symbol", "at"}


@pytest.mark.django_db
def test_error_is_told_by_the_cycle_at_once_and_stands_in_its_events_alone() -> None:
    cycle = make_cycle(status="running")

    cycle_log.record_error(cycle.pk, operation="quotes", error=ValueError("odd"), symbol="AAPL")
    cycle_log.record_warning(cycle.pk, operation="news", message="late")
    cycle_log.record_error(cycle.pk, operation="bars", error=KeyError("x"))

    stored = Cycle.objects.get()
    assert [(error["operation"], error["type"]) for error in stored.errors] == [
        ("quotes", "ValueError"),
        ("bars", "KeyError"),
    ]
    assert stored.errors[0].keys() == KEYS
    assert (stored.errors[0]["message"], stored.errors[0]["symbol"]) == ("odd", "AAPL")
    assert stored.kept_errors == []


@pytest.mark.django_db
def test_column_has_the_errors_once_the_cycle_has_ended() -> None:
    cycle = make_cycle(status="running")
    cycle_log.record_error(cycle.pk, operation="quotes", error=ValueError("odd"))

    assert cycles.complete_cycle(cycle)

    stored = Cycle.objects.get()
    assert stored.kept_errors == stored.errors != []


@pytest.mark.django_db
def test_list_of_cycles_brings_the_errors_of_all_along(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    for number in range(3):
        cycle = make_cycle()
        for _ in range(number):
            cycle_log.record_error(cycle.pk, operation=f"o{number}", error=ValueError("odd"))

    with django_assert_num_queries(1):
        listed = [cycle.errors for cycle in Cycle.objects.with_errors().order_by("number")]

    assert [[error["operation"] for error in errors] for errors in listed] == [[], ["o1"], ["o2", "o2"]]


@pytest.mark.django_db(transaction=True)
def test_decision_is_stored_while_an_error_is_being_written() -> None:
    """A failure takes the cycle's row for its place in the log; what refers to the cycle does not wait for it."""
    cycle = make_cycle(status="running")

    with transaction.atomic():
        cycle_log.record_error(cycle.pk, operation="quotes", error=ValueError("odd"))
        with beside(lambda: make_decision(cycle=cycle)) as stored:
            assert stored.result(120).cycle_id == cycle.pk

    assert AIDecision.objects.count() == Event.objects.filter(type="cycle.error").count() == 1


@pytest.mark.django_db
def test_error_is_stored_whatever_its_text_holds() -> None:
    """PostgreSQL refuses NUL and lone surrogates; an error that cannot be stored would hide the one it tells of."""
    cycle = make_cycle(status="running")

    cycle_log.record_error(cycle.pk, operation="quotes", error=ValueError("a\x00b \ud83d"), symbol="AA\x00")
    cycle_log.record_warning(cycle.pk, operation="news", message="half an emoji \ud83d")
    cycle_log.record_step(cycle.pk, "news", facts={"name\x00": ["\ude80", 1]})

    assert [error["message"] for error in Cycle.objects.get().errors] == ["a\ufffdb \ufffd"]
    payloads = (
        Event.objects.filter(aggregate_type="cycle").order_by("position").values_list("payload", flat=True)
    )
    assert payloads[1]["message"] == "half an emoji \ufffd"
    assert payloads[2]["facts"] == {"name\ufffd": ["\ufffd", 1]}
