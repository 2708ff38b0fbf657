"""What is said with a move in one message is written where the row moves, and not else."""

from typing import Any

import pytest
from django.db import DataError, IntegrityError, connection, transaction
from django.db.models import F, Q

from tests.factories import make_order
from trading.core import transitions
from trading.core.statements.moved_rows import Beside, CompiledCondition, CompiledExpression, Statement
from trading.models import Event, Fill, Order

pytestmark = pytest.mark.django_db
LATER = Statement("SELECT client_order_id FROM orders WHERE id = %(row_key)s AND attempts = %(set_attempts)s")


def told(key: str, **columns: Any) -> Event:
    return Event(
        aggregate_type="a", aggregate_id=key, **{"sequence": 1, "type": "a.b", "payload": {}, **columns}
    )


def submit(order: Order, beside: Beside) -> bool:
    return transitions.apply(order, "submit", changes={"attempts": 3}, beside=beside)


def test_rows_are_inserted_with_the_move_in_one_message(django_assert_num_queries: Any) -> None:
    order = make_order()
    events = [told("x", payload={"said": "50 %"}), told("x", sequence=2), told("y")]
    other = Event(aggregate_type="b", aggregate_id="z", sequence=1, type="b.c", payload={})

    with django_assert_num_queries(3):  # savepoint and release, for the test is a transaction
        assert submit(order, Beside(rows=[events, [other]]))

    stored = list(Event.objects.filter(aggregate_type="a").order_by("position"))
    assert [(event.aggregate_id, event.sequence, event.payload) for event in stored] == [
        ("x", 1, {"said": "50 %"}),
        ("x", 2, {}),
        ("y", 1, {}),
    ]
    assert all(event.transaction_id for event in stored)
    assert Event.objects.filter(aggregate_type="b").count() == 1
    assert not any(event._state.adding for event in [*events, other])


def test_row_that_has_moved_already_brings_nothing_along() -> None:
    order = make_order()
    Order.objects.update(status="submitting")
    beside = Beside(rows=[[told("x")]], then=[LATER])

    assert not submit(order, beside)

    assert not Event.objects.filter(aggregate_type="a").exists()
    assert (beside.is_said, beside.found) == (True, None)


def test_row_that_cannot_be_stored_keeps_the_move_from_happening() -> None:
    order = make_order()
    told("x").save()

    with pytest.raises(IntegrityError, match="one_event_per_sequence"), transaction.atomic():
        submit(order, Beside(rows=[[told("x")]]))

    assert Order.objects.get().status == "created"


def test_text_that_is_too_long_is_refused_not_cut() -> None:
    order = make_order()
    fill = Fill(execution_id="e" * 129, order=order, symbol="AAPL", side="buy", quantity=1, price=1)
    fill.executed_at = order.created_at

    with pytest.raises(DataError, match="too long"), transaction.atomic():
        submit(order, Beside(rows=[[fill]]))


def test_what_is_said_after_it_sees_the_move_and_is_what_is_found() -> None:
    order = make_order()
    beside = Beside(then=[Statement("UPDATE orders SET posts = %(posts)s", {"posts": 7}), LATER])

    assert submit(order, beside)

    assert beside.found == (order.client_order_id,)
    assert Order.objects.get().posts == 7


@pytest.mark.parametrize("holds", [True, False])
def test_guard_is_called_once_and_decides(holds: bool) -> None:
    order = make_order()
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY SEQUENCE calls")

    moved = submit(order, Beside(guard=f"nextval('calls') {'>' if holds else '<'} 0"))

    with connection.cursor() as cursor:
        cursor.execute("SELECT last_value, is_called FROM calls")
        assert cursor.fetchone() == (1, True)
    assert (moved, Order.objects.get().status == "submitting") == (holds, holds)


@pytest.mark.parametrize(("posts", "moves"), [(0, True), (1, False)])
def test_condition_that_is_made_once_is_met_as_it_says(posts: int, moves: bool) -> None:
    unposted = CompiledCondition(Order, Q(posts=0, lease_until__isnull=True))
    for _ in range(2):
        order = make_order(posts=posts)

        assert transitions.apply(order, "submit", where=unposted) is moves

        assert Order.objects.get(pk=order.pk).status == ("submitting" if moves else "created")


def test_expression_that_is_made_once_is_drawn_each_time() -> None:
    more = CompiledExpression(Order, "attempts", F("attempts") + 2)
    drawn: list[dict[str, Any]] = [{}, {}]
    for number, attempts in enumerate((0, 5)):
        order = make_order(attempts=attempts)

        assert transitions.apply(
            order, "submit", changes={"attempts": more, "posts": F("posts") + 1}, drawn=drawn[number]
        )

    assert drawn == [{"attempts": 2, "posts": 1}, {"attempts": 7, "posts": 1}]
