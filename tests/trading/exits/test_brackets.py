"""Positions held by the broker first: brackets, what is added to them, and sales that race them."""

from decimal import Decimal

import pytest
from django.utils import timezone

from tests.trading.outside import STOCK, Outside
from tests.trading.scenes import advanced_to_its_end, order_of, passed
from tests.waiting import wait_until
from trading.execution import unattended_orders
from trading.execution.portfolio import sync_portfolio
from trading.exits.closing import close_position
from trading.exits.keeping import Keeper
from trading.models import Cycle, Order, Position, Thesis, Trade
from trading.protection.coverage import read_coverage, unprotected_positions

pytestmark = pytest.mark.usefixtures("account")


def bought(symbol: str = STOCK) -> Order:
    saga = advanced_to_its_end(passed(symbol, whole=True).pk)
    assert saga.status == "completed", saga.error
    return order_of(saga)


def end_cycle(order: Order) -> None:
    """Let the next decision belong to another cycle."""
    Cycle.objects.filter(pk=order.cycle_id).update(status="completed", stage="ended", ended_at=timezone.now())


def protectors(symbol: str = STOCK) -> list[tuple[str, str, Decimal | None]]:
    rows = Order.objects.protecting().filter(symbol=symbol).order_by("purpose")
    return list(rows.values_list("purpose", "status", "quantity"))


def test_entry_of_whole_shares_is_protected_from_its_fill_on(account: Outside) -> None:
    entry = bought()

    assert entry.order_class == "bracket"
    legs = list(entry.legs.order_by("purpose"))
    assert [leg.purpose for leg in legs] == ["stop_loss", "take_profit"]
    assert [leg.quantity for leg in legs] == [entry.filled_quantity] * 2
    assert legs[0].stop_price == entry.stop_loss_price
    assert legs[1].limit_price == entry.take_profit_price
    assert read_coverage()[STOCK].stopped() == Position.objects.get(pk=STOCK).quantity
    assert unprotected_positions() == []


def test_a_model_s_sale_takes_the_legs_away_first(account: Outside) -> None:
    end_cycle(bought())

    saga = advanced_to_its_end(passed(STOCK, "sell", whole=True).pk)

    assert saga.status == "completed", saga.error
    assert protectors() == []
    sync_portfolio(None)
    assert not Position.objects.filter(pk=STOCK).exists()


def test_adopted_position_gets_a_stop_for_what_is_held(account: Outside) -> None:
    account.hold(STOCK, "10")
    sync_portfolio(None)
    assert unprotected_positions() == [STOCK]

    wait_until(lambda: Keeper().keep() or protectors(), what="a stop rests")

    ((purpose, _, quantity),) = protectors()
    assert (purpose, quantity) == ("stop_loss", 10)
    assert unprotected_positions() == []


def test_adopted_position_has_no_part_in_an_entry_that_is_over(account: Outside) -> None:
    """Else it is sold at once where the price is past that one's target."""
    entry = bought()
    end_cycle(entry)
    advanced_to_its_end(passed(STOCK, "sell", whole=True).pk)
    wait_until(lambda: sync_portfolio(None) or Thesis.objects.get().closed_at, what="its thesis is over")

    account.hold(STOCK, "10")
    sync_portfolio(None)
    wait_until(lambda: Keeper().keep() or protectors(), what="a stop rests")

    assert entry.take_profit_price is not None
    assert Position.objects.get(pk=STOCK).target_price is None
    assert [purpose for purpose, _, _ in protectors()] == ["stop_loss"]


def test_closing_a_part_protects_the_rest(account: Outside) -> None:
    entry = bought()

    sold = close_position(STOCK, quantity=Decimal(1), reason="operator", actor="ada")
    wait_until(lambda: not unattended_orders.follow_order(sold.pk).is_open, what="the sale")
    rest = entry.filled_quantity - 1
    Keeper().keep()

    assert Position.objects.get(pk=STOCK).quantity == rest
    assert read_coverage()[STOCK].stopped() == rest


def test_a_leg_that_sells_is_booked_and_its_sibling_goes(account: Outside) -> None:
    entry = bought()
    legs = list(entry.legs.all())

    def sold() -> Order | None:
        account.venue.clock(advance=86_400)
        for leg in legs:
            leg = unattended_orders.follow_order(leg.pk)
            if leg.filled_quantity > 0 and not leg.is_open:
                return leg
        return None

    leg = wait_until(sold, seconds=300, what="a leg sells")
    assert leg is not None
    (other,) = [Order.objects.get(pk=each.pk) for each in legs if each.pk != leg.pk]
    assert (leg.status, other.status) == ("filled", "canceled")
    assert not Position.objects.filter(pk=STOCK).exists()
    pnl = Trade.objects.get(order=leg).realised_pnl
    assert pnl is not None
    assert (pnl > 0) == (leg.purpose == "take_profit")
