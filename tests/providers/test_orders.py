"""How often and when an order is posted, counted by a server that knows Alpaca's addresses alone."""

from uuid import UUID

import pytest

from tests.providers.stub import ProviderStub
from tests.trading.scenes import advanced_to_its_end, ago, change, order_of, passed
from tests.waiting import wait_until
from trading.core.settings import set_runtime_setting
from trading.models import Order, Saga
from trading.orders.submission import submit_order

SYMBOL = "AAPL"


def setting(name: str, value: str) -> None:
    set_runtime_setting(name=name, value=value, actor="test")


def visited_until_posted(order_id: UUID, stub: ProviderStub, times: int) -> Order:
    """Visit the order, as the queue does, until it was posted so often."""

    def visited() -> Order | None:
        order = submit_order(order_id)
        return order if len(stub.asked("post")) >= times else None

    order = wait_until(visited, what=f"the order is posted {times} times")
    assert order is not None
    return order


def failed_once_quiet(saga: Saga) -> Order:
    """Let the last request be so old that it has reached the broker, or never will; return the order after a visit."""
    change(order_of(saga), submitted_at=ago(seconds=90), next_try_at=None)
    return submit_order(saga.order_id)


def test_an_order_is_one_post_and_is_booked(account: ProviderStub) -> None:
    saga = passed(SYMBOL)

    done = advanced_to_its_end(saga.pk)

    assert done.status == "completed"
    [post] = account.asked("post")
    assert post.body["client_order_id"] == order_of(saga).client_order_id
    assert post.body["type"] == "market"
    assert account.account.held().keys() == {SYMBOL}


def test_an_order_refused_with_503_is_posted_three_times_a_second_and_two_apart(
    account: ProviderStub,
) -> None:
    saga = passed(SYMBOL)
    account.refuse("post")

    visited_until_posted(saga.order_id, account, 3)
    order = failed_once_quiet(saga)

    assert order.status == "failed"
    assert len(account.asked("post")) == 3
    first, second = account.gaps("post")
    assert first >= 1
    assert second >= 2
    assert {post.body["client_order_id"] for post in account.asked("post")} == {order.client_order_id}
    asked = [request.name for request in account.noted if request.name in ("post", "look-up")]
    assert asked[:5] == ["post", "look-up", "post", "look-up", "post"]


def test_one_attempt_is_one_post(account: ProviderStub) -> None:
    setting("order_attempts", "1")
    saga = passed(SYMBOL)
    account.refuse("post")

    visited_until_posted(saga.order_id, account, 1)
    for _ in range(3):
        change(order_of(saga), next_try_at=None)
        submit_order(saga.order_id)
    order = failed_once_quiet(saga)

    assert order.status == "failed"
    assert len(account.asked("post")) == 1


def test_pauses_begin_with_the_base_that_is_set(account: ProviderStub) -> None:
    setting("retry_base", "5")
    setting("order_attempts", "2")
    saga = passed(SYMBOL)
    account.refuse("post")

    visited_until_posted(saga.order_id, account, 2)
    order = failed_once_quiet(saga)

    assert order.status == "failed"
    [gap] = account.gaps("post")
    assert gap >= 5


def test_an_order_that_comes_through_at_the_last_attempt_is_posted_no_more(account: ProviderStub) -> None:
    saga = passed(SYMBOL)
    account.refuse("post", times=2)

    visited_until_posted(saga.order_id, account, 3)
    done = advanced_to_its_end(saga.pk)

    assert done.status == "completed"
    assert [post.status for post in account.asked("post")] == [503, 503, 200]


@pytest.mark.system
def test_an_order_may_take_longer_than_ten_seconds_where_that_is_set(account: ProviderStub) -> None:
    setting("order_timeout", "20")
    saga = passed(SYMBOL)
    account.delay("post", 11)

    order = submit_order(saga.order_id)

    assert order.acknowledged_at is not None
    assert len(account.asked("post")) == 1
    assert account.asked("look-up") == []
