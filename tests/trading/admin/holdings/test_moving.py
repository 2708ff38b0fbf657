"""The page that moves a stop, and the one that closes a position: what is refused is said, and kept."""

from collections.abc import Callable
from decimal import Decimal

import pytest
from django.test import Client
from django.urls import reverse

from tests.trading.outside import STOCK, Outside
from tests.trading.scenes import price_of
from trading.execution.portfolio import sync_portfolio
from trading.models import Event, Order, Position

STOP = reverse("admin:trading_position_stop", args=[STOCK])
CLOSE = reverse("admin:trading_position_close", args=[STOCK])
HERE = reverse("admin:trading_position_changelist")


@pytest.fixture
def held(market: Outside) -> Outside:
    """Four shares, as last synced."""
    market.hold(STOCK, "4")
    sync_portfolio(None)
    return market


@pytest.mark.django_db
def test_stop_is_moved_by_whoever_is_logged_in(login: Callable[..., Client], held: Outside) -> None:
    client = login("operator")
    Position.objects.update(stop_price=Decimal("1.5"))
    price = (price_of(STOCK) * Decimal("0.9")).quantize(Decimal("0.01"))
    assert "4 are held" in client.get(STOP).content.decode()

    answered = client.post(STOP, {"price": str(price)}, follow=True)

    position = Position.objects.get()
    assert position.stop_price == price
    assert position.stop_moved_by == answered.context["user"].username
    assert f"{STOCK}: the stop is {price.normalize():f} USD, it was 1.5." in answered.content.decode()
    assert Event.objects.get(type="position.stop_moved").payload["before"] == "1.5"


@pytest.mark.django_db
def test_price_that_cannot_be_is_said_at_its_field_and_kept(
    login: Callable[..., Client], held: Outside
) -> None:
    page = login("operator").post(STOP, {"price": "999999"})

    shown = page.content.decode()
    assert (
        page.context["form"].errors["price"][0].startswith("price: was 999999, expected less than the price")
    )
    assert 'value="999999"' in shown
    assert not Event.objects.filter(type="position.stop_moved").exists()


@pytest.mark.django_db
def test_quantity_that_is_not_held_is_said_at_its_field_and_kept(
    login: Callable[..., Client], held: Outside
) -> None:
    page = login("operator").post(CLOSE, {"quantity": "9", "confirmed": "on"})

    assert page.context["form"].errors["quantity"] == ["Nothing was sold: quantity: was 9, 4 are held"]
    assert 'value="9"' in page.content.decode()
    assert not Order.objects.filter(purpose="exit").exists()
