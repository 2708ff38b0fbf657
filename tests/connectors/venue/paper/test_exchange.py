"""Races of orders against the clock, and what must hold whatever happens in which order."""

import tempfile
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.venue.errors import ApiError, VenueInputError
from connectors.venue.faults import FaultSpec
from connectors.venue.paper.orders import ENTRY, STOP_LOSS, TAKE_PROFIT, Order
from connectors.venue.paper.store import STATE_VERSION, Store
from tests.connectors.venue.paper.bench import Bench, bench

FRIDAY, MONDAY = "2020-10-16T19:59:00Z", "2020-10-19T19:59:00Z"
STOP = {"type": "stop", "stop_price": "95"}


def test_replacement_loses_the_race_against_the_fill(tmp_path: Path) -> None:
    with bench(tmp_path) as one:
        one.bracket("111", "95")
        target = one.part(next(iter(one.exchange.book.orders.values())), TAKE_PROFIT)

        new = one.exchange.replace(target.order_id, {"limit_price": "118"})
        assert (target.status, new.status) == ("pending_replace", "pending_new")
        one.go(FRIDAY)
        assert target.status == "filled"
        one.wait()

        assert (new.status, target.replaced_by, one.held) == ("rejected", None, 0)
        assert [event for event, _ in one.heard][-2:] == ["rejected", "order_replace_rejected"]
        with pytest.raises(ApiError, match="cannot replace order in filled status"):
            one.exchange.replace(target.order_id, {"limit_price": "119"})


@pytest.mark.parametrize("status", ["pending_new", "accepted", "pending_replace"])
def test_order_on_its_way_cannot_be_replaced(tmp_path: Path, status: str) -> None:
    with bench(tmp_path) as one:
        if status == "accepted":
            one.go("2020-10-15T22:00:00Z")
        order = one.submit(type="limit", limit_price="90")
        if status == "pending_replace":
            one.wait()
            one.exchange.replace(order.order_id, {"limit_price": "91"})

        with pytest.raises(ApiError, match=f"cannot replace order in {status} status"):
            one.exchange.replace(order.order_id, {"limit_price": "92"})


def test_what_filled_while_it_was_replaced_is_not_asked_for_again(tmp_path: Path) -> None:
    with bench(tmp_path) as one:
        one.venue.faults.add(_partial())
        order = one.submit(type="limit", limit_price="99", qty="10")
        one.wait()
        new = one.exchange.replace(order.order_id, {"qty": "12"})
        one.go(FRIDAY)
        assert (order.status, order.filled_quantity) == ("pending_replace", 5)
        one.wait()

        assert (order.status, new.status, new.quantity, new.filled_quantity) == ("replaced", "new", 7, 0)
        assert one.held == 5
        with pytest.raises(ApiError, match="order already replaced"):
            one.exchange.replace(order.order_id, {"qty": "13"})


def _partial() -> FaultSpec:
    return FaultSpec(kind="partial_fill", fraction=0.5, times=1)


def test_replacement_goes_on_after_a_kill(tmp_path: Path) -> None:
    with bench(tmp_path) as one:
        order = one.bracket()
        stop, target = one.part(order, STOP_LOSS), one.part(order, TAKE_PROFIT)
        raised = one.exchange.replace(stop.order_id, {"stop_price": "97"})
        new = one.exchange.replace(target.order_id, {"limit_price": "118"})

        one.close()
        one.open()
        one.wait()

        orders = one.exchange.book.orders
        assert (orders[target.order_id].status, orders[new.order_id].status) == ("replaced", "new")
        assert (orders[stop.order_id].status, orders[raised.order_id].status) == ("replaced", "held")
        one.go(MONDAY)
        assert (orders[new.order_id].status, orders[raised.order_id].status) == ("canceled", "filled")
        assert one.held == 0


