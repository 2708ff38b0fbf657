"""Read the rows of a provider's list one by one, and refuse a list of which most cannot be understood."""

from collections.abc import Callable, Iterable
from typing import TypeVar

from connectors.errors import MalformedError, MostUnreadableError, UnavailableError
from connectors.rows import Rows, UnreadableRow, are_most
from connectors.wire import Fields, unreadable_row

T = TypeVar("T")


def read_rows(provider: str, kind: str, value: object, read_row: Callable[[Fields], T | None]) -> Rows[T]:
    """Read each object of a JSON list by itself; what cannot be understood is named and leaves the others alone.

    Args:
        read_row: may return None for a row that is understood and not wanted.

    Raises:
        UnavailableError: it is no list.
    """
    if not isinstance(value, list):
        raise UnavailableError(provider, kind, f"malformed answer: {kind} list is {type(value).__name__}")
    found: list[T] = []
    unreadable: list[UnreadableRow] = []
    for item in value:
        try:
            row = read_row(Fields(provider, kind, item))
        except MalformedError as error:
            unreadable.append(unreadable_row(item, error))
        else:
            if row is not None:
                found.append(row)
    return Rows(found, unreadable)


def refuse_if_most(provider: str, kind: str, unreadable: Iterable[UnreadableRow], understood: int) -> None:
    """Refuse an answer of which most rows cannot be understood.

    Raises:
        MostUnreadableError: at least three cannot be, and more than half.
    """
    rows = tuple(unreadable)
    if are_most(rows, understood):
        first = next(row for row in rows if not row.other_kind)
        raise MostUnreadableError(
            provider,
            kind,
            f"malformed answer: {len(rows)} of {len(rows) + understood} rows cannot be read, first: {first}",
        )
