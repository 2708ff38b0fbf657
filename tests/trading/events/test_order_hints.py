"""An update that says no more than that an order rests is looked at in a moment, with the others that do."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.trading.orders.test_broker_stream import S, story, update_of, with_saga
from tests.trading.outside import OTHER_STOCK, Outside
from tests.trading.scenes import ago, change
from trading.events import order_hints
from trading.events.order_hints import Rests
from trading.models import Order


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
