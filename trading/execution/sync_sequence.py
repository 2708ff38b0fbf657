"""Number position syncs by a database sequence, so that their order depends on no clock.

A sync takes its place before it asks the broker, and an order's end is given one when it is recorded, after the
broker reported it. So a sync of a later place than an order's end asked after that end, and its answer holds what the
order filled.
"""

import structlog
from django.db import connection

from trading.models.portfolio import SYNCS

log = structlog.get_logger(__name__)


def take_place() -> int:
    """Return a place after all that were taken before, by whomever."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval(%s)", [SYNCS])
        return int(cursor.fetchone()[0])


def catch_up(stored: int) -> None:
    """Bring the sequence up to the stored sync's place; call while holding the row that has it.

    A database that was restored from a copy may hold a sync whose asker was there before: places below it
    would all be refused. Places are only ever left out by this, never given twice above ``stored``.
    """
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT last_value FROM {SYNCS}")  # noqa: S608 - a constant
        if int(cursor.fetchone()[0]) < stored:
            log.critical("sync_order_behind", stored=stored)
            cursor.execute("SELECT setval(%s, %s)", [SYNCS, stored])
