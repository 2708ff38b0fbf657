"""What a replay's page shows: what was varied, what came of all of it, and each decision beside what it was."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.utils import timezone

from evaluation.domain.word_diff import Words, word_diff
from evaluation.models import ReplayItem, Run
from evaluation.services.replay.orders import lock_of
from evaluation.services.replay.profits import Profit, earned_by, profits_of
from evaluation.services.replay.rendering import TOLD_ORDER
from risk.domain.numbers import plain_decimal
from trading.core.process_lock import only_one
from trading.models import Heartbeat

ACTIONS = ("buy", "sell", "hold")
ITEMS_PER_PAGE = 50
OPENED = 3  # items that are shown whole where there are no more
UNDER_WAY = (Run.Status.QUEUED, Run.Status.RUNNING)
EVALUATOR, SILENT = "evaluator", timedelta(minutes=1)
# What a variation's names are called on the page.
NAMES = {
    "models": "Model",
    "strategy": "Strategy",
    "prompt": "Prompt",
    "instructions": "Instructions",
    "temperature": "Temperature",
    "samples": "Answers each",
    "threshold": "Threshold",
    "limits": "Limits",
    "stops": "Exits",
}


@dataclass(frozen=True, slots=True)
class Compared:
    """One item, with its reasonings word by word, whether it is shown whole, and what is known of its profits."""

    item: ReplayItem
    words: Sequence[Words]
    is_open: bool
    profits: Sequence[Profit] = ()

    @property
    def is_flip(self) -> bool:
        """Whether the action is another."""
        return self.item.change == ReplayItem.Change.ACTION

    @property
    def origin(self) -> str:
        """Where the answer came from."""
        if self.item.after["action"] is None:
            return "not answered"
        if not self.item.request_hash:
            return "as recorded"
        return "from the store" if self.item.from_cache else f"asked, {plain_decimal(self.item.cost_usd)} USD"


def comparison(run: Run, *, page: str, change: str) -> dict[str, Any]:
    """Return the context of a run's page; a page or a change that is none is the first, and all."""
    items = run.items.order_by(*TOLD_ORDER)
    if change.isdecimal() and int(change) in ReplayItem.Change.values:
        items = items.filter(change=int(change))
    number = int(page) if page.isdecimal() and int(page) < 10**6 else 0
    found = list(items[number * ITEMS_PER_PAGE : (number + 1) * ITEMS_PER_PAGE + 1])
    shown = found[:ITEMS_PER_PAGE]
    is_open, earned = len(shown) <= OPENED, profits_of(shown)
    figures = run.figures
    return {
        "run": run,
        "varied": varied(run.experiment.spec["variation"]),
        "estimate": run.progress.get("estimate"),
        "is_under_way": run.status in UNDER_WAY,
        "may_go_on": run.status in (Run.Status.INCOMPLETE, Run.Status.FAILED) or is_cut_off(run),
        "silence": silence(run),
        "figures": figures,
        "earned": earned_by(run) if figures else [],
        "matrix": matrix(figures.get("actions", {})),
        "agreement": None if figures.get("agreement") is None else 100 * figures["agreement"],
        "compared": [_compared(item, earned[item.pk], is_open=is_open) for item in shown],
        "changes": ReplayItem.Change.choices[::-1],
        "chosen": change,
        "page_number": number,
        "has_more": len(found) > ITEMS_PER_PAGE,
    }


def varied(variation: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what is other than it was, by name, in words; empty: nothing."""
    said = []
    for key, name in NAMES.items():
        value = variation.get(key)
        if value in (None, "", [], {}) or (key == "samples" and value == 1):
            continue
        if isinstance(value, Mapping):
            value = ", ".join(f"{part.replace('_', ' ')} {figure}" for part, figure in value.items())
        said.append((name, ", ".join(value) if isinstance(value, list) else str(value)))
    return said


def matrix(actions: Mapping[str, int]) -> list[tuple[str, list[tuple[str, int, bool]]]] | None:
    """Return the table of actions, was by row, would be by column, and whether both are the same; None: no counts."""
    if not actions:
        return None
    return [(was, [(now, actions.get(f"{was}→{now}", 0), was == now) for now in ACTIONS]) for was in ACTIONS]


def is_cut_off(run: Run) -> bool:
    """Whether a command's run says it is carried out, and nobody does; the evaluator takes up its own."""
    if run.status != Run.Status.RUNNING or run.in_background:
        return False
    with only_one(lock_of(run)) as nobody_works:
        return nobody_works


def silence(run: Run) -> str:
    """Return why nothing happens with a run that waits for the evaluator; "" where it may any moment."""
    if run.status not in UNDER_WAY or not run.in_background:
        return ""
    beat = Heartbeat.objects.filter(process=EVALUATOR).order_by("-beaten_at").first()
    if beat is None:
        return "The process evaluator has never run: it would do this (manage.py evaluator)."
    if timezone.now() - beat.beaten_at > SILENT:
        return f"The process evaluator is not alive: it was last seen {beat.beaten_at:%Y-%m-%d %H:%M:%S} UTC."
    return ""


def _compared(item: ReplayItem, earned: Sequence[Profit], *, is_open: bool) -> Compared:
    words = word_diff(item.before["reasoning"] or "", item.after["reasoning"] or "")
    return Compared(item, words, is_open, earned)
