"""The parts a cycle's fetch consists of: which have ended, and whether the analysis still waits for the others.

Each part says its end in the cycle's events, so that whoever looks knows it, whatever became of a queue. A part that
has not ended may wait its turn behind other work as well as be lost: it is asked for again, and one that has ended
meanwhile is not done twice.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from django.db.models import JSONField, Q, QuerySet, Value
from django.db.models.expressions import RawSQL
from django.db.models.functions import Cast, Coalesce
from django.utils import timezone

from trading.core import cycle_log, settings
from trading.core.waits import is_over
from trading.cycle.fetching import stock_batches
from trading.domain.ages import is_to_come
from trading.domain.setting_combinations import ROOM_FOR_ORDERS
from trading.domain.statuses import CycleStage, CycleStatus
from trading.domain.symbols import is_coin
from trading.models import Cycle, Event
from trading.models.cycle import ERROR, WARNING

log = structlog.get_logger(__name__)
GRACE = timedelta(seconds=3)
PUBLISHING = timedelta(seconds=5)
OPERATION = "fetch"
RESUMED = "cycle.resume"
_SAID = """(
    SELECT jsonb_agg(jsonb_build_array(type, payload) ORDER BY sequence) FROM events
    WHERE aggregate_type = 'cycle' AND aggregate_id = cycles.id::text AND type = ANY(%s)
)"""
STEP_OF = {kind: f"cycle.step.{kind}" for kind in ("news", "stocks", "coins", "account")}
# What a part's failure is called in the cycle's errors.
FAILED_AS = {
    "news": "fetch_news",
    "stocks": "fetch_stocks",
    "coins": "fetch_coins",
    "account": "sync_account",
}


@dataclass(frozen=True, slots=True)
class Part:
    """One fetch of a cycle: ``news``, ``stocks`` (a batch of them), ``coins`` or ``account``."""

    kind: str
    symbols: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.kind in ("stocks", "coins"):
            return f"the prices of {len(self.symbols)} {self.kind}"
        return "the headlines" if self.kind == "news" else "the account"


def parts_of(cycle: Cycle) -> list[Part]:
    """Return all parts, in the order in which they are published.

    News first: it takes the longest, and mostly waits. Whoever is free next fetches prices beside it.
    """
    coins = tuple(symbol for symbol in cycle.symbols if is_coin(symbol))
    parts = [Part("news", tuple(cycle.symbols))] if cycle.symbols else []
    parts += [Part("stocks", batch) for batch in stock_batches(cycle.symbols)]
    parts += [Part("coins", coins)] if coins else []
    return [*parts, Part("account")]


def batch_count(cycle: Cycle) -> int:
    """Return into how many batches its stocks are divided."""
    return sum(part.kind == "stocks" for part in parts_of(cycle))


@dataclass(frozen=True, slots=True)
class _Ended:
    """What a cycle's events say of its parts: steps, what failed instead, stocks by their batch's first symbol."""

    steps: frozenset[str]
    batches: frozenset[str]
    failed: tuple[str, ...]

    def has(self, part: Part) -> bool:
        """Return whether the part itself is known to have ended."""
        if part.kind == "stocks":
            return part.symbols[0] in self.batches
        return STEP_OF[part.kind] in self.steps or FAILED_AS[part.kind] in self.failed


def claim(cycle: Cycle) -> bool:
    """Claim the publishing of a cycle's parts; False where that was just done, or nothing is being fetched.

    Messages that waited in the queue together would publish each part as often, and all of them at the same time.
    """
    now = timezone.now()
    free = Q(lease_until__isnull=True) | is_over("lease_until", now, PUBLISHING)
    fetching = Cycle.objects.filter(free, pk=cycle.pk, status=CycleStatus.RUNNING, stage=CycleStage.FETCHING)
    return bool(fetching.update(lease_until=now + PUBLISHING))


def unfinished(cycle: Cycle) -> list[Part]:
    """Return the parts of a cycle that is being fetched which have not ended, since it was resumed if it was paused."""
    ended = _ended(cycle)
    left = [part for part in parts_of(cycle) if not ended.has(part)]
    failures = ended.failed.count(FAILED_AS["stocks"])  # a failure does not say which batch it was
    batches = [part for part in left if part.kind == "stocks"]
    given_up = batches[:failures]
    return [part for part in left if part not in given_up]


def _ended(cycle: Cycle) -> _Ended:
    """Return what its events say; as they were read with it, where they were."""
    if hasattr(cycle, "told"):
        return _ended_by(cycle.told)
    cycle_id = cycle.pk
    said = Event.objects.filter(
        aggregate_type="cycle", aggregate_id=str(cycle_id), type__in=[*STEP_OF.values(), ERROR, RESUMED]
    )
    return _ended_by(list(said.order_by("sequence").values_list("type", "payload")))


def _ended_by(rows: Sequence[tuple[str, Mapping[str, Any]]]) -> _Ended:
    """Return what such events, type and payload in their order, say."""
    begin = max((place for place, (kind, _) in enumerate(rows, 1) if kind == RESUMED), default=0)
    rows = rows[begin:]
    return _Ended(
        steps=frozenset(kind for kind, _ in rows),
        batches=frozenset(
            payload.get("first_symbol", "") for kind, payload in rows if kind == STEP_OF["stocks"]
        ),
        failed=tuple(payload.get("operation", "") for kind, payload in rows if kind == ERROR),
    )


def is_overdue(cycle: Cycle, now: datetime) -> bool:
    """Return whether the fetch has taken longer than any part of it may: one was lost, or waits behind other work."""
    longest = timedelta(seconds=settings.seconds("fetch_timeout")) + GRACE
    return now - cycle.stage_at > longest or is_to_come(cycle.stage_at, now)


def is_awaited(cycle: Cycle, now: datetime) -> bool:
    """Return whether the analysis waits for parts: as long as it and its orders have their own time afterwards.

    It waits in any case until the fetch is overdue.
    """
    needed = settings.seconds("analysis_timeout") + float(ROOM_FOR_ORDERS)
    if is_overdue(cycle, now) and now >= cycle.deadline_at - timedelta(seconds=needed):
        return False
    return bool(unfinished(cycle))


def may_analyse(cycle_id: UUID) -> bool:
    """Return whether a message for the analysis may be followed; what it waits for is in the log."""
    cycle = read_cycle(cycle_id)
    if cycle.stage != CycleStage.FETCHING or not is_awaited(cycle, timezone.now()):
        return True
    log.warning("analysis_waits", cycle_id=str(cycle_id), fetches=[str(part) for part in unfinished(cycle)])
    return False


def _with_what_was_said(rows: "QuerySet[Cycle]") -> "QuerySet[Cycle]":
    """Return a query of one cycle that reads with it the events that say which parts have ended, and the settings."""
    kinds = [*STEP_OF.values(), ERROR, RESUMED]
    said = RawSQL(_SAID, [kinds])  # noqa: S611 - our own text; read with it, in one statement
    return settings.with_all(rows.annotate(told=Coalesce(Cast(said, JSONField()), Value([], JSONField()))))


def read_cycle(cycle_id: UUID) -> Cycle:
    """Return a cycle with what its events say of its parts now.

    The settings are read with it, for the block of ``read_once`` that is open, where one is.
    """
    cycle = _with_what_was_said(Cycle.objects.filter(pk=cycle_id)).get()
    settings.keep_read_with(cycle)
    return cycle


def is_wanted(cycle_id: UUID, part: Part) -> bool:
    """Return whether a part is still to be done: its cycle is being fetched, and no other delivery did it.

    The settings are read with it, for the block of ``read_once`` that is open, where one is.
    """
    fetching = Cycle.objects.filter(pk=cycle_id, status=CycleStatus.RUNNING, stage=CycleStage.FETCHING)
    cycle = _with_what_was_said(fetching.only("pk")).first()
    if cycle is None:
        return False
    settings.keep_read_with(cycle)
    return not _ended_by(cycle.told).has(part)  # type: ignore[attr-defined]  # what was annotated


def note_wait(cycle: Cycle) -> None:
    """Say once in the cycle's events which parts have not ended in their time."""
    now = timezone.now()
    late = unfinished(cycle) if is_overdue(cycle, now) else []
    said = Event.objects.filter(
        aggregate_type="cycle",
        aggregate_id=str(cycle.pk),
        type=WARNING,
        payload__operation=OPERATION,
        occurred_at__gte=cycle.stage_at,
    )
    if late and not said.exists():
        waited = f"not ended after {(now - cycle.stage_at).total_seconds():.0f} s: {_words(late)}"
        message = f"{waited}; asked for again, the analysis waits"
        cycle_log.record_warning(cycle.pk, operation=OPERATION, message=message)


def note_missing(cycle: Cycle, parts: list[Part]) -> None:
    """Say in the cycle's events what the analysis was begun without."""
    if parts:
        waited = (timezone.now() - cycle.stage_at).total_seconds()
        message = f"begun without {_words(parts)}: not ended after {waited:.0f} s"
        cycle_log.record_warning(cycle.pk, operation="analyse", message=message)


def _words(parts: list[Part]) -> str:
    return ", ".join(str(part) for part in parts)
