"""The page on which a person moves a position's stop."""

from decimal import Decimal

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from unfold.widgets import UnfoldAdminDecimalFieldWidget

from connectors.errors import ConnectorError
from risk.domain.numbers import plain_decimal
from risk.services.limits import limits_in_force
from trading.admin.holdings.closing import CLOSE, PAGE
from trading.admin.pages import FormPage, add_problem, came_from, form_page, posted, require
from trading.errors import TradingError
from trading.exits.moving import StopPriceError, move_stop
from trading.labels import with_thousands
from trading.models import Position


class StopForm(forms.Form):
    """Where the stop is to stand."""

    price = forms.DecimalField(
        min_value=Decimal("0.000000001"),
        decimal_places=9,
        max_digits=24,
        label="Sell at, USD per unit",
        widget=UnfoldAdminDecimalFieldWidget,
        error_messages={"required": "price: was empty, expected USD per unit below the price now"},
    )


def stop_view(request: HttpRequest, object_id: str) -> HttpResponse:
    """Ask for the price, then move the stop as the command and the API do; what is refused is said at the field."""
    require(request, CLOSE)
    position = get_object_or_404(Position, pk=object_id)
    before = position.stop_price
    form = StopForm(posted(request), initial={"price": plain_decimal(before) if before else ""})
    page = _page(position, came_from(request, reverse(PAGE)))
    if not form.is_valid():
        return form_page(request, form=form, page=page)
    price = form.cleaned_data["price"]
    try:
        move_stop(position.pk, stop_price=price, actor=request.user.get_username())
    except (ConnectorError, TradingError) as error:
        add_problem(form, error, field="price" if isinstance(error, StopPriceError) else None)
        return form_page(request, form=form, page=page)
    was = f", it was {plain_decimal(before)}" if before else ""
    messages.success(request, f"{position.pk}: the stop is {plain_decimal(price)} USD{was}.")
    return redirect(page.back_url)


def _page(position: Position, back_url: str) -> FormPage:
    return FormPage(
        title=f"Move the stop of {position.pk}",
        effects=(_standing(position), *_bounds(), "The orders at the broker follow within a second or two."),
        button="Move it",
        back_url=back_url,
        is_dangerous=True,
    )


def _standing(position: Position) -> str:
    """Say what is held, what a unit was worth at the last sync, and where the stop stands."""
    held = f"{plain_decimal(position.quantity)} are held"
    if position.market_value is not None:
        worth = with_thousands(round(position.market_value / position.quantity, 4))
        held += f", worth {worth} USD a unit at {position.synced_at:%H:%M:%S} UTC"
    stands = (
        f"the stop is {with_thousands(position.stop_price)} USD"
        if position.stop_price
        else "there is no stop"
    )
    return f"{held}; {stands}."


def _bounds() -> tuple[str, ...]:
    limits = limits_in_force()
    if limits is None:
        return ()
    most, together = (
        plain_decimal(limits.max_position_risk_percent),
        plain_decimal(limits.max_open_risk_percent),
    )
    return (
        f"Up as far as the price now; down as far as {most} % of equity would be lost at it,"
        f" and {together} % at all stops together.",
    )
