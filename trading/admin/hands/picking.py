"""The best that fit: which requests the queue ticks because somebody asked for so many of the first."""

from dataclasses import dataclass
from uuid import UUID

from django.http import HttpRequest

CARDS_A_PAGE = 25
BEST = "best"
USUAL = 3
LONGEST = 4  # digits: Python refuses to read some thousands


@dataclass(frozen=True, slots=True)
class Asked:
    """How many of the first are to be ticked: ``number``, None where nobody asks, or asked what is no number.

    ``count`` is what the field shows, as it was typed; ``problem`` says what was expected.
    """

    count: str = str(USUAL)
    number: int | None = None
    problem: str = ""

    @property
    def was_asked(self) -> bool:
        """Whether the address says anything of it."""
        return self.number is not None or bool(self.problem)


@dataclass(frozen=True, slots=True)
class Picked:
    """What is ticked, in the queue's order, and what was asked for."""

    asked: Asked
    approvals: tuple[UUID, ...]

    @property
    def most(self) -> int:
        """The most that may be ticked at once: what a page shows."""
        return CARDS_A_PAGE

    @property
    def falls_short(self) -> bool:
        """Whether fewer fit than were asked for."""
        return self.asked.number is not None and len(self.approvals) < self.asked.number


NOTHING_ASKED = Asked()


def asked_of(request: HttpRequest) -> Asked:
    """Return what the address asks to be ticked; nothing where it does not."""
    asked = request.GET.get(BEST)
    if asked is None:
        return NOTHING_ASKED
    is_number = len(asked) <= LONGEST and asked.isascii() and asked.isdigit()
    if not is_number or not 1 <= int(asked) <= CARDS_A_PAGE:
        problem = f"{BEST}: was '{asked[:20]}', expected a whole number from 1 to {CARDS_A_PAGE}"
        return Asked(asked[:20], problem=problem)
    return Asked(asked, int(asked))
