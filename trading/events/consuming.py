"""The consumers' library: each event's effect once, and nothing lost on the way.

The effect and the row that remembers it are one transaction, and the transport is told only after it: a crash anywhere
leaves either nothing, and the event comes again, or both, and its repeat is dropped. Events are taken in the order in
which the transport delivers them; none waits for an earlier one of its aggregate.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256

import structlog
from django.db import InterfaceError, OperationalError, transaction
from django.db.models import Q
from django.utils import timezone

from connectors.errors import ConnectorError
from connectors.text import storable
from trading.core.causation import caused_by
from trading.core.work import Work
from trading.domain.events.incoming import LONGEST_BODY, IncomingEvent, name_of, parse_event
from trading.errors import BadEventError
from trading.events.signing import is_genuine
from trading.models import HandledEvent, ParkedEvent

log = structlog.get_logger(__name__)
Handler = Callable[[IncomingEvent], Sequence[Work]]
REMEMBERED = timedelta(days=30)
TRANSIENT = (OperationalError, InterfaceError, ConnectorError)
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
    """

    consumer: str
    handlers: Mapping[str, Handler]
    ignored_source: str = ""
    only_source: str = ""
    own_source: str = ""


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
    return _apply_once(subscription, event, text)


def _apply_once(subscription: Subscription, event: IncomingEvent, text: str) -> list[Work]:
    """Apply the event's effect once and return what follows; an event that cannot be taken is parked."""
    handler = subscription.handlers.get(event.type) or subscription.handlers.get("*")
    try:
        with transaction.atomic(), caused_by(event.id):
            _, is_new = HandledEvent.objects.get_or_create(
                consumer=subscription.consumer, source=event.source, event_id=event.id
            )
            works = list(handler(event)) if is_new and handler else []
    except TRANSIENT:
        raise
    except BadEventError as error:
        park(subscription.consumer, text, str(error))
        return []
    except Exception as error:
        log.exception("event_failed", consumer=subscription.consumer, event_id=event.id, type=event.type)
        park(subscription.consumer, text, f"{type(error).__name__}: {error}")
        return []
    return works


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
                error=storable(error)[:500],
            )
            _forget_parked()
            log.error("event_parked", consumer=consumer, source=source, event_id=event_id, error=error[:500])


def _kept(text: str) -> str:
    """Return what is stored of a message; of one that is too long to be taken ever, the beginning."""
    if len(text) > LONGEST_BODY:
        text = f"{text[:KEPT_OF_TOO_LONG]} … (it had {len(text)} characters)"
    return storable(text)


def _forget_parked() -> int:
    """Keep the newest parked messages, and none for ever: whoever can publish must not fill the disk."""
    newest = ParkedEvent.objects.order_by("-parked_at", "-pk").values_list("pk", flat=True)
    surplus = list(newest[PARKED_KEPT : PARKED_KEPT + PARKED_SLICE])
    old = Q(pk__in=surplus) | Q(parked_at__lt=timezone.now() - REMEMBERED)
    deleted, _ = ParkedEvent.objects.filter(old).delete()
    return deleted


def forget_old() -> int:
    """Delete what is remembered of events too old to come again; return how many rows."""
    before = timezone.now() - REMEMBERED
    handled, _ = HandledEvent.objects.filter(handled_at__lt=before).delete()
    return handled + _forget_parked()
