"""The best that fit: which requests the queue ticks because somebody asked for so many of the first."""

from dataclasses import dataclass
from uuid import UUID

from django.http import HttpRequest

from trading.queries.approval_queue import Sort, best_that_fit

CARDS_A_PAGE = 25
BEST = "best"
USUAL = 3
LONGEST = 4  # digits: Python refuses to read some thousands


@dataclass(frozen=True, slots=True)
class Picked:
    """What is ticked, in the queue's order, of the ``count`` that were asked for; ``problem`` where it was no number.

    ``count`` is what the field shows, as it was typed.
    """

    count: str = str(USUAL)
    approvals: tuple[UUID, ...] = ()
    problem: str = ""
    was_asked: bool = False

    @property
    def most(self) -> int:
        """The most that may be ticked at once: what a page shows."""
        return CARDS_A_PAGE

    @property
    def falls_short(self) -> bool:
        """Whether fewer fit than were asked for."""
        return self.was_asked and not self.problem and len(self.approvals) < int(self.count)


NOTHING_PICKED = Picked()


def picked_of(request: HttpRequest, sort: Sort) -> Picked:
    """Return what the address asks to be ticked; nothing where it does not."""
    asked = request.GET.get(BEST)
    if asked is None:
        return NOTHING_PICKED
    is_number = len(asked) <= LONGEST and asked.isascii() and asked.isdigit()
    if not is_number or not 1 <= int(asked) <= CARDS_A_PAGE:
        problem = f"{BEST}: was '{asked[:20]}', expected a whole number from 1 to {CARDS_A_PAGE}"
        return Picked(asked[:20], problem=problem, was_asked=True)
    return Picked(asked, tuple(best_that_fit(int(asked), sort=sort)), was_asked=True)
