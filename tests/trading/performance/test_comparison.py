"""The books held against the broker's account: what agrees, what is told, once, and what is taken in."""

from decimal import Decimal

import pytest

from tests.factories import make_equity, make_order, make_position, make_saga
from tests.trading.outside import COIN, STOCK, Outside
from tests.trading.performance.booked import traded
from tests.trading.scenes import advanced_to_its_end, passed
from trading.cycle.cycles import complete_cycle
from trading.execution.portfolio import sync_portfolio
from trading.execution.reconciliation import reconcile
from trading.models import BookCheck, Cycle, EquitySnapshot, Event, Lot, Position, RoundTrip, SymbolBook
from trading.performance import lots
from trading.performance.comparison import begin_comparison, compare_books

D = Decimal
pytestmark = pytest.mark.django_db


def told() -> list[tuple[str, str]]:
    """Return place and amount of every difference that was told."""
    rows = Event.objects.filter(type="books.differ").order_by("sequence")
    return [(row.payload["reason"].split(":")[0], row.payload["amount"]) for row in rows]


def synced(cash: str, *, value: str = "0") -> None:
    make_equity(cash=D(cash), equity=D(cash) + D(value))


def position(symbol: str, quantity: str, cost: str, price: str) -> None:
    Position.objects.filter(symbol=symbol).delete()
    if D(quantity):
        make_position(
            symbol,
            quantity=D(quantity),
            average_entry_price=D(cost),
            market_value=D(quantity) * D(price),
        )


def test_what_was_held_before_the_first_sync_is_a_lot_of_unknown_origin_and_no_difference() -> None:
    position("AAPL", "10", "90", "100")
    synced("5000", value="1000")

    begin_comparison()

    lot = Lot.objects.get()
    assert (lot.order_id, lot.decision_id, lot.remaining, lot.cost) == (None, None, D(10), D(900))
    check = BookCheck.objects.get()
    assert (check.opening_equity, check.opening_cash, check.opening_unrealised) == (6000, 5000, 100)
    assert told() == []


def test_a_purchase_and_its_sale_leave_no_difference() -> None:
    synced("5000")
    begin_comparison()
    traded("buy", "10", "100")
    position("AAPL", "10", "100", "100")
    synced("4000", value="1000")
    assert compare_books() is not None
    traded("sell", "10", "103.5")
    position("AAPL", "0", "0", "0")
    synced("5035")

    assert not compare_books()
    assert BookCheck.objects.get().rounding == 0
    assert told() == []


def test_a_difference_is_told_when_the_next_sync_confirms_it_and_then_never_again() -> None:
    synced("5000")
    begin_comparison()
    for cash in ("5012.50", "5012.50", "5012.50", "5012.51"):
        synced(cash)
        compare_books()

    assert told() == [("cash +12.50 USD", "12.5")]
    assert BookCheck.objects.get().unexplained_cash == D("12.50")


def test_a_cent_is_no_difference_and_cents_do_not_add_up_to_one() -> None:
    synced("5000")
    begin_comparison()
    for cash in ("5000.01", "5000.02", "5000.03"):
        synced(cash)
        compare_books()

    assert told() == []
    assert BookCheck.objects.get().rounding == D("0.03")


def test_a_fill_that_comes_between_two_reads_is_not_told() -> None:
    synced("5000")
    begin_comparison()
    position("AAPL", "10", "100", "100")
    synced("4000", value="1000")
    compare_books()  # the broker has it, we do not know of it yet

    traded("buy", "10", "100")
    synced("4000", value="1000")
    compare_books()

    assert told() == []


def test_nothing_is_compared_while_an_order_is_under_way() -> None:
    synced("5000")
    begin_comparison()
    make_saga(order=make_order(status="accepted"))
    synced("4000")

    assert compare_books() is None


def test_shares_that_nobody_bought_are_told_with_their_value_and_taken_in_at_the_brokers_cost() -> None:
    synced("5000")
    begin_comparison()
    position("MSFT", "3", "40", "50")
    for _ in range(3):
        synced("5000", value="150")
        compare_books()

    assert told() == [("MSFT +3", "150")]
    assert SymbolBook.objects.get(symbol="MSFT").moved == D(120)
    assert lots.rebuild() == []


def test_shares_that_are_gone_are_told_and_taken_out_without_a_profit() -> None:
    position("MSFT", "3", "40", "50")
    synced("5000", value="150")
    begin_comparison()
    position("MSFT", "0", "0", "0")
    for _ in range(3):
        synced("5000")
        compare_books()

    assert told() == [("MSFT -3", "-120")]
    assert RoundTrip.objects.get().realised_pnl == 0


def test_a_split_is_booked_as_one_and_is_no_difference() -> None:
    """NEE, 2020-10-27: four for one."""
    synced("50000")
    begin_comparison()
    traded("buy", "10", "280", symbol="NEE")
    position("NEE", "10", "280", "290")
    synced("47200", value="2900")
    compare_books()

    position("NEE", "40", "70", "72.5")
    synced("47200", value="2900")

    assert not compare_books()
    lot = Lot.objects.get()
    assert (lot.remaining, lot.price, lot.cost, lot.decision_id is None) == (D(40), D(70), D(2800), False)
    assert told() == []


def test_a_purchase_of_three_times_as_much_at_the_same_price_is_no_split() -> None:
    synced("50000")
    begin_comparison()
    traded("buy", "10", "280", symbol="NEE")
    position("NEE", "10", "280", "280")
    synced("47200", value="2800")
    compare_books()

    position("NEE", "40", "280", "280")
    for _ in range(2):
        synced("38800", value="11200")
        compare_books()

    assert told() == [("cash -8400.00 USD, NEE +30", "0")]


def test_books_agree_with_the_venue_over_entries_an_exit_and_a_sale_by_hand(account: Outside) -> None:
    """Stock and coin, with the coin's fee; what a person sells at the broker is booked to the entry's decision."""
    sync_portfolio(None)
    bought = [advanced_to_its_end(passed(symbol).pk) for symbol in (STOCK, COIN)]
    complete_cycle(Cycle.objects.get())
    assert compare_books() is not None
    advanced_to_its_end(passed(COIN, "sell").pk)
    account.sell_everything()
    reconcile()
    sync_portfolio(None)

    found = compare_books()

    assert found is not None
    assert not found
    assert told() == []
    assert not Lot.objects.filter(remaining__gt=0).exists()
    by_reason = {trip.exit_reason: trip for trip in RoundTrip.objects.all()}
    assert set(by_reason) == {"signal", "external"}
    assert by_reason["external"].entry_decision_id == bought[0].decision_id
    earned = sum(trip.realised_pnl for trip in by_reason.values())
    check, last = BookCheck.objects.get(), EquitySnapshot.objects.newest()
    assert last is not None
    assert abs(last.equity - check.opening_equity - earned) < D("0.01")
    assert lots.rebuild() == []
