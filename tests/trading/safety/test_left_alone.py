"""Whatever else is in the account: the switch cancels every entry of ours, and sells what is ours to sell."""

from typing import Any

import pytest
from django.core.management import call_command

from risk.services import switch
from tests.factories import make_engagement
from tests.trading.core.test_unread_positions import delisted, list_positions, option
from tests.trading.outside import OTHER_STOCK, STOCK, Outside
from tests.trading.scenes import advanced_to_its_end, events_of, open_cycle, order_of, passed
from trading.execution import sagas
from trading.execution.portfolio import sync_portfolio
from trading.models import Order, Position, SwitchFollowUp
from trading.safety.flatten import flatten_positions
from trading.safety.kill_switch import engage
from trading.work.guardian import Guardian

pytestmark = pytest.mark.django_db

OPEN_ORDERS = "^GET /v2/orders$"
SPREAD = {
    "id": "0b1f4f6e-3a55-4b0e-9f0c-6d2a0d6b8f10",
    "client_order_id": "placed-in-the-browser",
    "created_at": "2020-10-15T13:32:00Z",
    "submitted_at": "2020-10-15T13:32:00Z",
    "symbol": "",
    "asset_class": "",
    "qty": "1",
    "filled_qty": "0",
    "order_class": "mleg",
    "side": "",
    "status": "new",
    "legs": [],
}
LEFT_ALONE = f"order {SPREAD['id']}: is another kind (mleg), not traded here"


def list_orders(account: Outside, *odd: object, **change: Any) -> None:
    """Have the broker list odd orders besides those that are open, which have some fields told otherwise."""
    rows = [row | change for row in account.venue.get("/v2/orders?status=open")]
    account.venue.fault(kind="error", route=OPEN_ORDERS, status=200, body=[*rows, *odd])


def entry_at_the_broker(account: Outside, symbol: str = STOCK) -> Any:
    account.fill_never()
    open_cycle()
    saga = passed(symbol)
    sagas.advance_saga(saga.pk)
    assert order_of(saga).broker_order_id
    return order_of(saga)


def cancels(account: Outside) -> list[str]:
    return [r["path"].rpartition("/")[2] for r in account.requests() if r["method"] == "DELETE"]


def test_spread_is_named_and_left_alone_and_our_entry_is_cancelled(account: Outside) -> None:
    entry = entry_at_the_broker(account)
    list_orders(account, SPREAD)

    report = engage(actor="ada", reason="drill")

    assert cancels(account) == [entry.broker_order_id]
    assert report.cancel_requested == [entry.client_order_id]
    assert report.left_alone == [LEFT_ALONE]
    assert report.problems == []
    assert account.order(entry.client_order_id)["status"] == "canceled"


@pytest.mark.parametrize(
    "change",
    [{"filled_qty": "NaN"}, {"asset_class": "us_option"}, {"symbol": None}, {"submitted_at": 7}],
    ids=str,
)
def test_entry_of_ours_is_cancelled_in_whatever_words_it_is_told(
    account: Outside, change: dict[str, Any]
) -> None:
    entry = entry_at_the_broker(account)
    list_orders(account, **change, **({"created_at": 7} if "submitted_at" in change else {}))

    report = engage(actor="ada", reason="drill")

    assert report.cancel_requested == [entry.client_order_id]
    assert account.order(entry.client_order_id)["status"] == "canceled"
    assert report.left_alone == []


def test_entry_whose_row_has_no_id_is_cancelled_by_our_record(account: Outside) -> None:
    entry = entry_at_the_broker(account)
    list_orders(account, id=None, client_order_id=None)

    report = engage(actor="ada", reason="drill")

    assert account.order(entry.client_order_id)["status"] == "canceled"
    assert report.cancel_requested == [entry.client_order_id]
    assert report.problems == ["an open order cannot be read, look at it at the broker: id is None"]


def test_what_a_person_holds_keeps_no_engagement_from_being_done(account: Outside) -> None:
    list_orders(account, SPREAD)
    list_positions(account, option())
    list_orders(account, SPREAD)
    guard = Guardian()

    engage(actor="ada", reason="drill", flatten=True)
    guard.look()

    done = SwitchFollowUp.objects.get()
    assert done.cancelled_at is not None
    assert done.senders_ended_at is not None


def test_sale_leaves_options_and_what_has_no_value_and_sells_the_others(account: Outside) -> None:
    account.hold(STOCK, "2")
    account.hold(OTHER_STOCK, "1")
    list_positions(account, delisted(), option())

    report = flatten_positions(make_engagement(), within_seconds=20)

    assert sorted(report.ordered) == sorted([STOCK, OTHER_STOCK])
    assert sorted(report.left_alone) == [
        "SIVBQ: market_value is None",
        "SPY201218C00350000: is another kind (us_option), not traded here",
    ]
    assert report.problems == []
    assert account.positions() == {}
    assert set(Order.objects.values_list("symbol", flat=True)) == {STOCK, OTHER_STOCK}


def test_sale_is_done_where_only_what_is_left_alone_is_held(account: Outside) -> None:
    list_positions(account, delisted(), option())

    report = flatten_positions(make_engagement())

    assert (report.remaining, report.is_done) == ({}, True)


def test_command_says_what_is_left_alone_and_succeeds(
    account: Outside, capsys: pytest.CaptureFixture[str]
) -> None:
    list_positions(account, delisted(), option())
    list_orders(account, SPREAD)
    sync_portfolio(None)

    call_command("kill_switch", "engage", "--reason", "drill", "--flatten")

    told = capsys.readouterr().out
    assert LEFT_ALONE in told
    assert "SIVBQ: market_value is None" in told
    assert "problems: none" in told
    call_command("kill_switch", "release", "--reason", "over")
    assert not switch.is_engaged()
    assert Position.objects.get().symbol == "SIVBQ"


def test_entry_that_filled_ends_although_the_list_holds_a_spread(account: Outside) -> None:
    open_cycle()
    saga = passed(STOCK)
    list_orders(account, SPREAD)

    saga = advanced_to_its_end(saga.pk)

    assert saga.status == "completed"
    assert "order.fill" in events_of(order_of(saga))
