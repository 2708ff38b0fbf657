"""The terminal's lines: each event once, as it happens."""

from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

from django.utils import timezone

from trading.models import Event
from trading.queries.event_words import lines_of

OVERLAP = timedelta(seconds=5)


class EventTail:
    """Says each event once, in the order of time; what befell several symbols at once in one line.

    Transactions commit in another order than their events were made, so every look goes back some
    seconds and leaves out what was said already. After a clock stepped back, that is what the log had till then.
    """

    def __init__(self, say: Callable[[str], None], since: datetime | None = None) -> None:
        self._say = say
        self._since = since or timezone.now()
        self._said: set[UUID] = set()
        self._newest = self._after = 0

    def look(self) -> None:
        """Say what is new."""
        if self._since > timezone.now():
            self._since, self._after = timezone.now() - OVERLAP, self._newest
        log = Event.objects.filter(occurred_at__gte=self._since, position__gt=self._after)
        events = log.order_by("occurred_at", "id")
        fresh = [event for event in events if event.pk not in self._said]
        for line in lines_of(fresh):
            self._say(line)
        self._said.update(event.pk for event in fresh)
        self._newest = max([self._newest, *(event.position for event in fresh)])
        horizon = timezone.now() - OVERLAP
        if horizon > self._since:
            self._said = {e.pk for e in events if e.occurred_at >= horizon}
            self._since = horizon
