"""The kill switch: its state, its history, and the three things a person may do with it."""

from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.loader import render_to_string
from django.urls import URLPattern, path, reverse

from risk.errors import SwitchStateError
from risk.models import KillSwitch
from risk.services import switch
from trading.admin.base import RecordAdmin, labelled
from trading.admin.pages import ConfirmForm, FormPage, ReasonForm, form_page, posted, require
from trading.execution.operator_stop import sell_everything, stop_trading
from trading.market.market_time import stocks_trade_now
from trading.models import Position
from trading.safety import kill_switch, switch_follow_up

ENGAGE, RELEASE = "risk.engage_killswitch", "risk.release_killswitch"
PAGE = "admin:risk_killswitch_changelist"
BY_HAND = "Stopped by hand from the console"
ENGAGE_EFFECTS = (
    "No new order leaves from this moment, but for a sale of everything that you ask for;"
    " those under way are waited for.",
    "Open orders that would open positions are cancelled; those that would close positions stay.",
    "Trading stays halted until somebody with the permission releases the switch.",
)
FLATTEN_EFFECTS = (
    "Every long position is ordered to be sold at the market, as far as it is available.",
    "Only reducing orders are sent. What is already on its way is not sent twice.",
)
REPEAT_EFFECTS = (
    "The switch is engaged already and stays so: no new order leaves.",
    "Open orders that would open positions are asked to be cancelled once more; those that would close positions stay.",
)
RELEASE_EFFECTS = (
    "Cycles trade again from the next one on, in the mode that is set.",
    "What was cancelled stays cancelled.",
)


@admin.register(KillSwitch)
class KillSwitchAdmin(RecordAdmin):
    """Registered here and not in the risk room, because engaging is a procedure of the trading room."""

    list_display = [
        "engaged_at",
        "state",
        "engaged_by",
        "trigger",
        "reason",
        "released_at",
        "released_by",
        "release_reason",
    ]
    list_filter = ["trigger"]
    search_fields = ["reason", "engaged_by", "released_by"]
    list_before_template = "console/kill_switch_state.html"

    @labelled(description="state", colours={"engaged": "danger", "released": "default"})
    def state(self, engagement: KillSwitch) -> str:
        """Show whether this engagement is the one in force."""
        return "released" if engagement.released_at else "engaged"

    def get_urls(self) -> list[URLPattern]:
        """Add the acts."""
        wrap = self.admin_site.admin_view
        return [
            path("engage/", wrap(self.engage_view), name="risk_killswitch_engage"),
            path("release/", wrap(self.release_view), name="risk_killswitch_release"),
            path("flatten/", wrap(self.flatten_view), name="risk_killswitch_flatten"),
            *super().get_urls(),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """Show the state above the history."""
        engagement = switch.current_engagement()
        return super().changelist_view(
            request,
            {
                "title": "Kill switch",
                "engagement": engagement,
                "not_done": switch_follow_up.not_done(engagement) if engagement else [],
            }
            | (extra_context or {}),
        )

    def engage_view(self, request: HttpRequest) -> HttpResponse:
        """Ask for the reason, then engage and report what was done and what could not be."""
        require(request, ENGAGE)
        form = ReasonForm(posted(request), initial={"reason": BY_HAND})
        if form.is_valid():
            report = stop_trading(actor=request.user.get_username(), reason=form.cleaned_data["reason"])
            _tell_engaged(request, report)
            return redirect(PAGE)
        again = switch.is_engaged()
        title, button = (
            ("Repeat the cancels", "Ask once more") if again else ("Engage the kill switch", "Engage now")
        )
        effects: tuple[str, ...] = REPEAT_EFFECTS if again else ENGAGE_EFFECTS
        page = FormPage(title, effects, button, reverse(PAGE), is_dangerous=True)
        return form_page(request, form=form, page=page)

    def release_view(self, request: HttpRequest) -> HttpResponse:
        """Ask for the reason, then release."""
        require(request, RELEASE)
        form = ReasonForm(posted(request))
        if form.is_valid():
            try:
                kill_switch.release(actor=request.user.get_username(), reason=form.cleaned_data["reason"])
            except SwitchStateError as error:
                messages.warning(request, f"Nothing was done: {error}.")
            else:
                messages.success(request, "The kill switch is released; the next cycle trades again.")
            return redirect(PAGE)
        page = FormPage("Release the kill switch", RELEASE_EFFECTS, "Release", reverse(PAGE))
        return form_page(request, form=form, page=page)

    def flatten_view(self, request: HttpRequest) -> HttpResponse:
        """Ask for confirmation, then sell what is held; only while the switch is engaged."""
        require(request, ENGAGE)
        engagement = switch.current_engagement()
        if engagement is None:
            messages.warning(
                request, "Nothing was done: positions are sold this way only while the switch is engaged."
            )
            return redirect(PAGE)
        form = ConfirmForm(posted(request))
        if form.is_valid():
            try:
                report = sell_everything(engagement, actor=request.user.get_username())
            except SwitchStateError as error:
                messages.warning(request, f"Nothing was done: {error}.")
                return redirect(PAGE)
            sold = ", ".join(report.ordered) or "nothing"
            messages.success(request, f"Ordered to be sold: {sold}.")
            if not report.is_done:
                messages.warning(request, "Not everything is sold yet: it goes on by itself until it is.")
            _tell_left_alone(request, report.left_alone)
            _tell_problems(request, report.problems)
            return redirect(PAGE)
        page = FormPage(
            "Sell every position",
            (*FLATTEN_EFFECTS, *_market_words()),
            "Sell everything",
            reverse(PAGE),
            is_dangerous=True,
            detail=render_to_string(
                "console/flatten_positions.html", {"positions": list(Position.objects.all())}
            ),
        )
        return form_page(request, form=form, page=page)


def _market_words() -> tuple[str, ...]:
    """Say that the stock market is closed, or that this is not known; nothing where it is open."""
    trades = stocks_trade_now()
    if trades:
        return ()
    state = "closed now" if trades is False else "not known to be open"
    return (f"The stock market is {state}: orders for stocks wait until it opens.",)


def _tell_engaged(request: HttpRequest, report: kill_switch.EngageReport) -> None:
    count = len(report.cancel_requested)
    cancelled = f"{count} open order{'' if count == 1 else 's'} asked to be cancelled"
    first = "The kill switch was engaged already" if report.already_engaged else "The kill switch is engaged"
    messages.success(request, f"{first}; {cancelled}.")
    _tell_left_alone(request, report.left_alone)
    _tell_problems(request, report.problems)


def _tell_left_alone(request: HttpRequest, rows: list[str]) -> None:
    for row in rows:
        messages.info(request, f"Left alone, it is yours to look after at the broker: {row}")


def _tell_problems(request: HttpRequest, problems: list[str]) -> None:
    for problem in problems:
        messages.error(request, f"Could not be done, look at it: {problem}")
