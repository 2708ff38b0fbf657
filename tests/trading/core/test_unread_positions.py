"""A position that cannot be read, or has no value, takes nothing with it and is taken for nothing."""

from decimal import Decimal
from typing import Any

import pytest

from tests.factories import make_position
from tests.trading.outside import COIN, OTHER_STOCK, STOCK, Outside
from tests.trading.scenes import advanced_to_its_end, open_cycle, order_of, passed, reservation_of, wish
from trading.core import unread_positions
from trading.core.set_aside import unclear_symbols
from trading.cycle.fetching import fetch_account
from trading.execution import gate_inputs
from trading.execution.decision_execution import execute_decision
from trading.execution.portfolio import sync_portfolio
from trading.execution.reconciliation import reconcile
from trading.models import AgentStatus, EquitySnapshot, Event, Position, SetAsideRow

pytestmark = pytest.mark.django_db

POSITIONS = "^GET /v2/positions$"


def delisted(**overrides: Any) -> dict[str, Any]:
    return {
        "asset_id": "9c4a3c43-6d13-4f0b-8a31-3bb6c9a5d5f1",
        "symbol": "SIVBQ",
        "asset_class": "us_equity",
        "qty": "4",
        "qty_available": "4",
        "avg_entry_price": "267.39",
        "side": "long",
        "market_value": None,
        "current_price": None,
    } | overrides


def option() -> dict[str, Any]:
    return delisted(symbol="SPY201218C00350000", asset_class="us_option", market_value="812")


def list_positions(account: Outside, *odd: object, without: str = "") -> None:
    """Have the broker list what is held, but for one, and odd rows besides."""
    account.venue.clear_faults()
    held = [row for row in account.venue.get("/v2/positions") if row["symbol"] != without.replace("/", "")]
    account.venue.fault(kind="error", route=POSITIONS, status=200, body=[*held, *odd])


def test_delisted_share_is_held_at_an_unknown_value(account: Outside) -> None:
    account.hold(STOCK, "2")
    list_positions(account, delisted())

    truth = sync_portfolio(None)

    row = Position.objects.get(pk="SIVBQ")
    assert (row.quantity, row.market_value, row.unrealised_pnl) == (4, None, None)
    assert row.exposure == Decimal("1069.56")
    assert Position.objects.get(pk=STOCK).market_value > 0
    assert EquitySnapshot.objects.get().equity > 0
    assert truth.is_stored
    assert [str(noted) for noted in SetAsideRow.objects.all()] == ["SIVBQ: market_value is None"]


@pytest.mark.parametrize("action", ["buy", "sell"])
def test_position_without_a_value_is_neither_bought_nor_sold(account: Outside, action: str) -> None:
    list_positions(account, delisted(symbol=STOCK))
    open_cycle()
    decision = wish(STOCK, action)

    assert execute_decision(decision.pk) is None

    decision.refresh_from_db()
    assert (decision.status, decision.reason) == ("denied", "position_unclear")
    assert account.posts() == []


def test_position_without_a_value_counts_at_its_cost_and_stops_no_other(account: Outside) -> None:
    list_positions(account, delisted())
    open_cycle()

    book = gate_inputs.risk_book_for(STOCK)

    assert book.exposures == {"SIVBQ": Decimal("1069.56")}
    assert execute_decision(wish(STOCK).pk) is not None


def test_row_that_cannot_be_read_leaves_our_position_as_it_was(account: Outside) -> None:
    account.hold(COIN, "0.5")
    account.hold(STOCK, "2")
    sync_portfolio(None)
    before = Position.objects.get(pk=COIN)
    list_positions(account, delisted(symbol="BTCUSD", asset_class="crypto", qty="NaN"), without=COIN)

    sync_portfolio(None)

    after = Position.objects.get(pk=COIN)
    assert (after.quantity, after.synced_at) == (before.quantity, before.synced_at)
    assert (after.market_value, after.unrealised_pnl) == (None, None)
    assert unclear_symbols() == {COIN}
    assert not Event.objects.filter(type="position.closed").exists()
    assert AgentStatus.objects.get().position_count == 2


def test_row_without_a_symbol_is_found_by_asking_for_what_seems_gone(account: Outside) -> None:
    account.hold(STOCK, "2")
    sync_portfolio(None)
    make_position(symbol=OTHER_STOCK)
    list_positions(account, delisted(symbol=None), without=STOCK)

    sync_portfolio(None)

    assert set(Position.objects.values_list("symbol", flat=True)) == {STOCK}
    assert Position.objects.get(pk=STOCK).market_value > 0
    assert [noted.name for noted in SetAsideRow.objects.all()] == ["a row without a name"]


def test_more_missing_than_may_be_asked_for_stay(account: Outside, monkeypatch: pytest.MonkeyPatch) -> None:
    account.hold(STOCK, "2")
    account.hold(OTHER_STOCK, "2")
    sync_portfolio(None)
    monkeypatch.setattr(unread_positions, "ASKED_ONE_BY_ONE", 0)
    list_positions(account, delisted(symbol=""), without=STOCK)

    sync_portfolio(None)

    assert set(Position.objects.values_list("symbol", flat=True)) == {STOCK, OTHER_STOCK}
    assert unclear_symbols() == {STOCK}


def test_what_can_be_read_again_is_noted_no_more(account: Outside) -> None:
    list_positions(account, delisted(), option())
    sync_portfolio(None)
    assert SetAsideRow.objects.count() == 2
    account.venue.clear_faults()

    sync_portfolio(None)

    assert not SetAsideRow.objects.exists()
    assert not Position.objects.exists()


def test_option_is_named_and_no_position_of_ours(account: Outside) -> None:
    account.hold(STOCK, "2")
    list_positions(account, *[option()] * 5)
    cycle = open_cycle()

    fetch_account(cycle.pk)

    assert list(Position.objects.values_list("symbol", flat=True)) == [STOCK]
    assert unclear_symbols() == set()
    warning = Event.objects.get(type="cycle.warning", aggregate_id=str(cycle.pk))
    assert warning.payload["message"].startswith(
        "5 rows left out: SPY201218C00350000: is another kind (us_option)"
    )


def test_what_was_bought_of_an_unreadable_position_keeps_its_room(account: Outside) -> None:
    """The fill is in no position that we know: its reservation counts until one can be read."""
    open_cycle()
    saga = passed()
    order = order_of(saga)
    list_positions(account, delisted(symbol=order.symbol, qty="n/a"))

    saga = advanced_to_its_end(saga.pk)

    assert saga.status == "completed"
    reservation = reservation_of(saga)
    assert reservation.released_at is None
    assert gate_inputs.risk_book_for(order.symbol).reserved[order.symbol] == reservation.notional

    account.venue.clear_faults()
    sync_portfolio(None)

    reservation.refresh_from_db()
    assert reservation.released_at is not None
    assert Position.objects.get(pk=order.symbol).quantity == order_of(saga).filled_quantity


def test_unreadable_position_is_no_difference(account: Outside) -> None:
    account.hold(STOCK, "2")
    sync_portfolio(None)
    list_positions(account, delisted(symbol=STOCK, side="sideways"), without=STOCK)

    report = reconcile()

    assert report.positions == []
    assert Position.objects.get(pk=STOCK).quantity == 2
