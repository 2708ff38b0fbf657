"""A status changes together with its event, once, or not at all."""

import threading
from typing import Any
from uuid import uuid4

import pytest
from django.db import DataError, IntegrityError, transaction
from django.db.models import F, Q
from django.utils import timezone

from tests.factories import make_cycle, make_decision, make_order, make_saga
from tests.risk.threads import at_once, beside, waiters
from tests.trading.rebuilding import rebuilt_statuses, stored_statuses
from tests.trading.scenes import ago, events_of
from tests.waiting import wait_until
from trading.core import cycle_log, transitions
from trading.cycle import cycles
from trading.errors import InvalidTransitionError
from trading.models import AIDecision, Cycle, Event, Order, Saga


@pytest.mark.django_db
def test_transition_writes_status_columns_and_event() -> None:
    order = make_order()

    moved = transitions.apply(order, "submit", changes={"attempts": 1}, why="first")

    assert moved
    assert (order.status, order.attempts) == ("created", 0)
    stored = Order.objects.get(pk=order.pk)
    assert (stored.status, stored.attempts) == ("submitting", 1)
    event = Event.objects.get()
    assert (event.type, event.sequence, event.cycle_id) == ("order.submit", 1, order.cycle_id)
    assert event.payload == {
        "from": "created",
        "to": "submitting",
        "why": "first",
        **transitions.identity_of(order),
    }


@pytest.mark.django_db
def test_loser_of_a_race_writes_nothing() -> None:
    mine, theirs = make_order(), Order.objects.get()
    transitions.apply(theirs, "cancel")

    moved = transitions.apply(mine, "submit", changes={"attempts": 9})

    assert not moved
    assert (mine.status, mine.attempts) == ("created", 0)
    assert Order.objects.get().status == "canceled"
    assert events_of(mine) == ["order.cancel"]


@pytest.mark.django_db
def test_unmet_condition_writes_nothing() -> None:
    order = make_order(lease_until=ago(seconds=-30))

    assert not transitions.apply(order, "submit", where=Q(lease_until__isnull=True))

    assert not Event.objects.exists()


@pytest.mark.django_db
def test_impossible_transition_is_an_error() -> None:
    order = make_order(status="filled")

    with pytest.raises(InvalidTransitionError, match="no transition from filled on submit"):
        transitions.apply(order, "submit")


@pytest.mark.django_db
def test_event_and_status_are_written_together_or_not_at_all() -> None:
    order = make_order()

    with pytest.raises(TypeError, match="JSON"), transaction.atomic():
        transitions.apply(order, "submit", fact=object())

    assert Order.objects.get().status == "created"
    assert not Event.objects.exists()


@pytest.mark.django_db
def test_transition_that_its_caller_rolls_back_can_be_made_again() -> None:
    order = make_order()
    changes = {"attempts": F("attempts") + 1}

    with transaction.atomic():
        transitions.apply(order, "submit", changes=changes)
        transaction.set_rollback(True)
    after_rollback = (order.status, order.attempts)
    moved = transitions.apply(order, "submit", changes=changes)

    assert after_rollback == ("created", 0)
    assert moved
    order.refresh_from_db()
    assert (order.status, order.attempts) == ("submitting", 1)
    assert events_of(order) == ["order.submit"]


@pytest.mark.django_db
def test_events_carry_the_cycle_as_correlation() -> None:
    cycle = make_cycle(status="running")
    transitions.record_created(cycle, mode="manual")

    event = Event.objects.get()

    assert (event.cycle_id, event.type) == (cycle.pk, "cycle.created")
    assert event.payload == {"to": "running", "mode": "manual"}
    assert transitions.correlation_of(make_order(purpose="flatten", side="sell")) is None


@pytest.mark.django_db(transaction=True)
def test_one_of_many_moves_the_row() -> None:
    pk = make_order().pk
    read = [Order.objects.get(pk=pk) for _ in range(16)]

    moved = at_once(16, lambda number: transitions.apply(read[number], "submit"))

    assert moved.count(True) == 1
    assert events_of(read[0]) == ["order.submit"]


@pytest.mark.django_db(transaction=True)
def test_sequences_have_no_gap_under_concurrency() -> None:
    cycle = make_cycle(status="running")
    order = make_order(decision=make_decision(cycle=cycle))

    def work(number: int) -> None:
        for turn in range(5):
            cycle_log.record_step(cycle.pk, "test", number=number, turn=turn)
            cycle_log.record_error(cycle.pk, operation=f"{number}.{turn}", error=RuntimeError("x"))
            transitions.apply(Order.objects.get(pk=order.pk), "submit")

    at_once(8, work)

    for aggregate in (cycle.pk, order.pk):
        events = Event.objects.filter(aggregate_id=str(aggregate)).order_by("sequence")
        sequences = list(events.values_list("sequence", flat=True))
        assert sequences == list(range(1, len(sequences) + 1))
    assert len(Cycle.objects.get().errors) == 40
    assert Event.objects.filter(type="cycle.error").count() == 40


