"""The first visit of an order: four messages, after which no lock is held; and what happens where it meets others."""

import threading

import pytest
from django.db import connection, transaction

from risk.services import holders, locks
from tests.factories import make_engagement
from tests.risk.threads import THREAD_SECONDS, at_once, beside, held_beside, wait_for_blocked
from tests.trading.outside import STOCK, Outside
from tests.trading.scenes import events_of, order_of, passed
from trading.core import transitions
from trading.core.row_locks import locked_order
from trading.models import Order, Saga, SagaStep
from trading.orders import broker_stream
from trading.orders.submission import submit_order
from trading.work import steps

pytestmark = pytest.mark.django_db(transaction=True)


def held_here() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()")
        return int(cursor.fetchone()[0])


def step_of(saga: Saga, name: SagaStep.Name) -> SagaStep:
    return SagaStep.objects.get(saga=saga, name=name)


def test_answer_is_noted_and_every_lock_given_back(account: Outside) -> None:
    broker_stream.note_alive()
    saga = passed(STOCK, whole=True)

    steps.advance(str(saga.pk))

    order = order_of(saga)
    assert (order.status, order.posts, order.attempts, order.legs.count()) == ("accepted", 1, 1, 2)
    submitted = step_of(saga, SagaStep.Name.SUBMIT_ORDER)
    assert (submitted.status, submitted.attempts) == ("completed", 1)
    assert submitted.result == {"broker_order_id": order.broker_order_id}
    assert (submitted.started_at, submitted.ended_at) == (order.submitted_at, order.acknowledged_at)
    assert step_of(saga, SagaStep.Name.CONFIRM_FILL).status == "running"
    assert held_here() == 0


def test_order_that_another_is_at_is_left_alone_and_no_lock_kept(account: Outside) -> None:
    saga = passed(STOCK)
    order = order_of(saga)

    with held_beside(lambda: locks.attempt_alone(order.pk)):
        left = submit_order(order.pk, read=order)

    assert (left.status, left.posts, left.attempts) == ("created", 0, 0)
    assert held_here() == 0


def test_order_that_was_taken_since_it_was_read_is_left_alone_and_no_lock_kept(account: Outside) -> None:
    order = order_of(passed(STOCK))
    read = Order.objects.get(pk=order.pk)
    submit_order(order.pk, read=order)

    submit_order(read.pk, read=read)

    posted = [r for r in account.requests() if (r["method"], r["path"]) == ("POST", "/v2/orders")]
    assert len(posted) == 1
    assert held_here() == 0


def test_of_many_visits_at_once_one_posts(account: Outside) -> None:
    order = order_of(passed(STOCK))

    at_once(6, lambda _: submit_order(order.pk, read=Order.objects.get(pk=order.pk)).status)

    posted = [r for r in account.requests() if (r["method"], r["path"]) == ("POST", "/v2/orders")]
    assert len(posted) == 1
    assert holders.holders() == {}


def test_switch_that_is_engaged_holds_the_first_visit_back_and_no_lock_is_kept(account: Outside) -> None:
    order = order_of(passed(STOCK))
    make_engagement()

    left = submit_order(order.pk, read=order)

    assert (left.status, left.posts) == ("canceled", 0)
    assert held_here() == 0


def test_order_that_was_written_of_while_its_claim_waited_goes_the_general_way(account: Outside) -> None:
    """Its claim began before that event was there, and would give its own the same place."""
    order = order_of(passed(STOCK))
    telling = threading.Event()

    def tell() -> None:
        with transaction.atomic():
            locked_order(order.pk)
            telling.set()
            wait_for_blocked()
            facts = {"aggregate_type": "order", "aggregate_id": str(order.pk), "payload": {}}
            transitions.append_event(event_type="order.told", cycle_id=None, **facts)

    with beside(tell):
        assert telling.wait(THREAD_SECONDS)
        sent = submit_order(order.pk, read=order)

    assert (sent.status, sent.posts) == ("accepted", 1)
    assert events_of(order)[:3] == ["order.created", "order.told", "order.submit"]
    assert held_here() == 0
