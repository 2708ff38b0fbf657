"""The page on which a person closes a position, whole or in part."""

from decimal import Decimal

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from unfold.widgets import UnfoldAdminDecimalFieldWidget

from connectors.errors import ConnectorError
from risk.domain.numbers import plain_decimal
from trading.admin.pages import (
    ConfirmForm,
    FormPage,
    add_problem,
    came_from,
    form_page,
    posted,
    require,
)
from trading.domain.performance.exit_reasons import ExitReason
from trading.errors import TradingError
from trading.exits.closing import NotHeldError, close_position
from trading.models import Position

CLOSE = "trading.close_position"
PAGE = "admin:trading_position_changelist"


class CloseForm(ConfirmForm):
    """How much of it, and that it is wanted."""

    quantity = forms.DecimalField(
        required=False,
        min_value=Decimal("0.000000001"),
        decimal_places=9,
        max_digits=28,
        label="Quantity (empty: all of it)",
        widget=UnfoldAdminDecimalFieldWidget,
    )
    field_order = ["quantity", "confirmed"]


def close_view(request: HttpRequest, object_id: str) -> HttpResponse:
    """Ask how much, and that it is wanted; then sell it as the command and the API do."""
    require(request, CLOSE)
    position = get_object_or_404(Position, pk=object_id)
    form = CloseForm(posted(request))
    page = _page(position, came_from(request, reverse(PAGE)))
    if not form.is_valid():
        return form_page(request, form=form, page=page)
    try:
        order = close_position(
            position.pk,
            quantity=form.cleaned_data["quantity"],
            reason=ExitReason.OPERATOR,
            actor=request.user.get_username(),
        )
    except (ConnectorError, TradingError) as error:
        is_about_it = isinstance(error, NotHeldError) and str(error).startswith("quantity")
        add_problem(form, f"Nothing was sold: {error}", field="quantity" if is_about_it else None)
        return form_page(request, form=form, page=page)
    said = f" ({order.broker_message})" if order.broker_message else ""
    sold = plain_decimal(order.quantity or Decimal(0))
    messages.success(request, f"Sell {sold} {position.pk}: the order is {order.status}{said}.")
    return redirect(page.back_url)


def _page(position: Position, back_url: str) -> FormPage:
    held = plain_decimal(position.quantity)
    return FormPage(
        title=f"Close {position.pk}",
        effects=(
            f"Sells at the market; {held} are held.",
            "Stops and targets at the broker that hold what is sold are cancelled first.",
            "What is left of the position is protected anew.",
        ),
        button="Sell it",
        back_url=back_url,
        is_dangerous=True,
    )
