"""The agent's one row, the mode, and the signs of life of the long-running processes."""

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from unfold.widgets import UnfoldAdminRadioSelectWidget

from trading.admin.base import RecordAdmin, figure, labelled, yes_no
from trading.admin.holdings.portfolio import FRESHNESS
from trading.admin.pages import FormPage, ReasonForm, came_from, form_page, posted, require
from trading.analysis import safe_mode
from trading.core.modes import current_mode, set_mode
from trading.guards import pause
from trading.labels import COLOURS
from trading.models import AgentStatus, Heartbeat, Mode
from trading.queries.overview import is_stale

SET_MODE = "trading.set_mode"
MODE_WORDS = [
    (Mode.AUTONOMOUS.value, "Autonomous: what passes the risk gate is ordered at once."),
    (
        Mode.SEMI_AUTO.value,
        "Semi-automatic: what is confident enough waits for a person; sales do not, where the setting semi_auto_exits"
        " says send.",
    ),
    (Mode.MANUAL.value, "Manual: decisions are stored for review, nothing is ordered."),
]
MODE_EFFECTS = (
    "The mode applies at once, to every decision that is not executed yet.",
    "The kill switch and the risk limits apply in every mode.",
)

ACTIVE_EFFECTS = (
    "Entries pass the risk gate again; without an answer from a model there will be none.",
    "Three more analyses that no model answers set it to reducing again.",
    "A successful analysis does the same by itself. The kill switch is not touched.",
)

PAUSE_EFFECTS = (
    "Nothing is opened from the next decision that the risk gate judges on, in every mode.",
    "Exits go on: the model's, stops, the kill switch. Orders that are sent already are not taken back.",
    "It lasts until a person resumes entries, over restarts.",
)
RESUME_EFFECTS = ("Entries pass the risk gate again, from the next decision on.",)


class ModeForm(forms.Form):
    """The choice of the mode."""

    mode = forms.ChoiceField(
        choices=MODE_WORDS,
        widget=UnfoldAdminRadioSelectWidget(radio_style=0),
        error_messages={
            "required": f"mode: was not given, expected one of {', '.join(Mode.values)}",
            "invalid_choice": f"mode: was '%(value)s', expected one of {', '.join(Mode.values)}",
        },
    )


@admin.register(AgentStatus)
class AgentStatusAdmin(RecordAdmin):
    """The agent at a glance; the mode is set on a page of its own."""

    list_before_template = change_form_before_template = "console/drawn_days.html"
    list_display = [
        "updated_at",
        "mode",
        "state",
        yes_no("is_running"),
        "last_cycle_time",
        "position_count",
        figure("daily_pnl"),
        "world",
    ]

    @labelled(description="trading state", colours=COLOURS)
    def state(self, agent: AgentStatus) -> str:
        """Show the trading state in its colour."""
        return agent.trading_state

    def get_urls(self) -> list[URLPattern]:
        """Add the mode's page, and the way out of safe mode."""
        mode = path("mode/", self.admin_site.admin_view(self.mode_view), name="trading_agentstatus_mode")
        active = path(
            "active/", self.admin_site.admin_view(self.active_view), name="trading_agentstatus_active"
        )
        entries = path(
            "entries/", self.admin_site.admin_view(self.entries_view), name="trading_agentstatus_entries"
        )
        return [mode, active, entries, *super().get_urls()]

    def mode_view(self, request: HttpRequest) -> HttpResponse:
        """Show the mode and let those who may set another."""
        require(request, SET_MODE)
        form = ModeForm(posted(request), initial={"mode": current_mode()})
        if form.is_valid():
            chosen = form.cleaned_data["mode"]
            before = set_mode(mode=chosen, actor=request.user.get_username())
            said = f"The mode is {chosen}" + (f", it was {before}." if before != chosen else " as before.")
            messages.success(request, said)
            return redirect("admin:index")
        pausing = "Resume entries" if pause.entries_pause().is_paused else "Pause entries"
        page = FormPage(
            "Set the mode",
            MODE_EFFECTS,
            "Set the mode",
            reverse("admin:index"),
            link=(pausing, reverse("admin:trading_agentstatus_entries")),
        )
        return form_page(request, form=form, page=page)

    def entries_view(self, request: HttpRequest) -> HttpResponse:
        """Let those who may set the mode pause entries, or resume them."""
        require(request, SET_MODE)
        form, is_paused = ReasonForm(posted(request)), pause.entries_pause().is_paused
        actor, back = request.user.get_username(), came_from(request, reverse("admin:index"))
        if form.is_valid():
            reason = form.cleaned_data["reason"]
            if is_paused:
                pause.resume_entries(actor=actor, reason=reason)
                messages.success(request, "Entries are resumed.")
            else:
                pause.pause_entries(actor=actor, reason=reason)
                messages.success(request, "Entries are paused; exits go on.")
            return redirect(back)
        title = "Resume entries" if is_paused else "Pause entries"
        effects = RESUME_EFFECTS if is_paused else PAUSE_EFFECTS
        return form_page(request, form=form, page=FormPage(title, effects, title, back))

    def active_view(self, request: HttpRequest) -> HttpResponse:
        """Let those who may set the mode end safe mode before a model has answered."""
        require(request, SET_MODE)
        form = ReasonForm(posted(request))
        if form.is_valid():
            left = safe_mode.leave(actor=request.user.get_username(), reason=form.cleaned_data["reason"])
            if left:
                messages.success(request, "Trading is active again: entries pass the gate.")
            else:
                messages.error(request, "Nothing was changed: trading is not reducing for failed analyses.")
            return redirect("admin:index")
        page = FormPage("Return to active", ACTIVE_EFFECTS, "Return to active", reverse("admin:index"))
        return form_page(request, form=form, page=page)


@admin.register(Heartbeat)
class HeartbeatAdmin(RecordAdmin):
    """When each process last said that it is alive."""

    list_display = ["process", "beaten_at", "freshness", "detail"]

    @labelled(description="state", colours=FRESHNESS)
    def freshness(self, beat: Heartbeat) -> str:
        """Say whether the last sign is recent."""
        return "stale" if is_stale(beat.beaten_at) else "live"
