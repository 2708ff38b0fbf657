"""Let a person retry a parked message (dead letter): it is read and judged as if it had just come, with one effect."""

from dataclasses import dataclass

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from trading.core.causation import caused_by
from trading.core.work import Work
from trading.domain.events.incoming import parse_event
from trading.errors import BadEventError
from trading.events.consuming import TRANSIENT
from trading.events.subscriptions import CONSUMER, our_subscription
from trading.models import HandledEvent, ParkedEvent


@dataclass(frozen=True, slots=True)
class ReplayReport:
    """What came of trying again: ``error`` is empty where it was handled; ``works`` is what follows."""

    parked: ParkedEvent
    error: str
    works: tuple[Work, ...] = ()


def replay(parked: ParkedEvent, *, user: User) -> ReplayReport:
    """Handle a parked message as if it had just come; of two people at once one does, the other is told.

    What is still wrong with it is written down in place of what was; who tried, in any case.
    """
    try:
        with transaction.atomic():
            works = _handle(parked, user)
    except TRANSIENT:
        raise
    except Exception as error:  # noqa: BLE001 - whatever is still wrong is the answer
        words = str(error) if isinstance(error, BadEventError) else f"{type(error).__name__}: {error}"
        still = ParkedEvent.objects.filter(pk=parked.pk, status=ParkedEvent.Status.PARKED)
        still.update(error=words[:500], replays=parked.replays + 1, **_by(user))
        return ReplayReport(ParkedEvent.objects.get(pk=parked.pk), words)
    return ReplayReport(ParkedEvent.objects.get(pk=parked.pk), "", works)


def _handle(parked: ParkedEvent, user: User) -> tuple[Work, ...]:
    row = ParkedEvent.objects.select_for_update(of=("self",)).get(pk=parked.pk)
    if row.status != ParkedEvent.Status.PARKED:
        raise BadEventError("status", "it was replayed already")
    if row.consumer != CONSUMER:
        raise BadEventError(
            "consumer", f"was {row.consumer}, expected {CONSUMER}: only its handlers are here"
        )
    subscription = our_subscription()
    event = parse_event(row.body)
    if event.source == subscription.ignored_source:
        raise BadEventError("source", "is this installation, expected another")
    handler = subscription.handlers.get(event.type)
    if handler is None:
        raise BadEventError("type", f"was {event.type}, expected one of {', '.join(subscription.handlers)}")
    with caused_by(event.id):
        works = tuple(handler(event))
    HandledEvent.objects.filter(consumer=row.consumer, source=row.source, event_id=row.event_id).update(
        outcome=HandledEvent.Outcome.HANDLED
    )
    ParkedEvent.objects.filter(pk=row.pk).update(
        status=ParkedEvent.Status.HANDLED, replays=row.replays + 1, **_by(user)
    )
    return works


def _by(user: User) -> dict[str, object]:
    return {"replayed_at": timezone.now(), "replayed_by": user}
