"""The console's page of health: every process's sign of life, what went wrong and what to do, the doctor's lines.

The page itself reads the database alone; the doctor's looks are asked for beside it, each bounded in time, and one
answer serves everybody for a while.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from orchestrator_project.health import Kept
from orchestrator_project.runtime.doctor.examination import CHECKS, Examination, examine
from orchestrator_project.runtime.doctor.finding import START, Finding, Status
from trading.admin.context import link_of
from trading.admin.pages import console_page, require
from trading.models import Heartbeat
from trading.queries.lately.troubles import latest_troubles
from trading.queries.overview import is_stale

VIEW = "trading.view_heartbeat"
LOOK_SECONDS = 4.0  # each of the doctor's looks; they run side by side, those that need another after it
KEPT_SECONDS = 10.0
LEFT_OUT = ("analyst",)  # loads the models' library, some 150 MB, into the process that asks
WORDS = {Status.OK: "ok", Status.WARNING: "look at it", Status.FAILED: "failed", Status.OFF: "off"}
COLOURS = {Status.OK: "success", Status.WARNING: "warning", Status.FAILED: "danger", Status.OFF: "default"}
# What each process that gives a sign of life does, by the name it gives it under.
DOES = {
    "sweeper": "takes up what was left, watches the day's loss and the kill switch",
    "protection": "watches positions and their stops",
    "listener": "hears from the broker what becomes of orders",
    "relay": "publishes events",
    "consume_events": "takes events from other services",
    "evaluator": "measures what came of decisions",
    "notify": "sends notices to people",
}
# Processes that give no sign themselves: the doctor's check that finds them out, and what they do.
FOUND_OUT = {
    "workers": ("worker, io_worker, analyst", "judge; fetch and order; ask the models"),
    "beat": ("beat", "starts the cycles by the clock"),
    "broker": ("broker", "the account and its orders, at the venue or at Alpaca"),
    "database": ("PostgreSQL", "the record"),
    "queue": ("Valkey", "the queues of the workers"),
}


@dataclass(frozen=True, slots=True)
class Sign:
    """A process; ``colour`` is None while it is not known yet, ``at`` where its sign has no time."""

    name: str
    does: str
    words: str
    colour: str | None
    at: datetime | None = None
    detail: str = ""
    remedy: str = ""


def _look() -> Examination:
    checks = tuple(check for check in CHECKS if check.name not in LEFT_OUT)
    return examine(checks, describe=lambda facts: None, limit_seconds=LOOK_SECONDS)


look = Kept(_look, KEPT_SECONDS)


def health_view(request: HttpRequest) -> HttpResponseBase:
    """Show what the database knows at once, and have the browser ask for the rest; all of it where that is asked."""
    require(request, VIEW)
    found = look() if "checks" in request.GET else None
    troubles = [(one, link_of(one.kind, one.pk)) for one in latest_troubles()]
    context = {"title": "Health", "troubles": troubles, **_shown(found)}
    return console_page(request, "console/health.html", context)


def _shown(found: Examination | None) -> Mapping[str, Any]:
    findings = found.findings if found else ()
    lines = [(one, WORDS[one.status], COLOURS[one.status]) for one in findings]
    return {
        "looked": found is not None,
        "lines": lines,
        "signs": list(_signs({one.name: one for one in findings})),
    }


def _signs(findings: Mapping[str, Finding]) -> Iterator[Sign]:
    yield Sign("web", "this console and the API", "alive", "success", detail="it has answered you")
    beats = {beat.process: beat for beat in Heartbeat.objects.all()}
    for name in dict.fromkeys((*DOES, *sorted(beats))):
        beat = beats.get(name)
        if beat is None:
            if name != "notify":  # only where addresses are set
                yield Sign(name, DOES[name], "never seen", "warning", remedy=START)
            continue
        silent = is_stale(beat.beaten_at)
        words, colour, remedy = ("silent", "danger", START) if silent else ("alive", "success", "")
        yield Sign(name, DOES.get(name, ""), words, colour, beat.beaten_at, beat.detail, remedy)
    for check, (name, does) in FOUND_OUT.items():
        found = findings.get(check)
        if found is None:
            yield Sign(name, does, "being looked at", None)
        else:
            words, colour = WORDS[found.status], COLOURS[found.status]
            yield Sign(name, does, words, colour, detail=found.found, remedy=found.remedy)
