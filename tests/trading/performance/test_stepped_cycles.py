"""Whole cycles against a venue: after each one books and account agree, and the report explains every cent."""

from decimal import Decimal

import pytest

from connectors.base import BrokerPosition
from tests.trading.test_two_runs import STEP_SECONDS, fresh_world, step_through
from trading.core.providers import current_providers
from trading.cycle.cycles import start_cycle
from trading.execution.portfolio import sync_portfolio
from trading.models import Asset, BookCheck, Event, Fill, Lot, RoundTrip, SymbolBook
from trading.performance import lots
from trading.performance.report import GROUPS, performance

CYCLES = 12
CENT = Decimal("0.01")

# A dozen cycles, each order followed to its end.
pytestmark = [pytest.mark.system, pytest.mark.timeout(900), pytest.mark.django_db(transaction=True)]


def held() -> dict[str, Decimal]:
    positions: tuple[BrokerPosition, ...] = current_providers().broker.holdings().positions
    return {position.symbol: position.quantity for position in positions}


def booked() -> dict[str, Decimal]:
    return {row.symbol: row.quantity for row in SymbolBook.objects.exclude(quantity=0)}


def test_books_and_account_agree_after_every_cycle() -> None:
    """Stocks and coins, orders that fill in parts, by the built-in analyst."""
    with fresh_world(7) as venue:
        coins = Asset.objects.filter(asset_class="crypto").order_by("symbol")[:3]
        stocks = Asset.objects.filter(asset_class="stock").order_by("symbol")[:12]
        symbols = [asset.symbol for asset in (*stocks, *coins)]
        for _ in range(CYCLES):
            sync_portfolio(None)
            step_through(start_cycle(trigger="test", symbols=symbols))
            check = BookCheck.objects.get()
            assert check.agreed_at == check.checked_at
            assert booked() == held()
            venue.clock(advance=STEP_SECONDS)

        assert not Event.objects.filter(type="books.differ").exists()
        check = BookCheck.objects.get()
        assert abs(check.rounding) < CENT
        assert Fill.objects.filter(side="buy").count() > 5
        assert Lot.objects.count() >= Fill.objects.filter(side="buy").count()
        assert lots.rebuild() == []
        report = performance(by="day")
        equity = report.equity
        change, unexplained = equity.change.value, equity.unexplained.value
        assert change is not None
        assert unexplained is not None
        assert abs(unexplained) < CENT
        for group in GROUPS:
            rows = performance(by=group).rows
            assert abs(sum(row.profit.value or 0 for row in rows) - change) < CENT, group
        print(report.trades, RoundTrip.objects.count(), change)  # noqa: T201 - shown where it fails
