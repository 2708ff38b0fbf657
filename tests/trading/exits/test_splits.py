"""What protects a position over a split: the venue leaves the parts of brackets as they are, as the provider does."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from tests.trading.exits.test_brackets import bought, protectors
from tests.trading.outside import STOCK, Outside
from tests.venue_process import VenueProcess
from tests.waiting import wait_until
from trading.execution.portfolio import sync_portfolio
from trading.execution.reconciliation import reconcile
from trading.exits.keeping import Keeper
from trading.models import AccountActivity, Event, Order, Position, RoundTrip, SymbolBook, Thesis
from trading.performance import lots
from trading.performance.comparison import compare_books
from trading.protection.coverage import unprotected_positions
from trading.protection.theses import open_theses_of

D = Decimal
pytestmark = pytest.mark.usefixtures("account")


@pytest.fixture(scope="module")
def venue_process() -> Iterator[VenueProcess]:
    """Stand in for the run's venue: what splits here would have another price in other tests."""
    with VenueProcess(is_forked=True) as venue:
        yield venue


def announce(account: Outside, kind: str, value: str) -> datetime:
    """Let something happen at the next open; return when that is. The clock stands at the close before it."""
    action = {"symbol": STOCK, "kind": kind, "value": value}
    account.venue.request("POST", "/venue/corporate_actions", action)
    account.venue.clock(to="close")
    return datetime.fromisoformat(account.venue.get("/v2/clock")["next_open"])


def held_alone() -> Order:
    """Buy; the stop is settled, and the books agree."""
    sync_portfolio(None)
    entry = bought()
    Keeper().keep()
    assert not compare_books()
    return entry


@pytest.mark.parametrize("ratio", ["4", "0.5"])
def test_stops_are_moved_before_the_open_and_nothing_is_sold_by_the_old_ones(
    account: Outside, ratio: str
) -> None:
    entry = held_alone()
    held = entry.filled_quantity
    stop, paid = entry.stop_loss_price, Thesis.objects.get().entry_price
    assert stop is not None
    assert paid is not None
    opening = announce(account, "split", ratio)

    account.venue.clock(to=(opening - timedelta(hours=1)).isoformat())
    sync_portfolio(None)
    new = (held * D(ratio)).quantize(D("1e-9"))

    def is_moved() -> bool:
        Keeper().keep()
        rows = Order.objects.protecting().filter(symbol=STOCK)
        return {row.quantity for row in rows} == {new.to_integral_value("ROUND_DOWN")}

    wait_until(is_moved, seconds=30, what="stop and target are of the new shares")
    assert not compare_books()
    moved = Position.objects.get(pk=STOCK)
    assert moved.stop_price is not None
    assert abs(moved.stop_price - stop / D(ratio)) < D("0.01")
    assert Order.objects.protecting().get(purpose="stop_loss").stop_price == moved.stop_price
    (thesis,) = open_theses_of([STOCK])[STOCK]
    assert thesis.stop_price == moved.stop_price
    assert thesis.entry_price is not None
    assert abs(thesis.entry_price - paid / D(ratio)) < D("0.001")
    account.venue.clock(to=(opening + timedelta(minutes=2)).isoformat())
    reconcile()

    assert account.positions()[STOCK] == new
    assert (SymbolBook.objects.get(pk=STOCK).quantity, RoundTrip.objects.count()) == (new, 0)
    assert [row.price for row in AccountActivity.objects.filter(kind="split")] == [D(ratio)]
    assert not Event.objects.filter(type="books.differ").exists()
    assert lots.rebuild() == []
    assert new != new.to_integral_value() or unprotected_positions() == []


def test_a_dividend_leaves_stop_and_target_as_they_are(account: Outside) -> None:
    held_alone()
    before = protectors()
    opening = announce(account, "dividend", "0.01")

    account.venue.clock(to=(opening - timedelta(hours=1)).isoformat())
    reconcile()
    Keeper().keep()
    account.venue.clock(to=opening.isoformat())
    reconcile()
    Keeper().keep()

    assert protectors() == before
    assert not Event.objects.filter(type="books.differ").exists()
