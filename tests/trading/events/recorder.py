"""A consumer of everything, as a process of its own: its effect is a row in ``test_effects``, which forbids nothing."""

import os
import threading

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "orchestrator_project.settings")
NAME = "recorder"
QUEUE = "test.recorder"
TOPICS = ("#",)
EFFECTS = (
    "CREATE TABLE IF NOT EXISTS test_effects"
    " (n bigserial PRIMARY KEY, event_id text, subject text, sequence bigint)"
)


def main() -> None:
    """Consume until killed."""
    django.setup()
    from django.conf import settings
    from django.db import connection

    from connectors.events import open_queue
    from trading.core.process_lock import only_one
    from trading.core.work import Work
    from trading.domain.events.incoming import IncomingEvent
    from trading.events.consuming import Subscription, take

    def note(event: IncomingEvent) -> list[Work]:
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO test_effects (event_id, subject, sequence) VALUES (%s, %s, %s)",
                [event.id, event.subject, event.sequence],
            )
        return []

    subscription = Subscription(NAME, {"*": note})
    pause = threading.Event()
    while True:
        with only_one(NAME) as is_one:
            if not is_one:
                pause.wait(0.2)  # the server has not noticed yet that the reader before is gone
                continue
            queue = open_queue(settings.EVENTS_URL, QUEUE, TOPICS)
            while True:
                delivery = queue.take(wait_seconds=0.5)
                if delivery is not None:
                    take(subscription, delivery.body)
                    queue.done(delivery)


if __name__ == "__main__":
    main()
