"""One purse a day for all that evaluates, however many processes spend from it at once.

What a request may cost at most is set aside in a row before it is sent; whoever comes next counts it, as it counts
what the day's calls were charged with. Setting aside is done by one process after the other, under a lock that is held
for two statements and never while a model answers. A killed process's rows count no more once its session has ended.
"""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from ai.domain.budget import Room, day_start
from ai.models import ModelCall
from evaluation.models import PurseReservation
from risk.services.locks import lock_purse

ENDED = """
DELETE FROM purse_reservations r WHERE NOT EXISTS (
    SELECT FROM pg_stat_activity a WHERE a.pid = r.backend_pid AND a.backend_start = r.backend_started_at
)
"""
SET_ASIDE = "SELECT coalesce(sum(most_usd), 0) FROM purse_reservations"
SESSION = "SELECT pid, backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid()"


class DayPurse:
    """What is left of the day and of one run; ``reserve`` before a request, ``settle`` once its call is recorded.

    Args:
        day: USD that all evaluations may spend between two midnights of UTC.
        run: USD that this one may spend, None where it has no bound of its own.
    """

    def __init__(self, *, day: Decimal, run: Decimal | None = None) -> None:
        self._day, self._run = day, run
        self._left = day  # as last read
        self._mine: list[tuple[UUID, Decimal]] = []

    def reserve(self, estimate: Decimal) -> Room:
        """Set ``estimate`` aside if it fits beside all that is set aside by anybody.

        ``LATER``: it may fit once requests under way, of this process or another, have ended.
        """
        if estimate <= 0:
            return Room.GRANTED
        mine = sum((most for _, most in self._mine), Decimal(0))
        if self._run is not None and mine + estimate > self._run:
            return Room.LATER if self._mine else Room.EXHAUSTED
        with transaction.atomic():
            lock_purse()
            set_aside, session = _standing()
            spent = ModelCall.objects.evaluation_cost_since(day_start(timezone.now()))
            self._left = max(self._day - spent - set_aside, Decimal(0))
            if estimate > self._left:
                return Room.LATER if estimate <= self._day - spent else Room.EXHAUSTED
            row = PurseReservation.objects.create(
                most_usd=estimate, backend_pid=session[0], backend_started_at=session[1]
            )
        self._mine.append((row.pk, estimate))
        return Room.GRANTED

    def settle(self, estimate: Decimal, charged: Decimal) -> None:
        """Give an estimate back; the day has the charge from the call's own record, which must be written."""
        if self._run is not None:
            self._run -= charged
        for place, (pk, most) in enumerate(self._mine):
            if most == estimate:
                del self._mine[place]
                PurseReservation.objects.filter(pk=pk).delete()
                return

    def words(self, estimate: Decimal) -> str:
        """Return what has no room for ``estimate``, for a person to read."""
        if self._run is not None and estimate > self._run:
            which, left = "replay", max(self._run, Decimal(0))
        else:
            which, left = "day", self._left
        return f"the AI budget of the {which} has {left:.4f} USD left, a call may cost {estimate:.4f} USD"


def day_left() -> Decimal:
    """Return what the day's purse has left in USD, less what is set aside for requests under way."""
    with transaction.atomic():
        lock_purse()
        set_aside, _ = _standing()
        spent = ModelCall.objects.evaluation_cost_since(day_start(timezone.now()))
    return max(settings.ENVIRONMENT.ai_evaluation_budget_usd - spent - set_aside, Decimal(0))


def _standing() -> tuple[Decimal, tuple[int, datetime]]:
    """Forget what ended sessions had set aside; return what is set aside, and this session's number and start."""
    with connection.cursor() as cursor:
        cursor.execute(ENDED)
        cursor.execute(SET_ASIDE)
        [set_aside] = cursor.fetchone()
        cursor.execute(SESSION)
        session = cursor.fetchone()
    return set_aside, session
