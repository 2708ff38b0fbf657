"""What came from outside: proposals, and messages that could not be taken."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import URLPattern, path

from trading.admin.base import GrowingRecordAdmin, RecordAdmin, cycle_link, labelled, of_symbol, status_label
from trading.admin.hands.deeds import PROPOSE, deed
from trading.admin.hands.proposing import propose_view
from trading.events.dead_letters import replay
from trading.labels import COLOURS
from trading.models import HandledEvent, ParkedEvent, TradeProposal
from trading.tasks import revive

REPLAY = "replay_parkedevent"
MOST_AT_ONCE = 50


@admin.register(ParkedEvent)
class ParkedEventAdmin(RecordAdmin):
    """Messages as they came, with what was wrong; those who may can have them read again."""

    list_display = [
        "parked_at",
        status_label,
        "type",
        "source",
        "event_id",
        "error",
        "replays",
        "replayed_by",
    ]
    list_filter = ["status", "consumer"]
    list_select_related = ["replayed_by"]
    search_fields = ["event_id__exact", "source__exact"]
    search_help_text = "The event's id or its source"
    uuid_search = ("id",)
    ordering = ["-parked_at"]
    actions = ["replay_selected"]

    def has_replay_permission(self, request: HttpRequest) -> bool:
        """Whether the user may have parked messages read again."""
        return bool(request.user.has_perm(f"trading.{REPLAY}"))

    @admin.action(description="Replay: read and judge again", permissions=["replay"])
    def replay_selected(self, request: HttpRequest, chosen: QuerySet[ParkedEvent]) -> None:
        """Replay each and say what came of it."""
        for parked in chosen[:MOST_AT_ONCE]:
            report = replay(parked, user=request.user)  # type: ignore[arg-type]  # staff only comes here
            for work in report.works:
                revive(work)
            if report.error:
                messages.error(request, f"{parked.event_id}: still parked: {report.error}")
            else:
                messages.success(request, f"{parked.event_id}: handled")


@admin.register(TradeProposal)
class TradeProposalAdmin(GrowingRecordAdmin):
    """Trades that other services and people proposed, and what became of them."""

    list_display = [
        "received_at", status_label, "action", of_symbol(), "confidence", "strategy", "source", "reason", "cycle",
    ]  # fmt: skip
    list_select_related = ["strategy", "decision"]
    list_filter = ["status"]
    search_fields = ["symbol__exact", "event_id__exact", "source__exact"]
    search_help_text = "A symbol, the event's id or its source"
    uuid_search = ("id", "decision_id")
    ordering = ["-received_at"]
    list_before_template = "console/deeds.html"

    def get_urls(self) -> list[URLPattern]:
        """Add the form by which a person proposes."""
        propose = self.admin_site.admin_view(propose_view)
        return [path("propose/", propose, name="trading_tradeproposal_propose"), *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """Offer to propose one to those who may."""
        more = {"deeds": deed(request, PROPOSE)}
        return super().changelist_view(request, more | (extra_context or {}))

    @admin.display(description="cycle")
    def cycle(self, proposal: TradeProposal) -> str:
        """Link to the cycle that took it up."""
        return cycle_link(proposal.decision) if proposal.decision else "-"


@admin.register(HandledEvent)
class HandledEventAdmin(GrowingRecordAdmin):
    """Events that had their effect."""

    list_display = ["handled_at", "consumer", "outcome_label", "source", "event_id"]
    search_fields = ["event_id__exact"]
    ordering = ["-handled_at"]

    @labelled(description="outcome", colours=COLOURS)
    def outcome_label(self, handled: HandledEvent) -> str:
        """Show the outcome in its colour."""
        return handled.outcome
