"""Keeps AIDecision.stages, the timeline's summary column, up to date; the one that writes it after the insert.

1. Triggers on the tables that the timeline is read from note which decision, or which symbol's exits, a change
   concerns (``StageChange``), in the change's own transaction. No writer has to call anything.
2. ``catch_up`` takes the notes, computes the words anew by the timeline's own rules, and deletes the notes. The
   sweeper does it every few seconds, in which most decisions of a cycle go through all of their words; one process at a
   time, so that an older reading never overwrites a newer. A decision that somebody holds (a process may be stopped) is
   not waited for: its notes stay for the next time.
3. Until then a stored word may be old. Who filters by it reads the noted decisions' words anew (``noted``), so that
   what is shown is exact at any moment, and only slower while the sweeper is away.
"""

from collections.abc import Collection
from uuid import UUID

from django.db import connection, transaction

from risk.services.locks import STAGE_WORDS_LOCK
from trading.core.statements.together import Select
from trading.domain.stage_keys import EXIT_OPEN, stage_key
from trading.models import AIDecision, StageChange
from trading.queries.decision_rows import DecisionRow, facts_of, rows_of

BATCH = 500
MOST_NOTED = 5_000  # decisions read anew for one page; more are noted only where the sweeper is away for long
PAUSE_SECONDS = 5.0
# By the ends of the key's index, so that it costs the same however many there are.
NOTES = Select("SELECT coalesce(max(id) - min(id) + 1, 0) AS most FROM stage_changes")


def word_of(row: DecisionRow) -> str:
    """Return the word that a decision has now, whatever is stored."""
    return stage_key(facts_of(row))


def restamp(decision_ids: Collection[UUID]) -> int:
    """Store the word that these decisions have now; return how many had another.

    A word that was stored anew since this read it is newer, and stays.
    """
    changed: dict[tuple[str, str], list[UUID]] = {}
    for row in rows_of(decision_ids):
        if (word := word_of(row)) != row.decision_stages:
            changed.setdefault((row.decision_stages, word), []).append(row.decision_id)
    return sum(
        AIDecision.objects.filter(pk__in=ids, stages=before).update(stages=word)
        for (before, word), ids in changed.items()
    )


def is_due(most: int, waited_seconds: float) -> bool:
    """Tell whether the words are to be brought up now.

    Args:
        most: how many notes there are at most, as ``NOTES`` has found.
        waited_seconds: since they were brought up.
    """
    return most > 0 and (waited_seconds >= PAUSE_SECONDS or most > MOST_NOTED // 2)


def catch_up() -> int:
    """Bring the words up to all changes that are noted now; return how many notes were taken.

    Returns 0 at once where another process is at it.
    """
    taken = 0
    while found := _take():
        taken += found
        if found < BATCH:  # no more, or somebody holds the rest
            break
    return taken


def noted() -> list[UUID]:
    """Return the decisions whose stored word may be old, the last changed ``MOST_NOTED`` at most."""
    notes = list(StageChange.objects.order_by("-pk").values_list("decision_id", "symbol")[:MOST_NOTED])
    changed = dict.fromkeys(decision_id for decision_id, _ in notes if decision_id is not None)
    waiting = dict.fromkeys(_waiting_for_exit({symbol for _, symbol in notes if symbol}))
    return list(changed | waiting)[:MOST_NOTED]


def stamp_unstamped() -> int:
    """Store the word of decisions from before there was one, the newest first; return how many."""
    unstamped = AIDecision.objects.filter(stages="").order_by("-created_at", "-id")
    done = 0
    while ids := list(unstamped.values_list("pk", flat=True)[:BATCH]):
        done += restamp(ids)
    return done


def _take() -> int:
    """Take a batch of notes; return how many are done, 0 where another process is at it."""
    with transaction.atomic():
        if not _alone():
            return 0
        notes = list(StageChange.objects.order_by("pk").values_list("pk", "decision_id", "symbol")[:BATCH])
        # The decisions first: one whose exit is open only now is among those that wait for it.
        held = _restamp_free({decision_id for _, decision_id, _ in notes if decision_id is not None})
        held |= _restamp_free(_waiting_for_exit({symbol for _, _, symbol in notes if symbol}))
        symbols = set(AIDecision.objects.filter(pk__in=held).values_list("symbol", flat=True))
        done = [pk for pk, decision_id, symbol in notes if decision_id not in held and symbol not in symbols]
        StageChange.objects.filter(pk__in=done).delete()
    return len(done)


def _restamp_free(decision_ids: Collection[UUID]) -> set[UUID]:
    """Store the words of those decisions that nobody holds; return the others."""
    rows = AIDecision.objects.filter(pk__in=decision_ids)
    free = set(rows.select_for_update(skip_locked=True, no_key=True).values_list("pk", flat=True))
    restamp(free)
    return set(rows.exclude(pk__in=free).values_list("pk", flat=True))


def _alone() -> bool:
    """Whether no other process is at it; held until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [STAGE_WORDS_LOCK])
        return bool(cursor.fetchone()[0])


def _waiting_for_exit(symbols: Collection[str]) -> list[UUID]:
    """Return the decisions whose exit a sale, or a position found opened or closed, may have settled."""
    if not symbols:
        return []
    waiting = AIDecision.objects.filter(symbol__in=symbols, stages__in=EXIT_OPEN)
    return list(waiting.values_list("pk", flat=True))
