"""Cycles, what they saw and the log of every transition."""

from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.urls import URLPattern, path
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from unfold.contrib.filters.admin import RangeDateTimeFilter

from trading.admin.base import (
    GrowingRecordAdmin,
    cycle_link,
    figure,
    known_values,
    linked,
    list_url,
    moment,
    of_symbol,
    status_badge,
    status_label,
)
from trading.admin.hands.asking import ask_view
from trading.admin.hands.deeds import RUN, deed
from trading.admin.shown.read_only import facts_block
from trading.admin.stories.universe_page import universe_of, uuid_of
from trading.domain.words import in_words
from trading.labels import symbol_link, words_of
from trading.models import Cycle, Event, MarketSnapshot, Mode
from trading.models.cycle import SAYS_WHY_OR_WHO
from trading.queries.pages.cycle_advice import advice_on_end
from trading.queries.pages.cycle_story import Outcome, cycle_story
from trading.templatetags.console import fact

PAGE_OF = {
    "cycle": "cycle",
    "decision": "aidecision",
    "order": "order",
    "saga": "saga",
    "candidate": "universecandidate",
    "proposal": "tradeproposal",
}
AGGREGATES = (
    "cycle",
    "decision",
    "order",
    "saga",
    "position",
    "candidate",
    "proposal",
    "agent",
    "kill_switch",
)


