"""The thread of ``consume_events`` that sends notices to people, where APPRISE_URLS is set.

It has a queue, a transport connection and a database connection of its own, so that a service which hangs holds up
nothing but notices.
"""

import threading
from collections.abc import Sequence
from functools import partial

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection

from connectors.events import open_queue
from orchestrator_project.standby import work_alone
from trading.core import heartbeats
from trading.events import notifying
from trading.events.consuming import take

WAIT_SECONDS = 1.0
MOST_AT_ONCE = 100
DETAIL = "tells what needs a person"


def start_notifier(stop: threading.Event) -> threading.Thread | None:
    """Start telling until ``stop`` is set; where no address is given, forget that it ever ran and return None."""
    addresses = settings.ENVIRONMENT.apprise_urls
    if not addresses:
        _forget_sign()
        return None
    thread = threading.Thread(target=_run, args=(addresses, stop), name=notifying.CONSUMER, daemon=True)
    thread.start()
    return thread


def _run(addresses: Sequence[str], stop: threading.Event) -> None:
    work_alone(
        notifying.CONSUMER,
        lambda: _tell(addresses, stop),
        stop,
        say=partial(heartbeats.beat, notifying.CONSUMER),
    )
    connection.close()


def _tell(addresses: Sequence[str], stop: threading.Event) -> None:
    """Take events and send messages until asked to stop."""
    _send(addresses)  # what is made already does not wait for a transport that is away
    heartbeats.beat(notifying.CONSUMER, DETAIL)
    subscription = notifying.our_notices()
    queue = open_queue(settings.EVENTS_URL, notifying.QUEUE, notifying.TOPICS)
    taken = 0
    try:
        while not stop.is_set():
            delivery = queue.take(wait_seconds=WAIT_SECONDS)
            if delivery is not None:
                take(subscription, delivery.body)
                queue.done(delivery)
                taken += 1
            # What came together is taken together, before a service is waited for.
            if delivery is None or taken % MOST_AT_ONCE == 0:
                _send(addresses)
                heartbeats.beat(notifying.CONSUMER, DETAIL)
    finally:
        queue.close()


def _send(addresses: Sequence[str]) -> None:
    """Make messages of what is due, and send one."""
    notifying.make_messages()
    notifying.send_next(addresses)


def _forget_sign() -> None:
    """Take the sign of life away, or it would be missed for ever; it is not worth waiting for a database."""
    try:
        heartbeats.forget(notifying.CONSUMER)
    except (DatabaseError, InterfaceError):
        connection.close()
