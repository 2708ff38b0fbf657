"""A person's close: by command and REST, whole or in part, and every way in which it is refused."""

import json
from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from tests.factories import make_engagement, make_order
from tests.trading.outside import COIN, STOCK, Outside
from tests.waiting import wait_until
from trading.execution.portfolio import sync_portfolio
from trading.exits.closing import CloseDeniedError, ClosingError, NotHeldError, as_listed, close_position
from trading.exits.keeping import Keeper
from trading.models import AgentStatus, Order
from trading.orders.submission import submit_order
from trading.protection.coverage import read_coverage
from trading.safety.flatten import flatten_positions


def held(account: Outside, symbol: str = STOCK, quantity: str = "4") -> None:
    """Have a position that a stop at the broker protects."""
    account.hold(symbol, quantity)
    sync_portfolio(None)
    wait_until(lambda: Keeper().keep() or symbol in read_coverage(), what="a stop rests")


def close(symbol: str = STOCK, quantity: str | None = None) -> Order:
    wanted = None if quantity is None else Decimal(quantity)
    return close_position(symbol, quantity=wanted, reason="operator", actor="ada")


def test_command_sells_all_and_takes_the_stop_away(account: Outside) -> None:
    held(account)
    said = StringIO()

    call_command("close", STOCK.lower(), "--json", stdout=said)

    told = json.loads(said.getvalue())
    assert (told["symbol"], told["quantity"]) == (STOCK, "4")
    wait_until(lambda: STOCK not in account.positions(), what="it is sold")
    assert not Order.objects.protecting().filter(symbol=STOCK).exists()
    assert Order.objects.get(pk=told["order_id"]).exit_reason == "operator"


@pytest.mark.parametrize(
    ("quantity", "words"),
    [("5", "4 are held"), ("0", "more than 0"), ("NaN", "more than 0"), ("-1", "more than 0")],
)
def test_quantity_that_cannot_be_sold_is_named_and_nothing_is_touched(
    account: Outside, quantity: str, words: str
) -> None:
    held(account)

    with pytest.raises(NotHeldError, match=f"quantity: was .*{words}"):
        close(quantity=quantity)

    assert read_coverage()[STOCK].stopped() == 4


def test_what_is_not_held_and_what_is_no_number_is_said(account: Outside) -> None:
    with pytest.raises(CommandError, match="nothing of it is held"):
        call_command("close", STOCK)
    with pytest.raises(CommandError, match="--quantity: was 'many', expected a number"):
        call_command("close", STOCK, "--quantity", "many")


def test_another_order_under_way_is_waited_for(account: Outside) -> None:
    held(account)
    make_order(symbol=STOCK, purpose="exit", side="sell", status="created")

    with pytest.raises(ClosingError, match="under way"):
        close()


def test_the_gate_denies_under_the_switch_and_while_the_market_is_closed(account: Outside) -> None:
    held(account)
    AgentStatus.objects.update(market_open=False)
    with pytest.raises(CloseDeniedError, match="market_closed"):
        close()
    AgentStatus.objects.update(market_open=True)
    make_engagement()
    with pytest.raises(CloseDeniedError, match="kill_switch"):
        close()

    assert read_coverage()[STOCK].stopped() == 4
    assert account.posts() == []


def test_a_coin_is_found_however_it_is_written(account: Outside) -> None:
    account.hold(COIN, "0.5")
    sync_portfolio(None)

    assert [as_listed(name) for name in ("btcusd", "BTC/USD", " btc/usd ", "eth")] == [
        COIN,
        COIN,
        COIN,
        "ETH",
    ]


def test_flattening_takes_away_what_rests_in_the_same_call(account: Outside) -> None:
    held(account)

    report = flatten_positions(make_engagement())

    assert (report.ordered, report.problems) == ([STOCK], [])
    wait_until(lambda: STOCK not in account.positions(), what="everything is sold")
    assert account.venue.get("/v2/orders?status=open") == []


def test_a_cancel_that_failed_is_tried_again_before_anything_is_sold(account: Outside) -> None:
    held(account)
    account.venue.fault(kind="error", status=500, route="DELETE /v2/orders/*", times=1)

    order = close()

    wait_until(lambda: submit_order(order.pk).acknowledged_at is not None, what="the sale is taken")
    assert len(account.posts(order.client_order_id)) == 1
    wait_until(lambda: STOCK not in account.positions(), what="it is sold")
