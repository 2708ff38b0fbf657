"""An update that says no more than that an order rests is looked at in a moment, with the others that do."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection

from tests.trading.orders.test_broker_stream import S, story, update_of, with_saga
from tests.trading.outside import OTHER_STOCK, STOCK, Outside
from tests.trading.scenes import ago, change
from trading.core.work import Work, WorkKind
from trading.events import order_hints
from trading.events.order_hints import Rests
from trading.execution import settlement
from trading.models import Order
from trading.orders.execution_reports import record_fills


@pytest.fixture
def sent(account: Outside) -> Order:
    """An order whose request is out: its reply has not come."""
    return with_saga(status="submitting", lease_until=ago(seconds=-20), submitted_at=ago())


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(order_hints.time, "monotonic", lambda: now[0])
    return now


def test_word_on_an_order_whose_reply_was_lost_is_taken_after_a_moment(
    sent: Order, clock: list[float]
) -> None:
    rests, new = Rests(), story(sent)[0]

    assert rests.keep(new)
    assert rests.due() == []
    clock[0] += order_hints.KEPT_SECONDS

    assert rests.due() == [new]
    clock[0] += order_hints.KEPT_SECONDS
    assert rests.due() == []


def test_what_says_more_is_not_kept(sent: Order) -> None:
    _, part, fill = story(sent)
    canceled = update_of(sent, "canceled", S.CANCELED, 0)

    assert not any(Rests().keep(told) for told in (part, fill, canceled))


@pytest.mark.parametrize(
    ("columns", "is_news"),
    [
        ({"status": "accepted", "acknowledged_at": ago()}, False),
        ({"status": "filled", "acknowledged_at": ago(), "ended_at": ago()}, False),
        ({"status": "unknown"}, True),
        ({"status": "failed", "acknowledged_at": ago(), "ended_at": ago()}, True),
        ({"status": "accepted", "acknowledged_at": ago(), "broker_order_id": "another"}, True),
    ],
    ids=["rests", "filled since", "lost", "given up", "another's id"],
)
def test_what_the_answer_has_said_is_no_news(
    sent: Order, clock: list[float], columns: dict[str, Any], is_news: bool
) -> None:
    new = story(sent)[0]
    change(sent, **{"broker_order_id": new.order.broker_order_id, **columns})
    rests = Rests()

    rests.keep(new)
    clock[0] += order_hints.KEPT_SECONDS

    assert (rests.due() == [new]) is is_news


def test_many_are_looked_at_by_one_query(
    sent: Order, clock: list[float], django_assert_num_queries: Callable[[int], Any]
) -> None:
    other = with_saga(OTHER_STOCK, status="accepted", acknowledged_at=ago(), broker_order_id="b")
    lost, known = story(sent)[0], story(other)[0]
    stranger = replace(known, order=replace(known.order, client_order_id="nobody's"))
    rests = Rests()
    for told in (known, lost, known, stranger):
        rests.keep(told)
    clock[0] += order_hints.KEPT_SECONDS

    with django_assert_num_queries(1):
        assert rests.due() == [lost, stranger]


def resting(symbol: str = STOCK) -> Order:
    return with_saga(
        symbol, status="accepted", acknowledged_at=ago(), submitted_at=ago(), broker_order_id=f"b-{symbol}"
    )


def filled_now(order: Order) -> Any:
    told = update_of(order, "fill", S.FILLED, 10, part=10)
    return replace(told, order=replace(told.order, broker_order_id=order.broker_order_id))


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("account")
def test_fill_is_heard_with_two_messages_and_left_to_the_last(
    django_assert_num_queries: Callable[[int], Any],
) -> None:
    order, other = resting(), resting(OTHER_STOCK)
    change(order.saga, next_poll_at=ago(seconds=-60))

    with django_assert_num_queries(
        2
    ):  # it is read; moved with its execution, and left once that is committed
        assert order_hints.take_update(filled_now(order)) == []

    order.refresh_from_db()
    order.saga.refresh_from_db()
    assert (order.status, order.fills.count()) == ("filled", 1)
    assert order.ended_sequence is not None
    assert order.saga.next_poll_at <= ago() + settlement.FILLED_SOON

    with django_assert_num_queries(2):
        (work,) = order_hints.take_update(filled_now(other))  # the last is settled now
    assert work == Work(WorkKind.ADVANCE, other.saga.pk)


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("account")
def test_fill_whose_execution_is_known_leaves_no_transaction_open() -> None:
    order = resting()
    told = filled_now(order)
    other = with_saga(OTHER_STOCK, status="filled", filled_quantity=Decimal(10), average_price=Decimal(1))
    record_fills(other, [told.execution])

    assert order_hints.take_update(told) == [Work(WorkKind.ADVANCE, order.saga.pk)]

    order.refresh_from_db()
    assert (order.status, order.fills.count()) == ("filled", 0)
    assert connection.get_autocommit()
    change(order, exit_reason="it goes on")
