"""The page on which a person closes a position, whole or in part."""

from decimal import Decimal

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils.html import format_html
from unfold.widgets import UnfoldAdminDecimalFieldWidget

from connectors.errors import ConnectorError
from risk.domain.numbers import plain_decimal
from trading.admin.pages import ConfirmForm, FormPage, form_page, posted, require
from trading.domain.performance.exit_reasons import ExitReason
from trading.errors import TradingError
from trading.exits.closing import close_position
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


def close_link(position: Position) -> str:
    """Return the link to the page on which this position is closed."""
    url = reverse("admin:trading_position_close", args=[position.pk])
    return format_html('<a class="tc-button tc-button-plain" href="{}">Close …</a>', url)


def close_view(request: HttpRequest, object_id: str) -> HttpResponse:
    """Ask how much, and that it is wanted; then sell it as the command and the API do."""
    require(request, CLOSE)
    position = get_object_or_404(Position, pk=object_id)
    form = CloseForm(posted(request))
    if not form.is_valid():
        return form_page(request, form=form, page=_page(position))
    try:
        order = close_position(
            position.pk,
            quantity=form.cleaned_data["quantity"],
            reason=ExitReason.OPERATOR,
            actor=request.user.get_username(),
        )
    except (ConnectorError, TradingError) as error:
        messages.error(request, f"Nothing was sold: {error}")
    else:
        said = f" ({order.broker_message})" if order.broker_message else ""
        sold = plain_decimal(order.quantity or Decimal(0))
        messages.success(request, f"Sell {sold} {position.pk}: the order is {order.status}{said}.")
    return redirect(PAGE)


def _page(position: Position) -> FormPage:
    held = plain_decimal(position.quantity)
    return FormPage(
        title=f"Close {position.pk}",
        effects=(
            f"Sells at the market; {held} are held.",
            "Stops and targets at the broker that hold what is sold are cancelled first.",
            "What is left of the position is protected anew.",
        ),
        button="Sell it",
        back_url=reverse(PAGE),
        is_dangerous=True,
    )
