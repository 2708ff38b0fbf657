"""Rows of the broker's lists that could not be understood, as of the last reading of each list."""

import enum
from collections.abc import Iterable
from datetime import datetime

from django.db.models import QuerySet

from connectors.rows import UnreadableRow
from trading.core.statements.message import Message
from trading.models import SetAsideRow

KEPT_AT_MOST = 200  # of one list; a list of which most cannot be read is refused anyway


class Listing(enum.StrEnum):
    """The broker's lists, by the name that people are shown."""

    POSITIONS = "positions"
    ORDERS = "orders"
    FILLS = "fills"
    ASSETS = "assets"
    VOLUMES = "daily volumes"


def note(
    listing: Listing, rows: Iterable[UnreadableRow], *, at: datetime, message: Message | None = None
) -> None:
    """Replace what is noted of a list by what its last reading could not understand.

    Args:
        at: when the broker was asked.
        message: says it with more, later; None: it is said now.
    """
    noted = [
        SetAsideRow(
            listing=listing,
            symbol=row.symbol[:32],
            row_id=row.row_id[:128],
            field=row.field[:100],
            value=row.value[:300],
            other_kind=row.other_kind[:40],
            noted_at=at,
        )
        for row in rows
    ]
    said = message if message is not None else Message()
    said.delete(SetAsideRow.objects.filter(listing=listing))
    said.insert(noted[:KEPT_AT_MOST])
    if message is None:
        said.say()


def noted_since(moment: datetime) -> dict[str, list[UnreadableRow]]:
    """Return what was noted from then on, by the name of its list."""
    found: dict[str, list[UnreadableRow]] = {}
    for row in SetAsideRow.objects.filter(noted_at__gte=moment):
        found.setdefault(row.listing, []).append(row.as_read)
    return found


def unclear_symbols() -> frozenset[str]:
    """Return the symbols of positions that could not be understood in full; those of other kinds are none of ours."""
    return frozenset(unclear_rows().values_list("symbol", flat=True))


def unclear_rows() -> "QuerySet[SetAsideRow]":
    """Return their rows, for who reads them together with more."""
    return SetAsideRow.objects.filter(listing=Listing.POSITIONS, other_kind="").exclude(symbol="")
