"""A trade that a person proposes; it goes the way of every decision."""

from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from unfold.widgets import (
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminRadioSelectWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from risk.domain.numbers import plain_decimal
from trading import tasks
from trading.admin.base import change_url
from trading.admin.hands.deeds import PROPOSE
from trading.admin.pages import FormPage, add_problem, came_from, form_page, posted, require
from trading.analysis.own_proposals import propose_for
from trading.analysis.proposals import start_waiting
from trading.core import settings
from trading.core.modes import current_mode
from trading.errors import ProposalError
from trading.models import Mode, Strategy, TradeProposal

LIST = "admin:trading_tradeproposal_changelist"
WHAT_FOLLOWS = {
    Mode.AUTONOMOUS: "In autonomous mode what passes is ordered at once.",
    Mode.SEMI_AUTO: "In semi-automatic mode a person is asked before it is ordered.",
    Mode.MANUAL: "In manual mode it is stored for review, and ordered only if somebody sends it on.",
}


class ProposeForm(forms.Form):
    """What is to be traded, how sure the person is, and why."""

    symbol = forms.CharField(
        max_length=32,
        widget=UnfoldAdminTextInputWidget,
        error_messages={"required": "symbol: was empty, expected one like AAPL or BTC/USD"},
    )
    action = forms.ChoiceField(
        choices=[("buy", "Buy"), ("sell", "Sell")],
        widget=UnfoldAdminRadioSelectWidget(radio_style=0),
        error_messages={"required": "action: was not given, expected buy or sell"},
    )
    strategy = forms.ChoiceField(
        widget=UnfoldAdminSelectWidget,
        help_text="Its size, stop, target and limits apply.",
        error_messages={"required": "strategy: was not given, expected one that trades"},
    )
    confidence = forms.DecimalField(
        min_value=Decimal(0),
        max_value=Decimal(1),
        decimal_places=4,
        widget=UnfoldAdminDecimalFieldWidget,
        error_messages={"required": "confidence: was empty, expected 0 to 1"},
    )
    reasoning = forms.CharField(
        label="Why",
        max_length=2000,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        error_messages={"required": "reasoning: was empty, expected why"},
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        trading = Strategy.objects.trading().order_by("name").values_list("name", flat=True)
        choice = self.fields["strategy"]
        assert isinstance(choice, forms.ChoiceField)  # noqa: S101 - declared above
        choice.choices = [(name, name) for name in trading]
        threshold = plain_decimal(settings.runtime_value("confidence_threshold"))
        self.fields[
            "confidence"
        ].help_text = f"0 to 1; below {threshold} the gate denies it, as it does a model's."

    def clean_symbol(self) -> str:
        """Take it in lower case, too."""
        return str(self.cleaned_data["symbol"]).strip().upper()


def propose_view(request: HttpRequest) -> HttpResponse:
    """Ask what, then store it and begin the cycle that takes it up; what is refused is said at its field."""
    require(request, PROPOSE)
    form = ProposeForm(posted(request), initial={"symbol": request.GET.get("symbol", ""), "action": "buy"})
    page = FormPage("Propose a trade", _effects(), "Propose it", came_from(request, reverse(LIST)))
    if not form.is_valid():
        return form_page(request, form=form, page=page)
    actor = request.user.get_username()
    try:
        row = propose_for(actor, **form.cleaned_data)
    except ProposalError as error:
        add_problem(form, error)
        return form_page(request, form=form, page=page)
    cycle = start_waiting(started_by=actor)
    if cycle is not None:
        tasks.launch(cycle)
    _tell(request, row, is_begun=cycle is not None)
    return redirect(change_url("trading", "tradeproposal", row.pk))


def _tell(request: HttpRequest, row: TradeProposal, *, is_begun: bool) -> None:
    said = f"{row.action} {row.symbol} is proposed"
    if is_begun:
        messages.success(request, f"{said}; the cycle that judges it has begun.")
    else:
        until = f"{row.expires_at:%H:%M:%S} UTC"
        messages.success(request, f"{said}; the next cycle takes it up, or it expires at {until}.")


def _effects() -> tuple[str, ...]:
    return (
        "It becomes a decision of yours at the price of that moment, and the risk gate judges it as any other.",
        WHAT_FOLLOWS[Mode(current_mode())],
        "What no cycle can take up in a few minutes expires: nothing is traded late.",
    )
