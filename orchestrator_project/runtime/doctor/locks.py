"""Who holds a lock of the database too long, and which senders were cut off for it."""

from datetime import timedelta

from django.utils import timezone

from orchestrator_project.runtime.doctor.finding import Answer, Check, Status, ok, warning
from trading.models import Event
from trading.safety.senders import AGGREGATE
from trading.work.lock_registry import Hold, Locks, Wait, read_locks, words_of

REMEMBERED = timedelta(hours=1)
CONTINUE = "is that process stopped or paused? continue it, or end it by its number; `manage.py doctor` again"
NAMED_AT_MOST = 5


def locks() -> Answer:
    """Look at who holds and who waits."""
    found = read_locks()
    if long_ones := found.long_ones:
        return warning("; ".join(words_of(entry) for entry in long_ones[:NAMED_AT_MOST]), CONTINUE)
    return ok(f"{len(found.holds)} held, {len(found.waits)} waited for, none too long")


def senders() -> Answer:
    """Look for processes that did not end a request in time and lost their session; those of the last hour."""
    since = timezone.now() - REMEMBERED
    fenced = Event.objects.filter(aggregate_type=AGGREGATE, occurred_at__gte=since)
    last = fenced.order_by("-position").first()
    if last is None:
        return ok("none was cut off in the last hour")
    order = last.payload.get("client_order_id") or "no order"
    return warning(
        f"{fenced.count()} cut off in the last hour, the last {last.payload.get('application', '')} at"
        f" {last.occurred_at:%H:%M} UTC, with {order}",
        "look at that order at the broker, then `manage.py reconcile`; why was that process stopped?",
    )


def described() -> dict[str, str]:
    """Return every lock that is held or waited for, in words, by its name and backend."""
    found: Locks = read_locks()
    entries: tuple[Hold | Wait, ...] = (*found.holds, *found.waits)
    words = {f"{entry.lock} {entry.session.pid}": words_of(entry) for entry in entries}
    return words or {"held or waited for": "none"}


CHECKS = (
    Check("locks", locks, needs=("database",), late=Status.WARNING),
    Check("senders", senders, needs=("migrations",), late=Status.WARNING),
)
