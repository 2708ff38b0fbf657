"""Approvals as cards: each with its line of prices, and the card that is next once it is answered."""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit
from uuid import UUID

from django.http import HttpRequest

from trading.admin.chart import LineChart, line_chart
from trading.admin.pages import came_from
from trading.queries.approval_queue import QueueLine

ANCHOR = "approval-"
PLACE = "place"


@dataclass(frozen=True, slots=True)
class Card:
    """A request with its chart; ``place`` is the request that the page shows once this one is answered."""

    line: QueueLine
    chart: LineChart | None
    place: UUID | None


def cards_of(lines: Sequence[QueueLine]) -> list[Card]:
    """Return the cards in the order of the lines; after the last comes the one before it."""
    pks = [line.approval.pk for line in lines]
    after = [*pks[1:], *pks[-2:-1]]
    return [
        Card(line, line_chart(line.surroundings.closes), place)
        for line, place in zip(lines, [*after, None][: len(lines)], strict=True)
    ]


def place_url(request: HttpRequest, default: str, *, place: object = None) -> str:
    """Return the page that an answer leads back to, at the card that it names.

    Args:
        place: the card where it is not the one the form names.
    """
    page = came_from(request, default)
    wanted = str(place or request.POST.get(PLACE, ""))
    try:
        anchor = UUID(wanted)
    except ValueError:
        return page
    return f"{urlsplit(page)._replace(fragment='').geturl()}#{ANCHOR}{anchor}"
