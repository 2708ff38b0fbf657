"""What of the broker's lists could not be understood when each was last read, for people and programs."""

from typing import Any

from trading.core.set_aside import Listing
from trading.models import SetAsideRow

SHOWN_AT_MOST = 50


def left_out(*, only: Listing | None = None) -> tuple[SetAsideRow, ...]:
    """Return the rows left out, by list and name, at most 50; with ``only``, those of one list."""
    rows = SetAsideRow.objects.all() if only is None else SetAsideRow.objects.filter(listing=only)
    return tuple(rows[:SHOWN_AT_MOST])


def left_out_report() -> list[dict[str, Any]]:
    """Return the same as REST tells it."""
    return [
        {
            "listing": row.listing,
            "name": row.name,
            "detail": row.detail,
            "other_kind": row.other_kind,
            "noted_at": row.noted_at,
        }
        for row in left_out()
    ]
