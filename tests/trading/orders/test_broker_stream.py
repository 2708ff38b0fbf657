"""The broker's word on its stream is recorded as it comes: late, twice, out of order; and nothing is asked for it."""

import itertools
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from connectors.base import BrokerFill, BrokerOrder, BrokerOrderStatus, Side, TradeUpdate
from tests.factories import make_order
from tests.trading.outside import OTHER_STOCK, STOCK, Outside
from tests.trading.scenes import ago, change, events_of, order_of, passed
from trading.core.statements.compiled_updates import CompiledUpdate
from trading.core.work import WorkKind
from trading.events.order_hints import take_update
from trading.execution import settlement
from trading.execution.sagas import advance_saga
from trading.models import Fill, Heartbeat, Order, Saga, Trade
from trading.orders import broker_stream
from trading.orders.execution_reports import record_fills, record_reported

S = BrokerOrderStatus


def update_of(
    order: Order, event: str, status: S, filled: int, *, part: int = 0, price: int = 100
) -> TradeUpdate:
    """Say that ``filled`` have filled in all, ``part`` of them just now."""
    now = timezone.now()
    broker_order_id = order.broker_order_id or f"at-broker-{order.pk}"
    told = BrokerOrder(
        broker_order_id=broker_order_id,
        client_order_id=order.client_order_id,
        symbol=order.symbol,
        side=Side.BUY,
        status=status,
        status_detail=str(status.value),
        quantity=order.quantity,
        filled_quantity=Decimal(filled),
        average_price=Decimal(price) if filled else None,
        submitted_at=now,
        updated_at=now,
        filled_at=None,
    )
    execution = None
    if part:
        execution = BrokerFill(
            f"{broker_order_id}-{filled}",
            broker_order_id,
            order.symbol,
            Side.BUY,
            Decimal(part),
            Decimal(price),
            now,
        )
    return TradeUpdate(event=event, order=told, execution=execution)


def with_saga(symbol: str = STOCK, **columns: object) -> Order:
    order = order_of(passed(symbol))
    change(order, quantity=Decimal(10), **columns)
    return order


@pytest.fixture
def sent(account: Outside) -> Order:
    """An order that is on its way: its reply has not come."""
    return with_saga(status="submitting", lease_until=ago(seconds=-20), submitted_at=ago())


def story(order: Order) -> list[TradeUpdate]:
    return [
        update_of(order, "new", S.ACCEPTED, 0),
        update_of(order, "partial_fill", S.PARTIALLY_FILLED, 4, part=4),
        update_of(order, "fill", S.FILLED, 10, part=6),
    ]


@pytest.mark.parametrize("way", list(itertools.permutations(range(3))), ids=str)
def test_any_order_of_messages_ends_in_the_same_rows(sent: Order, way: tuple[int, ...]) -> None:
    told = story(sent)

    for number in (*way, *way):
        broker_stream.record_update(told[number])

    sent.refresh_from_db()
    assert (sent.status, sent.filled_quantity, sent.average_price) == ("filled", 10, 100)
    assert sent.acknowledged_at is not None
    assert sorted(Fill.objects.values_list("quantity", flat=True)) == [4, 6]
    assert events_of(sent).count("order.fill") == 1


def test_nothing_is_asked_for_a_word_of_the_stream(account: Outside, sent: Order) -> None:
    before = len(account.requests())

    for told in story(sent):
        broker_stream.record_update(told)

    assert len(account.requests()) == before


def test_execution_that_the_list_knows_by_another_id_counts_once(sent: Order) -> None:
    for told in story(sent):
        broker_stream.record_update(told)
    execution = story(sent)[1].execution
    assert execution is not None

    told = story(sent)[2]
    broker_stream.record_update(replace(told, execution=replace(execution, execution_id="by another name")))

    assert sum(Fill.objects.values_list("quantity", flat=True)) == 10


def test_part_under_two_names_leaves_room_for_the_rest(sent: Order) -> None:
    _, part, rest = story(sent)
    assert part.execution is not None
    assert rest.execution is not None
    broker_stream.record_update(part)
    again = replace(part.execution, execution_id="by another name")

    record_reported(sent, rest.order, [again, rest.execution])

    assert sorted(Fill.objects.values_list("quantity", flat=True)) == [4, 6]


def test_other_order_under_our_name_is_not_believed(sent: Order) -> None:
    change(sent, status="accepted", broker_order_id="the real one")
    told = update_of(replace_id(sent, "another"), "fill", S.FILLED, 10, part=10)

    assert broker_stream.record_update(told) is None

    sent.refresh_from_db()
    assert (sent.status, sent.filled_quantity) == ("accepted", 0)


def replace_id(order: Order, broker_order_id: str) -> Order:
    copy = Order.objects.get(pk=order.pk)
    copy.broker_order_id = broker_order_id
    return copy


def test_order_without_a_saga_is_left_to_the_sweeper(account: Outside) -> None:
    alone = make_order(
        symbol=STOCK, quantity=Decimal(10), status="accepted", purpose="external", decision=None
    )

    assert take_update(update_of(alone, "fill", S.FILLED, 10, part=10)) == []

    alone.refresh_from_db()
    assert alone.status == "accepted"


