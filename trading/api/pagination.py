"""Cursors: signed, opaque to the client, and good for one list with one set of filters."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.core import signing

from trading.api.problems import invalid
from trading.queries.reading.keyset import ListOrder, ListPage, PageStart

SALT = "trading.api.cursor"
BAD_CURSOR = (
    "It is not a cursor of this list with these filters; expected `next` or `previous` of a page of it."
)


@dataclass(frozen=True, slots=True)
class Cursors:
    """Reads and writes the cursors of one list.

    Args:
        scope: the list and its filters: a cursor made for another one is refused.
        parsers: one per column of the list's order: from the text in the cursor to the column's value.
    """

    scope: str
    parsers: tuple[Callable[[str], Any], ...]

    def read(self, text: str | None) -> PageStart | None:
        """Return where the page begins, None for the first.

        Raises:
            Problem: 400, naming the parameter ``cursor``.
        """
        if text is None:
            return None
        try:
            backwards, *key = self._signer.unsign_object(text)
            values = tuple(parse(word) for parse, word in zip(self.parsers, key, strict=True))
        except (signing.BadSignature, ValueError, TypeError, AttributeError) as error:
            raise invalid("cursor", BAD_CURSOR, where="query") from error
        return PageStart(values, backwards=bool(backwards))

    def write(self, position: PageStart | None) -> str | None:
        """Return the cursor of a position."""
        if position is None:
            return None
        return self._signer.sign_object([int(position.backwards), *map(_cursor_text, position.key)])

    def envelope(self, page: ListPage[Any], results: list[Any]) -> dict[str, Any]:
        """Return the body of a list: the rows as they are shown, with the cursors of the pages beside."""
        return {"results": results, "next": self.write(page.next), "previous": self.write(page.previous)}

    @property
    def _signer(self) -> signing.Signer:
        return signing.Signer(salt=f"{SALT}:{self.scope}")


def cursors(
    name: str, parameters: Mapping[str, Any], order: ListOrder, parsers: Mapping[str, Any]
) -> Cursors:
    """Return the cursors of a list under its filters.

    Args:
        parameters: as read from the query; ``limit`` and ``cursor`` do not count.
        parsers: by column; what is not named is text.
    """
    filters = {key: str(value) for key, value in parameters.items() if key not in ("limit", "cursor")}
    scope = f"{name}?{sorted(filters.items())}"
    return Cursors(scope, tuple(parsers.get(column, str) for column in order.columns))


def _cursor_text(value: Any) -> str:
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
