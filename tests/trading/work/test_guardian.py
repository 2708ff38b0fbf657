"""Whoever engaged may die in any line: the guardian goes on until everything that was asked for is done."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from decimal import Decimal

import pytest
import redis
from django.conf import settings as django_settings

from connectors.alpaca import mapping
from connectors.base import BrokerPosition
from connectors.wire import Fields
from risk.services import locks, switch
from tests.factories import make_engagement, make_order
from tests.risk.threads import beside, held_beside
from tests.trading.outside import COIN, OTHER_STOCK, STOCK, Outside
from tests.trading.safety.test_kill_switch import stopped_sender
from tests.trading.scenes import ago
from tests.waiting import wait_until
from trading.core.providers import current_providers
from trading.execution.operator_stop import stop_trading
from trading.execution.portfolio import sync_portfolio
from trading.models import Order, Position, SwitchFollowUp
from trading.safety import flatten, kill_switch, senders
from trading.safety.flatten import flatten_positions
from trading.work import guardian
from trading.work.guardian import Guardian


@pytest.fixture
def now() -> list[float]:
    return [1000.0]


@pytest.fixture
def guard(now: list[float]) -> Guardian:
    return Guardian(clock=lambda: now[0])


def stopped_seller() -> AbstractContextManager[object]:
    """Somebody has the turn to sell everything, and says nothing any more."""
    return held_beside(locks.flatten_alone)


@pytest.fixture
def later(guard: Guardian, now: list[float]) -> Callable[[], None]:
    """Look when whoever engaged has had his turn, and each time a minute later."""

    def look() -> None:
        guard.look()
        now[0] += 60
        guard.look()

    return look


def done() -> SwitchFollowUp:
    return SwitchFollowUp.objects.get()


def test_nothing_to_guard_asks_nobody(account: Outside, guard: Guardian) -> None:
    guard.look()

    assert account.requests() == []


def test_flag_alone_is_taken_to_its_end(account: Outside, guard: Guardian, later: Callable[[], None]) -> None:
    account.fill_never()
    account.place(STOCK, "1", client_order_id="guarded")
    make_engagement()

    guard.look()
    assert account.is_open("guarded")  # whoever engaged has his turn first
    later()

    assert account.order("guarded")["status"] == "canceled"
    assert all((done().announced_at, done().senders_ended_at, done().cancelled_at))
    seen = len(account.requests())
    guard.look()
    assert len(account.requests()) == seen


def test_sale_that_was_asked_for_goes_on_until_nothing_is_held(
    account: Outside, later: Callable[[], None]
) -> None:
    account.hold(STOCK, "2")
    account.hold(COIN, "0.5")
    sync_portfolio(None)
    account.venue.fault(kind="error", route="GET /v2/positions", times=1)
    make_engagement(flatten_by="ada")

    later()
    assert (account.posts(), done().flattened_at) == ([], None)
    assert "not known" in done().problems[0]
    later()

    wait_until(lambda: not account.positions(), what="everything is sold")
    later()
    assert done().flattened_at is not None
    assert len(account.posts()) == 2
    assert not Position.objects.exists()


def test_what_fills_after_the_sale_is_sold_too(account: Outside, later: Callable[[], None]) -> None:
    make_engagement(flatten_by="ada")
    later()
    assert done().flattened_at is not None
    account.hold(STOCK, "2")
    sync_portfolio(None)

    later()

    wait_until(lambda: not account.positions(), what="everything is sold")


def test_sale_ends_with_the_engagement(account: Outside, guard: Guardian) -> None:
    account.hold(STOCK, "2")
    engagement = make_engagement(flatten_by="ada")
    switch.clear_flag(actor="bob", reason="found")

    guard.look()
    report = flatten_positions(engagement)

    assert account.posts() == []
    assert report.problems == [f"{STOCK}: kill switch released"]


def test_row_that_cannot_be_read_is_named_and_the_others_are_sold(
    account: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    account.hold(STOCK, "2")
    account.hold(OTHER_STOCK, "1")
    really = mapping.position_from_wire

    def unreadable(fields: Fields, listed: object) -> BrokerPosition:
        if fields.get("symbol") == STOCK:
            raise fields.malformed("qty")
        return really(fields, listed)  # type: ignore[arg-type]

    monkeypatch.setattr(mapping, "position_from_wire", unreadable)

    report = flatten_positions(make_engagement())

    assert report.ordered == [OTHER_STOCK]
    assert report.remaining is None
    assert f"{STOCK} cannot be read" in report.problems[0]


def test_sale_takes_no_turn_behind_a_used_up_limit(account: Outside) -> None:
    account.hold(STOCK, "2")
    use_up_the_limit()

    report = flatten_positions(make_engagement())

    assert report.ordered == [STOCK]


def test_record_of_the_sale_takes_no_turn_behind_a_used_up_limit(account: Outside) -> None:
    for symbol in (STOCK, OTHER_STOCK):
        account.hold(symbol, "2")
    sync_portfolio(None)
    use_up_the_limit()

    report = stop_trading(actor="ada", reason="enough", flatten=True)

    assert (report.problems, report.unprotected_positions) == ([], [])
    assert kill_switch.remaining() == kill_switch.Remaining(open_orders=[], unprotected_positions=[])
    sales = Order.objects.filter(purpose="flatten")
    assert [(o.status, o.fills.count()) for o in sales] == [("filled", 1)] * 2


def use_up_the_limit() -> None:
    throttle = next(t for t in current_providers().throttles if t.provider == "alpaca trading")
    with redis.Redis.from_url(django_settings.REDIS_URL) as client:
        seconds, _ = client.time()
        late = {
            f"other-{number}": (seconds + 30) * 1_000_000 for number in range(throttle.limits.requests + 50)
        }
        client.zadd(throttle._keys[0], late)


def test_two_who_sell_everything_take_turns_and_sell_once(threaded_account: Outside) -> None:
    account = threaded_account
    for symbol in (STOCK, OTHER_STOCK):
        account.hold(symbol, "2")
    engagement = make_engagement()

    with (
        beside(lambda: flatten_positions(engagement)) as one,
        beside(lambda: flatten_positions(engagement)) as other,
    ):
        reports = [one.result(60), other.result(60)]

    wait_until(lambda: not account.positions(), what="everything is sold")
    assert [post["status"] for post in account.posts()] == [200, 200]
    assert all(report.problems == [] for report in reports)


def test_one_who_was_stopped_while_selling_loses_its_turn(
    threaded_account: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = threaded_account
    account.hold(STOCK, "2")
    monkeypatch.setattr(senders, "PATIENCE_SECONDS", 0.5)

    with stopped_seller():
        report = flatten_positions(make_engagement())

    assert report.ordered == [STOCK]


def test_one_who_sells_for_long_is_left_to_it(
    threaded_account: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flatten, "TURN_SECONDS", 0.3)

    with stopped_seller():
        report = flatten_positions(make_engagement())

    assert (report.problems, report.remaining) == ([flatten.SOMEBODY_ELSE], None)


def test_stopped_sender_is_shut_out_without_any_engagement(
    threaded_account: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(senders, "PATIENCE_SECONDS", 0.2)
    order = make_order(symbol=STOCK, status="submitting", lease_until=ago(seconds=-30))
    guard = Guardian()

    with stopped_sender(order):
        wait_until(lambda: guard.look() or _lease_of(order) is None, what="the order is free")


def test_step_that_fails_keeps_no_other_from_its_turn(
    account: Outside, later: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ValueError("a bug")

    monkeypatch.setattr(guardian, "shut_out_silent", fail)
    monkeypatch.setattr(guardian.switch_follow_up, "announce", fail)
    account.fill_never()
    account.place(STOCK, "1", client_order_id="guarded-although")
    make_engagement()

    later()

    assert account.order("guarded-although")["status"] == "canceled"


def test_quantity_is_what_is_available_now_and_not_what_was(
    account: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    account.hold(STOCK, "2")
    account.hold(OTHER_STOCK, "2")
    monkeypatch.setattr(flatten, "READ_KEPT_SECONDS", -1.0)
    really = flatten._sell

    def sold_by_hand_meanwhile(*args: object) -> None:
        if not account.posts():
            last = sorted(account.positions())[-1]
            account.place(last, "1.5", side="sell")
            wait_until(lambda: account.positions()[last] == Decimal("0.5"), what="most of it is sold by hand")
        really(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(flatten, "_sell", sold_by_hand_meanwhile)

    report = flatten_positions(make_engagement())

    assert sorted(report.ordered) == [STOCK, OTHER_STOCK]
    assert sum(order.quantity or 0 for order in Order.objects.all()) == Decimal("2.5")


def _lease_of(order: Order) -> object:
    order.refresh_from_db()
    return order.lease_until