def test_what_goes_on_is_left_alone_and_what_ends_is_settled(sent: Order) -> None:
    new, part, fill = story(sent)

    works = [take_update(told) for told in (new, part, part, fill)]

    kinds = [[work.kind for work in found] for found in works]
    # Until it is booked a part may be told again.
    assert kinds == [[], [WorkKind.ADVANCE], [WorkKind.ADVANCE], [WorkKind.ADVANCE]]


def test_fill_after_the_end_of_its_saga_is_settled(account: Outside, sent: Order) -> None:
    Saga.objects.filter(order=sent).update(status="compensated", ended_at=ago())
    change(sent, status="canceled", ended_at=ago(), lease_until=None)

    works = take_update(story(sent)[2])

    assert [(work.kind, work.id) for work in works] == [(WorkKind.SETTLE, sent.pk)]


def test_fill_waits_for_others_that_are_about_to_end(
    account: Outside, sent: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settlement, "FILLED_SOON", timedelta(minutes=10))
    monkeypatch.setattr(settlement, "_LEFT_TO_THE_LAST", CompiledUpdate(settlement._left_to_the_last, keys=2))
    other = with_saga(OTHER_STOCK, status="accepted", acknowledged_at=ago(), submitted_at=ago())

    assert take_update(story(sent)[2]) == []
    (work,) = take_update(update_of(other, "fill", S.FILLED, 10, part=10))

    assert work.id == other.saga.pk
    assert Saga.objects.get(order=sent).next_poll_at <= ago() + settlement.FILLED_SOON


def test_order_that_does_not_fill_is_not_waited_for_long(account: Outside, sent: Order) -> None:
    with_saga(OTHER_STOCK, status="accepted", acknowledged_at=ago(), submitted_at=ago(seconds=2))

    assert len(take_update(story(sent)[2])) == 1


@pytest.mark.parametrize(
    ("beaten", "is_alive"), [(lambda: ago(), True), (lambda: ago(seconds=30), False), (None, False)]
)
def test_stream_is_there_while_its_listener_says_so(
    db: None, beaten: Callable[[], object] | None, is_alive: bool
) -> None:
    if beaten is not None:
        broker_stream.note_alive()
        Heartbeat.objects.update(beaten_at=beaten())

    assert broker_stream.is_alive() is is_alive


def test_sent_order_is_not_asked_about_while_the_stream_is_there(account: Outside) -> None:
    saga = passed(STOCK)
    broker_stream.note_alive()
    before = len(account.requests())

    advance_saga(saga.pk)

    sent = [(r["method"], r["path"]) for r in account.requests()[before:]]
    assert sent == [("POST", "/v2/orders")]
    assert Saga.objects.get().next_poll_at <= ago() + timedelta(seconds=3)
    Heartbeat.objects.all().delete()
    account.wait_filled(order_of(saga).client_order_id)
    assert advance_saga(saga.pk).status == "completed"
    assert Trade.objects.count() == 1


def test_first_fill_of_an_order_that_rests_is_one_statement_with_its_execution(
    account: Outside, django_assert_num_queries: Callable[[int], Any]
) -> None:
    order = with_saga(status="accepted", acknowledged_at=ago(), submitted_at=ago(), broker_order_id="b")

    with django_assert_num_queries(4):  # one to read it; savepoint and release, for the test is a transaction
        row = broker_stream.record_update(update_of(order, "fill", S.FILLED, 10, part=10))

    order.refresh_from_db()
    assert row is not None
    assert (row.status, row.ended_sequence, row.ended_at) == ("filled", order.ended_sequence, order.ended_at)
    assert (order.status, order.filled_quantity, order.average_price) == ("filled", 10, 100)
    fill = Fill.objects.get()
    assert (fill.order_id, fill.quantity, fill.cycle_id) == (order.pk, 10, order.cycle_id)
    assert events_of(order).count("order.fill") == 1


def test_execution_that_is_known_by_another_order_is_recorded_the_general_way(account: Outside) -> None:
    order = with_saga(status="accepted", acknowledged_at=ago(), submitted_at=ago(), broker_order_id="b")
    told = update_of(order, "fill", S.FILLED, 10, part=10)
    assert told.execution is not None
    other = with_saga(OTHER_STOCK, status="filled", filled_quantity=Decimal(10), average_price=Decimal(1))
    record_fills(other, [told.execution])

    broker_stream.record_update(told)

    order.refresh_from_db()
    assert (order.status, order.filled_quantity, order.fills.count()) == ("filled", 10, 0)
    assert events_of(order).count("order.fill") == 1


def test_execution_of_more_than_the_order_says_is_recorded_the_general_way(account: Outside) -> None:
    order = with_saga(status="accepted", acknowledged_at=ago(), submitted_at=ago(), broker_order_id="b")

    broker_stream.record_update(update_of(order, "partial_fill", S.PARTIALLY_FILLED, 4, part=5))

    order.refresh_from_db()
    assert (order.status, order.filled_quantity, order.fills.count()) == ("partially_filled", 4, 0)