@pytest.mark.parametrize(("limit", "status"), [("85", "filled"), ("79.5", "canceled")])
def test_ioc_of_the_night_is_judged_at_the_open(tmp_path: Path, limit: str, status: str) -> None:
    """Monday opens at 80 and goes down to 79: whoever wanted it at once is not served later."""
    with bench(tmp_path) as one:
        one.go("2020-10-16T22:00:00Z")
        order = one.submit(type="limit", limit_price=limit, time_in_force="ioc")

        one.go("2020-10-19T21:00:00Z")

        assert order.status == status


def test_cancel_while_it_is_replaced_ends_both(tmp_path: Path) -> None:
    with bench(tmp_path) as one:
        order = one.submit(type="limit", limit_price="90")
        one.wait()
        new = one.exchange.replace(order.order_id, {"limit_price": "91"})

        one.exchange.cancel(order.order_id)
        one.wait()

        assert (order.status, new.status) == ("canceled", "canceled")
        assert one.exchange.book.open_orders() == []


def test_stop_that_was_reached_goes_on_after_a_kill(tmp_path: Path) -> None:
    with bench(tmp_path) as one:
        order = one.bracket("120", "95")
        one.venue.faults.add(_partial())
        one.go("2020-10-19T13:31:00Z")
        stop = one.part(order, STOP_LOSS)
        assert (stop.status, stop.filled_quantity, one.part(order, TAKE_PROFIT).status) == (
            *("partially_filled", 2, "canceled"),
        )

        one.close()
        one.open()
        one.go(MONDAY)

        assert one.exchange.book.orders[stop.order_id].status == "filled"
        assert one.held == 0


def test_state_of_before_is_read_and_a_newer_one_is_refused(tmp_path: Path) -> None:
    with bench(tmp_path) as one:
        order = one.submit()
        with one.venue.store.transaction():
            one.venue.store._db.execute("DELETE FROM facts WHERE name = 'version'")
            one.venue.store._db.execute(
                "UPDATE orders SET body = json_remove(body, '$.order_type', '$.is_live', '$.group_id', '$.role')"
            )
        one.close()
        one.open()
        assert one.exchange.book.orders[order.order_id].order_type == "market"
        one.wait()
        assert one.held == 4
        with one.venue.store.transaction():
            one.venue.store.set_fact("version", str(STATE_VERSION + 1))
        one.close()
        again = Store(tmp_path / "state")
        with pytest.raises(VenueInputError, match=r"written by a newer version .* update this venue"):
            again.claim("bench")
        again.close()


SIDES = st.sampled_from(["buy", "sell"])
PRICES = st.sampled_from(["78", "85", "90", "95", "97", "99", "99.5", "101", "105", "111", "120"])
STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.just("order"),
            SIDES,
            st.sampled_from(["market", "limit", "stop", "stop_limit"]),
            PRICES,
            PRICES,
        ),
        st.tuples(st.just("bracket"), st.sampled_from(["bracket", "oto", "oco"]), PRICES, PRICES),
        st.tuples(st.just("trail"), st.sampled_from(["1", "5", "20"])),
        st.tuples(st.just("cancel"), st.integers(0, 9)),
        st.tuples(
            st.just("replace"), st.integers(0, 9), st.sampled_from(["limit_price", "stop_price"]), PRICES
        ),
        st.tuples(st.just("partial"), st.just("")),
        st.tuples(st.just("wait"), st.sampled_from([0.5, 3.0])),
        st.tuples(st.just("hours"), st.sampled_from([0.1, 1.0, 4.0, 20.0])),
        st.tuples(st.just("kill"), st.just("")),
    ),
    min_size=3,
    max_size=14,
)


@given(STEPS)
def test_nothing_is_sold_twice_and_no_group_does_two_things(steps: list[tuple[Any, ...]]) -> None:
    """Whatever is asked in which order: never short, one exit a group, holds that fit, money that adds up."""
    with tempfile.TemporaryDirectory() as folder, bench(Path(folder)) as one:
        for step in steps:
            _take(one, step)
            _check(one)
        one.venue.clock.jump(one.venue.market.timeline.end)
        one.wait()
        _check(one)
        assert one.exchange.book.open_orders() == []


