"""The consumers' library: each event's effect once, per aggregate in order, and nothing lost on the way.

The effect, the row that says it was had and the place in the aggregate are one transaction, and the transport is told
only after it: a crash anywhere leaves either nothing, and the event comes again, or everything, and its repeat is
dropped. An event that comes before an earlier one of its aggregate is kept in a table, not in the queue. When the
earlier one has not come in time, the log it came from is read again, where there is one; else the gap is said and
left behind.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256
from json import dumps
from typing import Any

import structlog
from django.db import InterfaceError, OperationalError, transaction
from django.db.models import Q
from django.utils import timezone

from connectors.errors import ConnectorError
from trading.core.causation import caused_by
from trading.core.waits import is_past
from trading.core.work import Work
from trading.domain.events.incoming import LONGEST_BODY, IncomingEvent, name_of, parse_event
from trading.errors import BadEventError
from trading.events.signing import is_genuine
from trading.models import EventStream, HandledEvent, HeldEvent, ParkedEvent

log = structlog.get_logger(__name__)
Handler = Callable[[IncomingEvent], Sequence[Work]]
Reread = Callable[[str, str, range], Mapping[int, Mapping[str, Any]]]
REMEMBERED = timedelta(days=30)
TRANSIENT = (OperationalError, InterfaceError, ConnectorError)
MOST_REREAD = 1_000
PARKED_KEPT = 1_000
PARKED_SLICE = 1_000
KEPT_OF_TOO_LONG = 4_000
FORGED = (
    "source: is this installation, but its signature is not: somebody else published it in our name, or it was"
    " published before events were signed, or with another DJANGO_SECRET_KEY"
)


@dataclass(frozen=True, slots=True)
class Subscription:
    """Who consumes what.

    Args:
        consumer: its name, at most 40 characters; repeats are told by it.
        handlers: by type; "*" takes every other one. A handler writes with the ORM, in our transaction, and
            returns what follows; it raises ``BadEventError`` for what can never be taken.
        ignored_source: whose events are none of our business: ours.
        only_source: whose events alone are our business, "" where everybody's are.
        own_source: who we are, "" where that does not matter: what claims to be ours and is not signed by us is
            parked, and has no effect.
        ordered: hold gaps; for a consumer that subscribes to all types of its aggregates.
        patience: how long an earlier event is waited for.
        reread: asks a source's log, if it can, for events of an aggregate by sequence.
    """

    consumer: str
    handlers: Mapping[str, Handler]
    ignored_source: str = ""
    only_source: str = ""
    own_source: str = ""
    ordered: bool = False
    patience: timedelta = field(default=timedelta(seconds=10))
    reread: Reread | None = None


def take(subscription: Subscription, text: str) -> list[Work]:
    """Take a message as it came; when this returns, the transport may forget it. Returns what follows.

    Raises:
        OperationalError, InterfaceError, ConnectorError: it could not be handled now; take it again.
    """
    try:
        event = parse_event(text)
    except BadEventError as error:
        park(subscription.consumer, text, str(error))
        return []
    if event.source == subscription.own_source and not is_genuine(text):
        park(subscription.consumer, text, FORGED, is_of_its_source=False)
        return []
    if event.source == subscription.ignored_source or subscription.only_source not in ("", event.source):
        return []
    if not subscription.ordered or event.sequence is None:
        return _have(subscription, event, text)
    if event.sequence > _place(subscription, event) + 1:
        _hold(subscription, event, event.sequence, text)
        return []
    return [*_have(subscription, event, text), *_have_held(subscription, event.source, event.subject)]


def give_up_gaps(subscription: Subscription) -> list[Work]:
    """Look after events that have waited long enough for an earlier one; call every second or so."""
    works: list[Work] = []
    is_late = is_past("held_at", timezone.now(), subscription.patience)
    overdue = HeldEvent.objects.filter(is_late, consumer=subscription.consumer)
    for source, aggregate in overdue.values_list("source", "aggregate").distinct():
        works += _close_gap(subscription, source, aggregate)
    return works


def _close_gap(subscription: Subscription, source: str, aggregate: str) -> list[Work]:
    """Have the events that are missing from the log, leave behind what it does not have, and go on."""
    held = HeldEvent.objects.filter(consumer=subscription.consumer, source=source, aggregate=aggregate)
    first = held.order_by("sequence").first()
    stream = _streams(subscription, source, aggregate).first()
    last = stream.last_sequence if stream else 0
    if first is None:
        return []
    works: list[Work] = []
    missing = range(last + 1, first.sequence)
    wanted = missing[-MOST_REREAD:]
    found = subscription.reread(source, aggregate, wanted) if subscription.reread and wanted else {}
    for sequence in sorted(found):
        text = dumps(found[sequence])
        works += _have(subscription, parse_event(text), text)
    lost = len(missing) - len(found)
    if missing:
        log.log(
            40 if lost else 20,
            "event_gap",
            consumer=subscription.consumer,
            source=source,
            aggregate=aggregate,
            missing=f"{missing.start}-{missing.stop - 1}",
            reread=len(found),
            lost=lost,
        )
    with transaction.atomic():
        _advance(subscription, source, aggregate, first.sequence - 1)
    return works + _have_held(subscription, source, aggregate)


def _have_held(subscription: Subscription, source: str, aggregate: str) -> list[Work]:
    """Have the held events whose turn it is; drop those that are past."""
    works: list[Work] = []
    held = HeldEvent.objects.filter(consumer=subscription.consumer, source=source, aggregate=aggregate)
    for row in held.order_by("sequence"):
        stream = _streams(subscription, source, aggregate).get()
        if row.sequence > stream.last_sequence + 1:
            break
        works += _have(subscription, parse_event(row.body), row.body)
        row.delete()
    return works


def _have(subscription: Subscription, event: IncomingEvent, text: str) -> list[Work]:
    """Have the event's effect, unless it was had; one that cannot be taken is parked."""
    handler = subscription.handlers.get(event.type) or subscription.handlers.get("*")
    try:
        with transaction.atomic(), caused_by(event.id):
            _, is_new = HandledEvent.objects.get_or_create(
                consumer=subscription.consumer, source=event.source, event_id=event.id
            )
            works = list(handler(event)) if is_new and handler else []
            _advance_with(subscription, event)
    except TRANSIENT:
        raise
    except BadEventError as error:
        return _park_in_turn(subscription, event, text, str(error))
    except Exception as error:
        log.exception("event_failed", consumer=subscription.consumer, event_id=event.id, type=event.type)
        return _park_in_turn(subscription, event, text, f"{type(error).__name__}: {error}")
    return works


