"""Make the rows of outcomes of what shadow strategies wanted to trade; what they left alone is on no record.

So none is a first opinion: they count where confidences are calibrated, and not for the information coefficient.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from uuid import UUID

from django.db import transaction

from ai.cutoffs import Cutoffs
from ai.models import ModelAnswer
from evaluation.domain.outcomes import Session
from evaluation.models import JobMark, Outcome, ShadowBook, ShadowDecision, ShadowPoint
from evaluation.services.outcomes.opinions import Opinion, noted, rows_of
from evaluation.services.outcomes.scenes import SceneMaker
from evaluation.services.outcomes.sessions import sessions_around

CYCLES_AT_ONCE = 200


def note_shadows() -> int:
    """Make the rows of what every book decided since its mark; return of how many decisions.

    Some cycles of a book at a time, with the mark in one transaction: whoever is killed goes on where that one stood.
    """
    makes, cutoffs, noted = SceneMaker(), Cutoffs(), 0
    for book in ShadowBook.objects.order_by("pk"):
        while (found := _note_next(book, makes, cutoffs)) is not None:
            noted += found
    return noted


def _note_next(book: ShadowBook, makes: SceneMaker, cutoffs: Cutoffs) -> int | None:
    """Note the next cycles of a book; None: there are none."""
    with transaction.atomic():
        mark, _ = JobMark.objects.select_for_update().get_or_create(job=mark_of(book))
        points = ShadowPoint.objects.filter(book=book, cycle_number__gt=mark.cycle_number)
        cycles = list(
            points.order_by("cycle_number").values_list("cycle_number", "cycle_id")[:CYCLES_AT_ONCE]
        )
        if not cycles:
            return None
        noted = _note(book, [cycle for _, cycle in cycles], makes, cutoffs)
        mark.cycle_number = cycles[-1][0]
        mark.save(update_fields=["cycle_number"])
        return noted


def mark_of(book: ShadowBook) -> str:
    """Return the name under which it is noted how far a book has been read."""
    return f"shadow {book.pk.hex}"


def _note(book: ShadowBook, cycles: Sequence[UUID], makes: SceneMaker, cutoffs: Cutoffs) -> int:
    rows = list(ShadowDecision.objects.filter(book=book, cycle_id__in=cycles).order_by("as_of", "pk"))
    scenes = makes.store(set(cycles))
    rows = [row for row in rows if row.cycle_id in scenes]  # of a cycle that is forgotten nothing can be said
    if not rows:
        return 0
    sessions = sessions_around(rows[0].as_of, rows[-1].as_of)
    answered = _answered({row.request_hash for row in rows} - {""})
    opinions = [_opinion(row, book.strategy_id, answered, sessions) for row in rows]
    wishes = list(_first_wishes(opinions))
    Outcome.objects.bulk_create(
        _outcomes(wishes, scenes, sessions, cutoffs), batch_size=1000, ignore_conflicts=True
    )
    return len(wishes)


def _first_wishes(opinions: Sequence[Opinion]) -> Iterator[Opinion]:
    """Yield what was not noted before: of each owner's session the first."""
    _, have = noted({each.session for each in opinions}, Outcome.Origin.SHADOW)
    for each in opinions:
        if each.owner not in have:
            have.add(each.owner)
            yield each


def _outcomes(
    wishes: Sequence[Opinion], scenes: Mapping[UUID, str], sessions: Sequence[Session], cutoffs: Cutoffs
) -> Iterator[Outcome]:
    for each in wishes:
        yield from rows_of(
            each,
            origin=Outcome.Origin.SHADOW,
            is_first=False,
            scene=scenes[each.cycle_id],
            sessions=sessions,
            cutoffs=cutoffs,
        )


def _opinion(
    row: ShadowDecision, strategy_id: UUID, answered: Mapping[str, str], sessions: Sequence[Session]
) -> Opinion:
    is_denied = row.status == ShadowDecision.Status.DENIED
    return Opinion(
        id=row.pk,
        cycle_id=row.cycle_id,
        as_of=row.as_of,
        session=_session(row, sessions),
        symbol=row.symbol,
        strategy_id=strategy_id,
        strategy_version=row.strategy_version,
        model=row.model,
        answered_model=answered.get(row.request_hash, ""),
        prompt_version=row.prompt_version,
        action=row.action,
        confidence=row.confidence,
        price=row.price,
        allowed="false" if is_denied else "true",
        reason=row.reason,
    )


def _session(row: ShadowDecision, sessions: Sequence[Session]) -> date:
    """Return the session that closes next after it was decided; a close belongs to its own."""
    return next(each.day for each in sessions if each.closes_at >= row.as_of)


def _answered(hashes: set[str]) -> dict[str, str]:
    """Return by request what the provider calls the model that answered."""
    answers = ModelAnswer.objects.filter(request_hash__in=hashes).order_by("created_at")
    return dict(answers.values_list("request_hash", "answered_model"))