def _take(one: Bench, step: tuple[Any, ...]) -> None:
    kind, *values = step
    opened = one.exchange.book.open_orders()
    try:
        if kind == "order":
            prices = {
                "limit": ("limit_price",),
                "stop": ("stop_price",),
                "stop_limit": ("stop_price", "limit_price"),
            }
            names = prices.get(values[1], ())
            one.submit(side=values[0], type=values[1], qty="3", **dict(zip(names, values[2:], strict=False)))
        elif kind == "bracket":
            exits = {"take_profit": {"limit_price": values[1]}, "stop_loss": {"stop_price": values[2]}}
            if values[0] == "oto":
                del exits["take_profit"]
            is_oco = values[0] == "oco"
            one.submit(
                side="sell" if is_oco else "buy",
                type="limit" if is_oco else "market",
                order_class=values[0],
                **exits,
            )
        elif kind == "trail":
            one.submit(side="sell", type="trailing_stop", trail_percent=values[0], qty="1")
        elif kind == "partial":
            one.venue.faults.add(_partial())
        elif kind == "wait":
            one.wait(values[0])
        elif kind == "hours":
            one.venue.clock.skip(values[0] * 3_600)
            one.exchange.tick()
        elif kind == "kill":
            one.close()
            one.open()
        elif opened and kind == "cancel":
            one.exchange.cancel(opened[values[0] % len(opened)].order_id)
        elif opened:
            one.exchange.replace(opened[values[0] % len(opened)].order_id, {values[1]: values[2]})
    except ApiError as refusal:
        if refusal.status not in (403, 422):
            raise


def _check(one: Bench) -> None:
    book, ledger = one.exchange.book, one.exchange.ledger
    orders = list(book.orders.values())
    bought = sum((o.filled_quantity for o in orders if o.side == "buy"), Decimal(0))
    sold = sum((o.filled_quantity for o in orders if o.side == "sell"), Decimal(0))
    paid = sum((o.gross for o in orders if o.side == "buy"), Decimal(0))
    earned = sum((o.gross for o in orders if o.side == "sell"), Decimal(0))
    assert ledger.quantity("AAA") == bought - sold >= 0
    assert abs(ledger.cash - (100_000 - paid + earned)) < Decimal("0.001")
    assert 0 <= book.held("AAA") <= ledger.quantity("AAA")
    assert book.reserved() <= ledger.cash
    for order in orders:
        assert order.quantity is not None
        assert 0 <= order.filled_quantity <= order.quantity
        assert (order.status == "filled") == (order.filled_quantity == order.quantity)
        if order.group_id == order.order_id:
            _check_group(one, order)
    stored = {o.order_id: (o.status, o.filled_quantity) for o in one.venue.store.orders()}
    assert stored == {o.order_id: (o.status, o.filled_quantity) for o in orders}


def _check_group(one: Bench, order: Order) -> None:
    members = one.exchange.book.group(order)
    entered = sum((o.filled_quantity for o in members if o.role == ENTRY), Decimal(0))
    left = sum((o.filled_quantity for o in members if o.role != ENTRY), Decimal(0))
    assert left <= (entered if order.role == ENTRY else Decimal(4))
    working = [
        o for o in members if o.role != ENTRY and o.status in ("new", "partially_filled", "pending_replace")
    ]
    assert len(working) <= 1
    if any(o.role == ENTRY and o.is_open for o in members):
        assert not working


def test_exchange_is_at_rest_while_nobody_trades_and_time_is_not_faster(tmp_path: Path) -> None:
    with bench(tmp_path) as one:
        assert one.exchange.is_at_rest
        one.submit()
        assert not one.exchange.is_at_rest
        one.wait()
        assert one.exchange.is_at_rest
        resting = one.submit(type="limit", limit_price="90")
        one.wait()
        assert not one.exchange.is_at_rest
        one.exchange.cancel(resting.order_id)
        assert one.exchange.is_at_rest

        one.venue.clock.set_speed(60)
        assert one.exchange.is_at_rest  # the clock stands
        one.venue.clock.resume()
        assert not one.exchange.is_at_rest