@admin.register(Cycle)
class CycleAdmin(GrowingRecordAdmin):
    """The history of cycles; a cycle's page leads to everything that happened in it."""

    list_display = [
        "started_at",
        status_label,
        "cycle_type",
        "stage",
        "mode",
        "trigger",
        "seconds",
        "counts",
        "reason",
    ]
    list_filter = [
        "status",
        "cycle_type",
        known_values("mode", Mode.values),
        ("started_at", RangeDateTimeFilter),
    ]
    search_fields = ["reason", "started_by"]
    search_help_text = "Words of the reason, who started it, or a cycle's id"
    uuid_search = ("pk",)
    change_form_outer_before_template = "console/cycle/story.html"
    list_before_template = "console/deeds.html"
    change_form_after_template = "console/universe.html"
    readonly_fields = [status_badge, "measured", "symbol_list", "headline_list"]
    fieldsets = [
        (
            "Raw facts",
            {
                "classes": ["collapse"],
                "fields": [
                    status_badge,
                    "stage",
                    "cycle_type",
                    "mode",
                    "trigger",
                    "started_by",
                    "reason",
                    "started_at",
                    "ended_at",
                    "deadline_at",
                    "stage_at",
                    "lease_until",
                    "slot",
                    "market_time",
                    "measured",
                    "symbol_list",
                    "headline_list",
                ],
            },
        ),
    ]

    def get_urls(self) -> list[URLPattern]:
        """Add the form that starts one."""
        ask = self.admin_site.admin_view(ask_view)
        return [path("ask/", ask, name="trading_cycle_ask"), *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """Offer to start one to those who may."""
        more = {"deeds": deed(request, RUN)}
        return super().changelist_view(request, more | (extra_context or {}))

    def get_queryset(self, request: HttpRequest) -> QuerySet[Cycle]:
        """Return the cycles with their errors, which the list counts."""
        return Cycle.objects.with_errors().order_by(*(self.get_ordering(request) or ()))

    def searched_by_words(self, queryset: QuerySet[Cycle]) -> QuerySet[Cycle]:
        """Look among those alone that have words, by the index of those."""
        return queryset.filter(SAYS_WHY_OR_WHO)

    @admin.display(description="duration")
    def seconds(self, cycle: Cycle) -> str:
        """Show how long it took; blank while it runs."""
        return f"{(cycle.ended_at - cycle.started_at).total_seconds():.1f} s" if cycle.ended_at else ""

    @admin.display(description="decisions / trades / errors")
    def counts(self, cycle: Cycle) -> str:
        """Show the counts that were stored at its end."""
        stored = cycle.metrics
        if not stored:
            return ""
        return f"{stored.get('decisions_count', 0)} / {stored.get('trades_count', 0)} / {len(cycle.errors)}"

    @admin.display(description="measured")
    def measured(self, cycle: Cycle) -> SafeString:
        """Show what was counted at its end."""
        return facts_block(cycle.metrics)

    @admin.display(description="symbols")
    def symbol_list(self, cycle: Cycle) -> str:
        """Show what the cycle looked at."""
        return f"{len(cycle.symbols)}: {', '.join(cycle.symbols)}"

    @admin.display(description="headlines")
    def headline_list(self, cycle: Cycle) -> SafeString | str:
        """Show the news the cycle read, a line each."""
        rows = [
            (
                str(row.get("published_at", ""))[:16].replace("T", " "),
                row.get("source", ""),
                row.get("title", ""),
            )
            for row in cycle.headlines
        ]
        return format_html_join("", "<p>{} {}: {}</p>", rows) or "none"

    def row_context(self, request: HttpRequest, object_id: str) -> dict[str, Any]:
        """Tell what happened above the record, with the links to what belongs to the cycle, and its universe."""
        links = [
            ("Decisions", list_url("trading", "aidecision", cycle__id__exact=object_id)),
            ("Orders", list_url("trading", "order", cycle_id=object_id)),
            ("Fills", list_url("trading", "fill", cycle_id=object_id)),
            ("Sagas", list_url("trading", "saga", cycle_id=object_id)),
            ("Risk checks", list_url("risk", "riskcheck", cycle_id=object_id)),
            ("Model calls", list_url("ai", "modelcall", cycle_id=object_id)),
            ("Market snapshots", list_url("trading", "marketsnapshot", cycle__id__exact=object_id)),
            ("Events", list_url("trading", "event", cycle_id=object_id)),
        ]
        more: dict[str, Any] = {
            "cycle_links": links,
            "universe": universe_of(object_id),
            "deeds": deed(request, RUN),
        }
        pk = uuid_of(object_id)
        if pk is not None and self.has_view_permission(request):
            story = cycle_story(pk)
            more |= {"story": story}
            if story is not None:
                more |= {
                    "title": f"Cycle of {story.cycle.started_at:%Y-%m-%d %H:%M:%S} UTC",
                    "outcomes": [(one, _decisions_url(object_id, one)) for one in story.outcomes],
                    "end_advice": advice_on_end(story.cycle.reason),
                }
        return more


def _in_line(value: Any) -> str:
    """Write a fact of an event in a line: counts by name, lists with commas, yes and no, ids by their ends."""
    if isinstance(value, dict):
        return ", ".join(f"{words_of(name)} {_in_line(each)}" for name, each in value.items()) or "-"
    if isinstance(value, list | tuple):
        return in_words([_in_line(each) for each in value])
    text = str(value)
    return f"…{text[-8:]}" if uuid_of(text) else str(fact(value))


def _decisions_url(cycle_id: str | None, outcome: Outcome) -> str:
    said = {"reason": outcome.reason} if outcome.reason else {}
    return list_url("trading", "aidecision", cycle__id__exact=cycle_id, status__exact=outcome.status, **said)


@admin.register(MarketSnapshot)
class MarketSnapshotAdmin(GrowingRecordAdmin):
    """Prices as the cycles saw them, each with source and time."""

    list_display = [
        "fetched_at",
        of_symbol(),
        figure("price"),
        figure("previous_close"),
        "source",
        moment("quoted_at"),
        "warning",
        cycle_link,
    ]
    list_filter = [("fetched_at", RangeDateTimeFilter)]
    search_fields = ["symbol__exact"]
    search_help_text = "A symbol, or a cycle's id"
    uuid_search = ("cycle_id",)
    ordering = ["-id"]


class AggregateFilter(admin.SimpleListFilter):
    """Events by what they are about, without asking the table which kinds it holds."""

    title = "about"
    parameter_name = "about"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the kinds of aggregates."""
        return [(kind, words_of(kind)) for kind in AGGREGATES]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Event]) -> QuerySet[Event]:
        """Keep the events of the chosen kind."""
        return queryset.filter(aggregate_type=self.value()) if self.value() in AGGREGATES else queryset


@admin.register(Event)
class EventAdmin(GrowingRecordAdmin):
    """The log: every change of a status, in order of time."""

    list_display = ["occurred_at", "type", "about", "sequence", "what", cycle_link]
    list_filter = [AggregateFilter, ("occurred_at", RangeDateTimeFilter)]
    fields = [
        "occurred_at",
        "type",
        "about",
        "sequence",
        "payload",
        "cycle_id",
        "causation_id",
        "public_sequence",
        "published_at",
    ]
    readonly_fields = ["about"]
    search_fields = ["aggregate_id__exact"]
    search_help_text = "An id of a cycle, decision, order or saga, or a position's symbol"
    ordering = ["-occurred_at", "-id"]

    @admin.display(description="about")
    def about(self, event: Event) -> SafeString | str:
        """Link to what the event is about, where that has a page by its id."""
        if event.aggregate_type == "position":
            return symbol_link(event.aggregate_id)
        model = PAGE_OF.get(event.aggregate_type)
        return (
            linked(model, event.aggregate_id)
            if model
            else f"{words_of(event.aggregate_type)} {event.aggregate_id}"
        )

    @admin.display(description="what")
    def what(self, event: Event) -> str:
        """Show the change of status and the facts beside it in one line."""
        facts = dict(event.payload)
        change = " → ".join(_in_line(facts.pop(key)) for key in ("from", "to") if key in facts)
        rest = ", ".join(f"{words_of(name)} {_in_line(value)}" for name, value in facts.items())
        return Truncator(" · ".join(filter(None, [change, rest]))).chars(140)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Event], search_term: str
    ) -> tuple[QuerySet[Event], bool]:
        """Find the events of an aggregate and, for a cycle's id, of everything in the cycle."""
        term = search_term.strip()
        try:
            wanted = Q(aggregate_id=term) | Q(cycle_id=UUID(term))
        except ValueError:
            return super().get_search_results(request, queryset, term)
        return queryset.filter(wanted), False
