"""A part that has filled is a trade at once; the next fill makes the same trade larger."""

from decimal import Decimal

import pytest

from tests.factories import make_engagement
from tests.trading.outside import COIN, STOCK, Outside
from tests.trading.scenes import (
    advanced_to_its_end,
    ago,
    change,
    events_of,
    open_cycle,
    order_of,
    passed,
    reservation_of,
)
from tests.waiting import wait_until
from trading.domain.order_ids import Purpose, client_order_id, flatten_base
from trading.execution.sagas import advance_saga
from trading.execution.trade_booking import book_trade
from trading.execution.unattended_orders import follow_order
from trading.models import Fill, Order, Position, Saga, Trade
from trading.orders.submission import submit_order


def advanced_to_a_part(saga: Saga) -> Trade:
    """Advance a saga until a part of its order is a trade."""

    def part() -> Trade | None:
        assert advance_saga(saga.pk).status == "running"
        return Trade.objects.first()

    trade = wait_until(part, what="a part is booked")
    assert trade is not None
    return trade


def test_part_is_a_trade_while_its_order_goes_on(account: Outside) -> None:
    account.venue.fault(kind="partial_fill", fraction=0.25, seconds=None)
    saga = passed()

    trade = advanced_to_a_part(saga)

    order = order_of(saga)
    assert order.status == "partially_filled"
    assert (trade.quantity, trade.price) == (order.filled_quantity, order.average_price)
    assert trade.quantity == sum(fill.quantity for fill in Fill.objects.all())
    assert (trade.decision, trade.order) == (saga.decision, order)
    assert saga.decision.status == "executing"
    assert reservation_of(saga).released_at is None, "what is still to fill needs its room"


def test_next_fill_makes_the_same_trade_larger(account: Outside) -> None:
    account.venue.fault(kind="partial_fill", fraction=0.25, seconds=3)
    saga = passed()
    part = advanced_to_a_part(saga)

    saga = advanced_to_its_end(saga.pk)

    trade, order = Trade.objects.get(), order_of(saga)
    assert trade.pk == part.pk
    assert part.quantity < trade.quantity == order.quantity == order.filled_quantity
    assert (trade.price, trade.booked_at) == (order.average_price, order.ended_at)
    assert part.traded_at < trade.traded_at == max(fill.executed_at for fill in Fill.objects.all())
    assert (saga.status, saga.decision.status) == ("completed", "executed")
    assert reservation_of(saga).release_reason == "position_synced"
    assert Position.objects.get().quantity == trade.quantity
    assert events_of(saga) == ["saga.created", "saga.complete"]
    assert Fill.objects.count() == 2


def test_part_of_an_order_that_is_cancelled_completes_its_saga(account: Outside) -> None:
    account.venue.fault(kind="partial_fill", fraction=0.25, seconds=None)
    saga = passed()
    part = advanced_to_a_part(saga)
    change(saga, deadline_at=ago(seconds=1))

    saga = advanced_to_its_end(saga.pk)

    trade = Trade.objects.get()
    assert (trade.pk, trade.quantity) == (part.pk, part.quantity)
    assert (saga.status, order_of(saga).status, saga.decision.status) == ("completed", "canceled", "executed")
    assert reservation_of(saga).release_reason == "position_synced"


def test_part_of_a_sale_has_its_share_of_the_profit(account: Outside) -> None:
    """docs/lessons.md#lesson-15, #lesson-38."""
    account.hold(COIN, "0.5")
    open_cycle()
    cost = Position.objects.get().average_entry_price
    account.venue.fault(kind="partial_fill", fraction=0.25, seconds=3)
    saga = passed(COIN, "sell")

    part = advanced_to_a_part(saga)
    advanced_to_its_end(saga.pk)

    whole = Trade.objects.get()
    assert part.quantity < whole.quantity
    for trade in (part, whole):
        expected = (trade.price * Decimal("0.9975") - cost) * trade.quantity
        assert trade.realised_pnl == pytest.approx(expected, abs=Decimal("0.0001"))


def test_same_fill_told_again_changes_nothing(account: Outside) -> None:
    account.venue.fault(kind="partial_fill", fraction=0.25, seconds=None)
    saga = passed()
    part = advanced_to_a_part(saga)

    for _ in range(3):
        advance_saga(saga.pk)
    book_trade(Order.objects.select_related("decision").get(pk=saga.order_id), unit_cost=None)

    trade = Trade.objects.get()
    assert (trade.pk, trade.quantity, trade.price) == (part.pk, part.quantity, part.price)
    assert Fill.objects.count() == 1


def test_part_that_the_switch_has_sold_is_a_trade_at_once(account: Outside) -> None:
    advanced_to_its_end(passed().pk)
    held = Position.objects.get()
    account.venue.fault(kind="partial_fill", fraction=0.25, seconds=None)
    name = client_order_id(flatten_base(make_engagement().pk, STOCK), Purpose.FLATTEN)
    order = Order.objects.create(
        client_order_id=name,
        symbol=STOCK,
        side="sell",
        purpose="flatten",
        quantity=held.quantity,
        time_in_force="day",
    )
    submit_order(order.pk)

    def part() -> Trade | None:
        follow_order(order.pk)
        return Trade.objects.filter(order=order).first()

    trade = wait_until(part, what="the part is booked")

    assert trade is not None
    order.refresh_from_db()
    assert order.status == "partially_filled"
    assert trade.quantity == order.filled_quantity < held.quantity
    expected = (trade.price - held.average_entry_price) * trade.quantity
    assert trade.realised_pnl == pytest.approx(expected, abs=Decimal("0.01"))
