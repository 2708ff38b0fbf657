"""Number position syncs by a database sequence, so that their order depends on no clock.

A sync takes its place before it asks the broker, and an order's end is given one when it is recorded, after the
broker reported it. So a sync of a later place than an order's end asked after that end, and its answer holds what the
order filled.
"""

import structlog
from django.db import connection

from trading.core.statements.together import Select
from trading.models import AgentStatus, Order
from trading.models.portfolio import SYNCS, next_in_order

log = structlog.get_logger(__name__)
NEXT_PLACE = Select(
    "SELECT nextval(%s) AS place", (SYNCS,)
)  # a place after all that were taken before, by whomever


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


def includes(order: Order) -> bool:
    """Return whether the stored sync was asked for after the order's end: the positions hold what it filled.

    Once true it stays true, for what is stored later is newer. The order's end must have its place in the order of
    syncs (``note_end``); without one nothing is known.
    """
    return order.ended_sequence is not None and stored_sequence() > order.ended_sequence


def stored_sequence() -> int:
    """Return the place, in the order of syncs, of the sync whose answer is stored."""
    return AgentStatus.objects.values_list("positions_sequence", flat=True).get(pk=1)


def note_end(order: Order) -> None:
    """Give the end of an order a place in the order of syncs, where it has none: as of now, which is later."""
    if order.ended_sequence is None:
        Order.objects.filter(pk=order.pk, ended_sequence=None).update(ended_sequence=next_in_order())
        order.refresh_from_db(fields=["ended_sequence"])