@pytest.mark.django_db(transaction=True)
def test_move_that_waited_for_the_row_comes_after_what_was_told_meanwhile() -> None:
    """Of a row that its holder told of and left as it was: the statement began before that event was there."""
    cycle = make_cycle(status="running")
    telling = threading.Event()

    def tell() -> None:
        with transaction.atomic():
            Cycle.objects.select_for_update().get(pk=cycle.pk)
            telling.set()
            wait_until(lambda: waiters() > 0, what="the move waits for the row")
            transitions.append_event(
                aggregate_type="cycle",
                aggregate_id=str(cycle.pk),
                event_type="cycle.told",
                payload={},
                cycle_id=None,
            )

    with beside(tell):
        assert telling.wait(60)
        moved = transitions.apply(cycle, "fail", changes={"ended_at": ago(seconds=0), "reason": "test"})

    assert moved
    assert events_of(cycle) == ["cycle.told", "cycle.fail"]


@pytest.mark.django_db
def test_move_and_its_event_are_one_statement(django_assert_num_queries: Any) -> None:
    order = make_order()

    with django_assert_num_queries(1):
        transitions.apply(order, "submit", changes={"attempts": F("attempts") + 1}, is_within=True)

    assert Order.objects.get().attempts == 1


@pytest.mark.django_db
def test_what_the_database_made_of_expressions_is_given_back() -> None:
    order = make_order(attempts=4)
    drawn: dict[str, Any] = {}

    changes = {"attempts": F("attempts") + 1, "broker_message": "50 %"}
    assert transitions.apply(order, "submit", changes=changes, drawn=drawn)

    assert drawn == {"attempts": 5}
    assert not transitions.apply(order, "submit", changes=changes, drawn=(nothing := {}))
    assert nothing == {}


@pytest.mark.django_db
def test_cycle_is_told_of_in_one_message_and_must_be_there(django_assert_num_queries: Any) -> None:
    cycle = make_cycle()

    with django_assert_num_queries(1):
        transitions.append_to_cycle(cycle.pk, "cycle.told", {"words": "50 % of 'it'"})
    transitions.append_to_cycle(cycle.pk, "cycle.told", {})

    told = Event.objects.order_by("sequence").values_list("sequence", "payload")
    assert list(told) == [(1, {"words": "50 % of 'it'"}), (2, {})]
    with pytest.raises(Cycle.DoesNotExist, match="there is no cycle"):
        transitions.append_to_cycle(uuid4(), "cycle.told", {})


@pytest.mark.django_db
def test_database_refuses_a_sequence_given_twice() -> None:
    transitions.append_event(
        aggregate_type="a", aggregate_id="1", event_type="a.b", payload={}, cycle_id=None
    )

    with pytest.raises(IntegrityError, match="one_event_per_sequence"), transaction.atomic():
        Event.objects.create(aggregate_type="a", aggregate_id="1", sequence=1, type="a.b")


@pytest.mark.django_db(transaction=True)
def test_statuses_rebuilt_from_events_equal_the_tables_after_a_scramble() -> None:
    cycle = make_cycle(status="running", stage="executing")
    transitions.record_created(cycle)
    rows: list[AIDecision | Order | Saga] = []
    for number in range(6):
        decision = make_decision(cycle=cycle, symbol=f"S{number}")
        order = make_order(decision=decision, symbol=decision.symbol)
        rows += [decision, order, make_saga(order=order)]
    for row in rows:
        transitions.record_created(row)
    events = {
        AIDecision: ["claim", "pass", "deny", "expire", "complete", "claim"],
        Order: ["submit", "lose", "submit", "accept", "partial_fill", "cancel", "fill"],
        Saga: ["compensate", "complete", "compensated", "fail"],
    }

    def work(number: int) -> int:
        moved = 0
        for turn in range(60):
            row = rows[(turn * 7 + number) % len(rows)]
            word = events[type(row)][(turn + number) % len(events[type(row)])]
            moved += _moved(row, word)
        return moved

    assert sum(at_once(8, work)) > len(rows)
    cycles.abort_cycle(Cycle.objects.get(), reason="test")

    assert rebuilt_statuses() == stored_statuses()


def _moved(row: AIDecision | Order | Saga, word: str) -> bool:
    """Apply the word to the row as it now stands; one that does not fit is no move."""
    because = {"reason": "test"} if isinstance(row, AIDecision) else {}
    fresh: AIDecision | Order | Saga = type(row)._default_manager.get(pk=row.pk)
    try:
        return transitions.apply(fresh, word, changes=because)
    except InvalidTransitionError:
        return False


