"""Pages of a large table by the key of their first and last row: never OFFSET, never COUNT(*)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from django.db.models import Model, Q, QuerySet

Row = TypeVar("Row", bound=Model)
Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class PageStart:
    """Where a page begins: after a row's key, or before it where ``backwards``."""

    key: tuple[Any, ...]
    backwards: bool = False


@dataclass(frozen=True, slots=True)
class ListPage(Generic[Item]):
    """Rows in the list's order, with the positions of the pages beside; None where there is none."""

    rows: list[Item]
    next: PageStart | None
    previous: PageStart | None


@dataclass(frozen=True, slots=True)
class ListOrder:
    """The order of a list: columns that together are unique, all in the same direction, newest first."""

    columns: tuple[str, ...]
    newest_first: bool = True

    def key_of(self, row: Any) -> tuple[Any, ...]:
        """Return the key of a row (an object with these attributes)."""
        return tuple(getattr(row, name) for name in self.columns)


def read_page(
    rows: QuerySet[Row], *, order: ListOrder, position: PageStart | None, limit: int
) -> ListPage[Row]:
    """Return the page of ``rows`` at ``position``; one query, which reads one row more than it returns."""
    backwards = position is not None and position.backwards
    descending = order.newest_first is not backwards
    if position is not None:
        rows = rows.filter(_beyond(order.columns, position.key, "lt" if descending else "gt"))
    sorted_rows = rows.order_by(*(f"-{name}" if descending else name for name in order.columns))
    return page_of(list(sorted_rows[: limit + 1]), order=order, position=position, limit=limit)


def page_of(
    found: Sequence[Item], *, order: ListOrder, position: PageStart | None, limit: int
) -> ListPage[Item]:
    """Return the page of rows that were read from ``position`` on, at most ``limit`` and one more.

    Args:
        found: in the order they were read in, which is the list's reversed where ``position`` is backwards.
    """
    backwards = position is not None and position.backwards
    rows, is_more = list(found[:limit]), len(found) > limit
    if backwards:
        rows.reverse()
    if not rows:
        return ListPage([], None, None)
    after = PageStart(order.key_of(rows[-1]))
    before = PageStart(order.key_of(rows[0]), backwards=True)
    return ListPage(
        rows=rows,
        next=after if is_more or backwards else None,
        previous=before if (is_more if backwards else position is not None) else None,
    )


def _beyond(columns: Sequence[str], key: Sequence[Any], lookup: str) -> Q:
    """Return the condition (a, b) < (x, y), written so that an index on (a, b) bounds the scan."""
    first, *rest = zip(columns, key, strict=True)
    name, value = first
    if not rest:
        return Q(**{f"{name}__{lookup}": value})
    further = _beyond([name for name, _ in rest], [value for _, value in rest], lookup)
    return Q(**{f"{name}__{lookup}e": value}) & (Q(**{f"{name}__{lookup}": value}) | further)
