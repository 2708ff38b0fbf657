"""Rows of a provider's list that cannot be understood: named, counted, and never in the way of the others."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")

LONGEST_ID = 128
LONGEST_SYMBOL = 32
FEWEST_TO_REFUSE = 3
NAMED_AT_MOST = 5


@dataclass(frozen=True, slots=True)
class UnreadableRow:
    """A row of a list that could not be understood, or a field of one that is used without it.

    Args:
        field: the field that is not what it should be, e.g. ``market_value``; "" where the row is no object.
        value: what stood there, redacted and cut.
        row_id: the provider's id, ``symbol`` its symbol as ours, ``client_order_id`` and ``side`` those of an order;
            each "" where it could not be read.
        other_kind: what it is where it is sound, but of a kind that is not traded here, e.g. ``us_option``.
    """

    field: str
    value: str
    row_id: str = ""
    symbol: str = ""
    client_order_id: str = ""
    side: str = ""
    other_kind: str = ""

    @property
    def name(self) -> str:
        """What it is called: its symbol, else its id."""
        return self.symbol or self.row_id or "a row without a name"

    @property
    def detail(self) -> str:
        """What is the matter with it, in words."""
        if self.other_kind:
            return f"is another kind ({self.other_kind}), not traded here"
        return f"{self.field or 'the row'} is {self.value}"

    def __str__(self) -> str:
        return f"{self.name}: {self.detail}"


class Rows(list[T]):
    """The rows of a list that were understood; ``unreadable`` those that were not."""

    def __init__(self, rows: Iterable[T] = (), unreadable: Iterable[UnreadableRow] = ()) -> None:
        super().__init__(rows)
        self.unreadable = tuple(unreadable)


class BySymbol(dict[str, T]):
    """What was understood, by symbol; ``unreadable`` what was not."""

    def __init__(self, found: dict[str, T] | None = None, unreadable: Iterable[UnreadableRow] = ()) -> None:
        super().__init__(found or {})
        self.unreadable = tuple(unreadable)


def unreadable_of(answer: object) -> tuple[UnreadableRow, ...]:
    """Return what an answer's source could not read; a plain list or dict has nothing of the kind."""
    rows = getattr(answer, "unreadable", ())
    return rows if isinstance(rows, tuple) else ()


def are_most(unreadable: Iterable[UnreadableRow], understood: int) -> bool:
    """Tell whether so many rows cannot be read that the answer as a whole is not to be believed.

    At least three, and more than half. What is of another kind is understood well enough.
    """
    broken = sum(not row.other_kind for row in unreadable)
    return broken >= FEWEST_TO_REFUSE and broken > understood


def summary_of(unreadable: Iterable[UnreadableRow]) -> str:
    """Return how many there are and the names of the first of them; "" where there are none."""
    rows = list(unreadable)
    if not rows:
        return ""
    more = f" and {len(rows) - NAMED_AT_MOST} more" if len(rows) > NAMED_AT_MOST else ""
    count = f"{len(rows)} {'row' if len(rows) == 1 else 'rows'} left out"
    return f"{count}: {'; '.join(str(row) for row in rows[:NAMED_AT_MOST])}{more}"