def _park_in_turn(subscription: Subscription, event: IncomingEvent, text: str, error: str) -> list[Work]:
    with transaction.atomic():
        park(subscription.consumer, text, error)
        _advance_with(subscription, event)
    return []


def park(consumer: str, text: str, error: str, *, is_of_its_source: bool = True) -> None:
    """Put a message that cannot be taken where a person sees it; its repeats are dropped from now on.

    Args:
        is_of_its_source: False where the message has somebody else's name, who must not lose an event by it.
    """
    source, event_id, kind = name_of(text)
    if not event_id or not is_of_its_source:
        event_id = f"sha256:{sha256(text.encode(errors='replace')).hexdigest()}"
    with transaction.atomic():
        _, is_new = HandledEvent.objects.get_or_create(
            consumer=consumer,
            source=source,
            event_id=event_id,
            defaults={"outcome": HandledEvent.Outcome.PARKED},
        )
        if is_new:
            ParkedEvent.objects.create(
                consumer=consumer,
                source=source,
                event_id=event_id,
                type=kind[:80],
                body=_kept(text),
                error=error.replace("\x00", "�")[:500],
            )
            _forget_parked()
            log.error("event_parked", consumer=consumer, source=source, event_id=event_id, error=error[:500])


def _kept(text: str) -> str:
    """Return what is stored of a message; of one that is too long to be taken ever, the beginning."""
    if len(text) > LONGEST_BODY:
        text = f"{text[:KEPT_OF_TOO_LONG]} … (it had {len(text)} characters)"
    return text.replace("\x00", "�")


def _forget_parked() -> int:
    """Keep the newest parked messages, and none for ever: whoever can publish must not fill the disk."""
    newest = ParkedEvent.objects.order_by("-parked_at", "-pk").values_list("pk", flat=True)
    surplus = list(newest[PARKED_KEPT : PARKED_KEPT + PARKED_SLICE])
    old = Q(pk__in=surplus) | Q(parked_at__lt=timezone.now() - REMEMBERED)
    deleted, _ = ParkedEvent.objects.filter(old).delete()
    return deleted


def _hold(subscription: Subscription, event: IncomingEvent, sequence: int, text: str) -> None:
    HeldEvent.objects.get_or_create(
        consumer=subscription.consumer,
        source=event.source,
        aggregate=event.subject,
        sequence=sequence,
        defaults={"body": text},
    )


def _place(subscription: Subscription, event: IncomingEvent) -> int:
    stream = _streams(subscription, event.source, event.subject).first()
    return stream.last_sequence if stream else 0


def _advance_with(subscription: Subscription, event: IncomingEvent) -> None:
    if subscription.ordered and event.sequence is not None:
        _advance(subscription, event.source, event.subject, event.sequence)


def _advance(subscription: Subscription, source: str, aggregate: str, sequence: int) -> None:
    """Note how far we are; never back."""
    stream, _ = EventStream.objects.get_or_create(
        consumer=subscription.consumer,
        source=source,
        aggregate=aggregate,
        defaults={"last_sequence": sequence},
    )
    if stream.last_sequence < sequence:
        stream.last_sequence = sequence
        stream.save(update_fields=["last_sequence", "updated_at"])


def _streams(subscription: Subscription, source: str, aggregate: str) -> Any:
    return EventStream.objects.filter(consumer=subscription.consumer, source=source, aggregate=aggregate)


def forget_old() -> int:
    """Delete what is remembered of events too old to come again; return how many rows."""
    before = timezone.now() - REMEMBERED
    handled, _ = HandledEvent.objects.filter(handled_at__lt=before).delete()
    streams, _ = EventStream.objects.filter(updated_at__lt=before).delete()
    return handled + streams + _forget_parked()
