"""A trade is of the market day on which it was filled, whenever that day is replayed."""

from datetime import UTC, datetime
from decimal import Decimal
from importlib import import_module

import pytest
from django.db import connection
from django.db.models import Max, Sum
from django.utils import timezone

from tests.factories import make_fill, make_order, make_trade, switch_guards_off
from tests.trading.outside import OTHER_STOCK, STOCK, Outside
from tests.trading.scenes import advanced_to_its_end, ago, change, open_cycle, order_of, passed
from tests.waiting import wait_until
from trading.core.providers import current_providers
from trading.cycle.cycles import complete_cycle
from trading.execution.portfolio import sync_portfolio
from trading.execution.reconciliation import reconcile
from trading.execution.trade_booking import book_trade
from trading.market.market_time import market_now
from trading.models import Cycle, EquitySnapshot, Fill, Trade

DAY = datetime(2020, 10, 15, 15, tzinfo=UTC)


def equity() -> Decimal:
    sync_portfolio(None)
    newest = EquitySnapshot.objects.newest()
    assert newest is not None
    return newest.equity


@pytest.mark.django_db
def test_profit_by_market_day_adds_up_to_what_the_equity_changed(account: Outside) -> None:
    """Prices move between entry and exit, both in one session; nothing is held before or after."""
    account.venue.clock(to="open")
    switch_guards_off()
    before = equity()

    for symbol in (STOCK, OTHER_STOCK):
        advanced_to_its_end(passed(symbol).pk)
    complete_cycle(Cycle.objects.get())
    account.venue.clock(advance=600)
    open_cycle()
    for symbol in (STOCK, OTHER_STOCK):
        advanced_to_its_end(passed(symbol, "sell").pk)

    now = market_now()
    assert now is not None
    assert now.date() != timezone.now().date(), "the replayed day is none of the world's"
    of_the_day = Trade.objects.filter(traded_at__date=now.date())
    earned = of_the_day.aggregate(total=Sum("realised_pnl"))["total"]
    assert of_the_day.count() == Trade.objects.count() == 4
    assert earned == pytest.approx(equity() - before, abs=Decimal("0.01"))
    for trade in Trade.objects.annotate(last=Max("order__fills__executed_at")):
        assert trade.traded_at == trade.last
        assert trade.booked_at == trade.order.ended_at


@pytest.mark.django_db
def test_trade_whose_fills_come_later_is_dated_by_them(account: Outside) -> None:
    saga = advanced_to_its_end(passed().pk)
    order, trade = order_of(saga), Trade.objects.get()
    dated = trade.traded_at
    Fill.objects.all().delete()

    book_trade(order, unit_cost=None)
    trade.refresh_from_db()
    assert trade.traded_at == order.ended_at, "nothing better is known"
    reconcile()

    trade.refresh_from_db()
    assert trade.traded_at == dated
    assert trade.booked_at == order.ended_at


@pytest.mark.django_db
def test_stranger_is_dated_by_its_fills(account: Outside) -> None:
    placed = account.place(STOCK, "2")
    wait_until(lambda: STOCK in account.positions(), what="the stranger's order is filled")

    reconcile()

    fills = [fill for fill in current_providers().broker.fills() if fill.broker_order_id == placed]
    assert Trade.objects.get(order__broker_order_id=placed).traded_at == max(f.executed_at for f in fills)


@pytest.mark.django_db
def test_migration_dates_old_trades_by_their_fills_and_back() -> None:
    """Where no fill is recorded a trade keeps the time it had."""
    migration = import_module("trading.migrations.0025_market_time_of_trades")
    known, unknown = (make_trade(order=make_order(status="filled")) for _ in range(2))
    for seconds in (0, 30):
        make_fill(order=known.order, executed_at=DAY.replace(second=seconds))
    booked = {trade.pk: trade.traded_at for trade in (known, unknown)}
    change(known, booked_at=ago(days=-1))
    change(unknown, booked_at=ago(days=-1))

    with connection.cursor() as cursor:
        cursor.execute(migration.DATE_BY_FILLS)
        known.refresh_from_db()
        unknown.refresh_from_db()
        dated = (known.traded_at, unknown.traded_at)
        cursor.execute(migration.DATE_BY_BOOKING)

    assert dated == (DAY.replace(second=30), booked[unknown.pk])
    assert dict(Trade.objects.values_list("pk", "traded_at")) == booked
    assert dict(Trade.objects.values_list("pk", "booked_at")) == booked
