"""Since when somebody has not looked: what happened later is news to them."""

from datetime import datetime, timedelta

from trading.models import ConsoleVisit

ABSENT = timedelta(minutes=15)  # who comes back sooner was never away
WRITTEN_EVERY = timedelta(minutes=1)
FIRST_VISIT_SEES = timedelta(days=1)


def last_look(user_id: int, *, now: datetime, is_use: bool) -> datetime:
    """Return the end of the person's visit before this one, wall time.

    Args:
        is_use: a person asked; a page that renews itself is no use, and nothing is written for it.
    """
    visit = ConsoleVisit.objects.filter(user_id=user_id).first()
    if visit is None:
        visit = ConsoleVisit(user_id=user_id, since=now - FIRST_VISIT_SEES, seen_at=now)
        if is_use:
            ConsoleVisit.objects.bulk_create([visit], ignore_conflicts=True)  # two tabs at once
        return visit.since
    if not is_use or abs(now - visit.seen_at) < WRITTEN_EVERY:
        return visit.since
    if now - visit.seen_at >= ABSENT:
        visit.since = visit.seen_at
    visit.since, visit.seen_at = min(visit.since, now), now  # a clock stepped back
    visit.save(update_fields=["since", "seen_at"])
    return visit.since