@pytest.mark.django_db
def test_many_rows_move_as_each_alone_would() -> None:
    """The same columns, events, sequences and payloads; the rows stay as they were read."""
    first, second = make_decision(symbol="A"), make_decision(symbol="B")
    transitions.apply(second, "claim", changes={"attempts": 1})
    second.refresh_from_db()
    why = "max_positions_reached"

    moved = transitions.apply_all(
        [
            transitions.Move(first, "claim", {"attempts": F("attempts") + 1}, {"why": "lost"}),
            transitions.Move(second, "deny", {"reason": why}, {"reason": why}),
        ]
    )

    assert moved == {first.pk, second.pk}
    assert (first.status, second.status) == ("pending", "claimed")
    stored = AIDecision.objects.in_bulk()
    assert (stored[first.pk].status, stored[first.pk].attempts, stored[first.pk].reason) == ("claimed", 1, "")
    assert (stored[second.pk].status, stored[second.pk].attempts, stored[second.pk].reason) == (
        "denied",
        1,
        why,
    )
    assert events_of(first) == ["decision.claim"]
    assert events_of(second) == ["decision.claim", "decision.deny"]
    last = Event.objects.get(type="decision.deny")
    assert (last.sequence, last.public_sequence, last.cycle_id) == (2, 1, second.cycle_id)
    assert last.payload == {"from": "claimed", "to": "denied", "symbol": "B", "action": "buy", "reason": why}
    assert last.transaction_id == Event.objects.filter(aggregate_id=str(first.pk)).get().transaction_id


@pytest.mark.django_db
def test_of_many_rows_those_that_somebody_else_moved_are_left_out() -> None:
    mine, lost, leased = make_decision(symbol="A"), make_decision(symbol="B"), make_decision(symbol="C")
    AIDecision.objects.filter(pk=lost.pk).update(status="expired", reason="test")
    AIDecision.objects.filter(pk=leased.pk).update(lease_until=ago(seconds=-30))
    moves = [transitions.Move(row, "claim") for row in (mine, lost, leased)]

    assert transitions.apply_all(moves, where=Q(lease_until__isnull=True)) == {mine.pk}

    assert Event.objects.count() == 1
    assert transitions.apply_all([]) == set()
    with pytest.raises(ValueError, match="moved twice"):
        transitions.apply_all([moves[0], moves[0]])


@pytest.mark.django_db
def test_many_rows_cost_one_message(django_assert_num_queries: Any) -> None:
    rows = [make_decision(symbol=f"S{number}") for number in range(30)]

    with django_assert_num_queries(1):  # lock, update and events in one message
        assert len(transitions.apply_all([transitions.Move(row, "claim") for row in rows])) == 30


@pytest.mark.django_db(transaction=True)
def test_many_who_move_the_same_rows_at_once_move_each_once() -> None:
    rows = [make_decision(symbol=f"S{number}") for number in range(12)]
    moved: list[set[Any]] = []

    def move(number: int) -> None:
        mine = rows[number:] + rows[:number]
        moved.append(transitions.apply_all([transitions.Move(row, "claim") for row in mine]))

    at_once(8, move)

    assert sum(map(len, moved)) == 12
    assert Event.objects.count() == 12


@pytest.mark.django_db
def test_rows_with_other_columns_move_in_the_same_message(django_assert_num_queries: Any) -> None:
    rows = [make_decision(symbol=f"S{number}") for number in range(3)]
    moves = [
        transitions.Move(rows[0], "claim", {"attempts": F("attempts") + 1}),
        transitions.Move(rows[1], "claim", {"reason": "why", "settled_at": timezone.now()}),
        transitions.Move(rows[2], "claim", {"reason": "other", "settled_at": None}),
    ]

    with django_assert_num_queries(1):
        assert transitions.apply_all(moves) == {row.pk for row in rows}

    for row in rows:
        row.refresh_from_db()
    assert [row.attempts for row in rows] == [1, 0, 0]
    assert [row.reason for row in rows] == ["", "why", "other"]
    assert rows[1].settled_at is not None
    positions = dict(Event.objects.values_list("aggregate_id", "position"))
    assert [str(row.pk) for row in rows] == sorted(positions, key=lambda pk: positions[pk])


@pytest.mark.django_db
def test_what_is_too_long_for_its_column_is_refused_and_not_cut() -> None:
    row = make_decision()

    with pytest.raises(DataError), transaction.atomic():
        transitions.apply_all([transitions.Move(row, "claim", {"reason": "x" * 200})])

    assert not Event.objects.exists()
