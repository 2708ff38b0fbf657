"""A cycle that a person asks for: of the universe, or of the symbols they name."""

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from unfold.widgets import UnfoldAdminTextInputWidget

from trading import tasks
from trading.admin.base import change_url
from trading.admin.hands.deeds import RUN
from trading.admin.pages import FormPage, add_problem, came_from, form_page, posted, require
from trading.core.modes import current_mode
from trading.cycle import cycle_control
from trading.cycle.cycles import start_cycle
from trading.domain.symbols import EXPECTED, parse_symbols
from trading.errors import CycleRunningError, SymbolsError
from trading.labels import words_of
from trading.market.universe import checked_symbols

LIST = "admin:trading_cycle_changelist"
TRIGGER = "console"


class AskForm(forms.Form):
    """What the cycle is to look at."""

    symbols = forms.CharField(
        required=False,
        max_length=2000,
        label="Symbols (empty: the universe)",
        help_text="Separated by commas, e.g. AAPL, BTC/USD.",
        widget=UnfoldAdminTextInputWidget,
    )

    def clean_symbols(self) -> list[str] | None:
        """Take symbols that the broker lists; None where the universe is meant."""
        text = self.cleaned_data["symbols"].upper()
        if not text.strip():
            return None
        symbols, malformed = parse_symbols(text.strip().strip(","))
        if malformed:
            raise ValidationError(f"symbols: was {', '.join(malformed)}, expected {EXPECTED}")
        try:
            return checked_symbols(symbols)
        except SymbolsError as error:
            raise ValidationError(f"symbols: {error}") from None


def ask_view(request: HttpRequest) -> HttpResponse:
    """Ask of what, then start the cycle as the command and the API do, and lead to its page."""
    require(request, RUN)
    form = AskForm(posted(request), initial={"symbols": request.GET.get("symbols", "")})
    page = FormPage("Ask now", _effects(), "Start the cycle", came_from(request, reverse(LIST)))
    if not form.is_valid():
        return form_page(request, form=form, page=page)
    try:
        cycle = start_cycle(
            trigger=TRIGGER, started_by=request.user.get_username(), symbols=form.cleaned_data["symbols"]
        )
    except CycleRunningError as error:
        add_problem(form, f"Nothing was started: {error}. Try again when it has ended.")
        return form_page(request, form=form, page=page)
    if cycle.is_open:
        tasks.launch(cycle)
        messages.success(request, f"The cycle has begun: it looks at {len(cycle.symbols)} symbols.")
    else:
        messages.error(
            request, "The kill switch is engaged: the cycle was stored aborted, nothing was asked."
        )
    return redirect(change_url("trading", "cycle", cycle.pk))


def _effects() -> tuple[str, ...]:
    running = cycle_control.current_cycle()
    now = (f"A cycle is {running.status} now; one runs at a time.",) if running else ()
    return (
        *now,
        "Prices, headlines and the account are fetched, then every active strategy is asked, which its models charge.",
        f"What it decides goes the way of the mode, {words_of(current_mode())}, and through the risk gate.",
    )
