"""A person moves a stop: the order at the broker follows, within the account's limits, and the log says who."""

import json
from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from tests.factories import make_engagement, make_limits
from tests.trading.outside import COIN, STOCK, Outside
from tests.trading.scenes import change, forget_prices, price_of
from tests.waiting import wait_until
from trading.execution.portfolio import sync_portfolio
from trading.exits.closing import NotHeldError
from trading.exits.keeping import Keeper
from trading.exits.moving import StopDeniedError, StopPriceError, move_stop
from trading.models import Event, Order, Position
from trading.protection.coverage import Coverage, read_coverage

CENT = Decimal("0.01")


@pytest.fixture
def position(account: Outside) -> Position:
    """Four hundred shares with a stop at the broker."""
    account.venue.clock(
        advance=1
    )  # another position than the test's before, whose orders the venue remembers
    forget_prices()
    account.hold(STOCK, "400")
    sync_portfolio(None)
    wait_until(lambda: Keeper().keep() or STOCK in read_coverage(), what="a stop rests")
    return Position.objects.get(pk=STOCK)


def stop_at(price: Decimal) -> Position:
    return move_stop(STOCK, stop_price=price, actor="ada")


def resting() -> list[Decimal | None]:
    return [order.stop_price for order in read_coverage().get(STOCK, Coverage()).stops]


def kept(price: Decimal) -> None:
    """Do rounds until the broker has the stop there, and nothing else."""
    wait_until(lambda: Keeper().keep() or resting() == [price], what=f"a stop rests at {price}")


@pytest.mark.parametrize("by", [Decimal("0.05"), Decimal("-0.05")])
def test_order_at_the_broker_follows_up_and_down(account: Outside, position: Position, by: Decimal) -> None:
    before = position.stop_price
    assert before is not None

    stop_at(before + by)
    kept(before + by)

    assert len(account.venue.get("/v2/orders?status=open")) == 1
    assert read_coverage()[STOCK].stopped() == 400
    assert Order.objects.protecting().get(symbol=STOCK).exit_reason == ""
    said = Event.objects.get(type="position.stop_moved").payload
    assert said["actor"] == "ada"
    assert (Decimal(said["before"]), Decimal(said["after"])) == (before, before + by)


def test_lost_reply_of_the_replacement_leaves_one_stop_at_the_new_price(
    account: Outside, position: Position
) -> None:
    assert position.stop_price is not None
    account.venue.fault(kind="reset_after", route="PATCH /v2/orders/*", times=1)

    stop_at(position.stop_price + CENT)
    kept(position.stop_price + CENT)

    assert len(account.venue.get("/v2/orders?status=open")) == 1


def test_nothing_is_loosened_beyond_what_a_position_or_all_may_lose(position: Position) -> None:
    make_limits(max_position_risk_percent=Decimal("0.05"), max_open_risk_percent=Decimal(5))
    with pytest.raises(StopDeniedError, match=r"position_risk_exceeded: .* USD would be lost"):
        stop_at(Decimal(1))
    make_limits(max_position_risk_percent=Decimal(5), max_open_risk_percent=Decimal("0.05"))
    with pytest.raises(StopDeniedError, match="open_risk_exceeded"):
        stop_at(Decimal(1))

    position.refresh_from_db()
    assert (position.stop_moved_by, resting()) == ("", [position.stop_price])


def test_tightening_is_bound_by_no_limit(position: Position) -> None:
    make_limits(max_position_risk_percent=Decimal("0.001"), max_open_risk_percent=Decimal("0.001"))
    assert position.stop_price is not None

    assert stop_at(position.stop_price + CENT).stop_price == position.stop_price + CENT


@pytest.mark.parametrize(
    ("price", "words"),
    [("0", "more than 0"), ("-3", "more than 0"), ("NaN", "more than 0"), ("5.001", "steps of")],
)
def test_what_is_no_price_of_a_stop_is_named(position: Position, price: str, words: str) -> None:
    with pytest.raises(StopPriceError, match=f"price: was {price}, expected {words}"):
        stop_at(Decimal(price))


def test_a_stop_at_the_price_or_above_is_a_sale_and_is_refused(position: Position) -> None:
    with pytest.raises(StopPriceError, match="close it instead"):
        stop_at(price_of(STOCK) * 2 // 1)


def test_one_that_follows_the_price_is_not_loosened_and_goes_on_from_a_tighter_one(
    position: Position,
) -> None:
    price = price_of(STOCK)
    change(position, trailing_percent=Decimal(3), highest_price=price)
    Keeper().keep()
    followed = Position.objects.get(pk=STOCK).stop_price
    assert followed is not None
    with pytest.raises(StopDeniedError, match="trailing_stop"):
        stop_at(followed - CENT)

    stop_at(followed + CENT)
    kept(followed + CENT)
    change(position, highest_price=price * 2)
    Keeper().keep()

    raised = Position.objects.get(pk=STOCK).stop_price
    assert raised is not None
    assert raised > followed + CENT


def test_nothing_moves_under_the_switch_or_of_what_is_not_held(position: Position) -> None:
    with pytest.raises(NotHeldError):
        move_stop(COIN, stop_price=Decimal(1), actor="ada")
    make_engagement()
    with pytest.raises(StopDeniedError, match="kill_switch"):
        stop_at(CENT)


def test_command_says_where_it_is_sold_and_what_was_wrong(position: Position) -> None:
    assert position.stop_price is not None
    said = StringIO()

    call_command(
        "stop", STOCK.lower(), "--price", str(position.stop_price.normalize() + CENT), "--json", stdout=said
    )

    told = json.loads(said.getvalue())
    assert (told["symbol"], Decimal(told["stop_price"])) == (STOCK, position.stop_price + CENT)
    assert Position.objects.get(pk=STOCK).stop_moved_by.endswith("(command line)")
    with pytest.raises(CommandError, match="--price: was 'low', expected a number"):
        call_command("stop", STOCK, "--price", "low")
