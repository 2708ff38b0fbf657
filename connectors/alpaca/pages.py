"""Read Alpaca's long lists page by page; a row that cannot be understood does not end them."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from connectors.errors import UnavailableError
from connectors.rows import LONGEST_ID, UnreadableRow
from connectors.wire import is_plain, to_time

PROVIDER = "alpaca"
ORDERS_PER_PAGE = 500
FILLS_PER_PAGE = 100
MAX_PAGES = 200
MAX_ACTIVITY_PAGES = 20
OPERATIONS = {"fill": "fills", "activity": "activities"}
WORDS = {"fill": "execution", "activity": "activity"}
# Asks once: the operation's name, the path, the query.
Get = Callable[[str, str, dict[str, Any]], Any]


def order_pages(get: Get, status: str, after: datetime | None) -> Iterator[list[Any]]:
    """Yield the pages; they go on by the ids and times of all rows, also of those that cannot be understood."""
    seen: set[str] = set()
    for _ in range(MAX_PAGES):
        query = {
            "status": status,
            "limit": ORDERS_PER_PAGE,
            "direction": "asc",
            "after": after.isoformat() if after else None,
        }
        page = _list("order", get("orders", "/orders", query))
        yield page
        new = set(_texts(page, "id")) - seen
        if len(page) < ORDERS_PER_PAGE or not new:
            return
        seen |= new
        times = [moment for moment in map(to_time, _texts(page, "submitted_at")) if moment is not None]
        if not times:
            raise UnavailableError(PROVIDER, "orders", "malformed answer: no order of a full page has a time")
        # A microsecond back: the times we send are cut, and some may be equal.
        after = max(times) - timedelta(microseconds=1)
    raise UnavailableError(PROVIDER, "orders", f"more than {MAX_PAGES} pages")


def fill_pages(get: Get, after: datetime | None) -> Iterator[list[Any]]:
    """Yield the pages of executions; they go on by the last id."""
    # The SDK's trading client has no method for activities.
    ask = partial(get, "fills", "/account/activities/FILL")
    return _pages_by_id(ask, "fill", after, most=MAX_PAGES)


def activity_pages(get: Get, after: datetime) -> Iterator[list[Any]]:
    """Yield the pages of what is no execution, by the provider's category; they go on by the last id."""

    def ask(query: dict[str, Any]) -> Any:
        return get("activities", "/account/activities", {"category": "non_trade_activity", **query})

    return _pages_by_id(ask, "activity", after, most=MAX_ACTIVITY_PAGES)


def _pages_by_id(
    ask: Callable[[dict[str, Any]], Any], kind: str, after: datetime | None, *, most: int
) -> Iterator[list[Any]]:
    operation = OPERATIONS[kind]
    token: str | None = None
    for _ in range(most):
        page = _list(
            kind,
            ask(
                {
                    "page_size": FILLS_PER_PAGE,
                    "direction": "asc",
                    "after": after.isoformat() if after else None,
                    "page_token": token,
                }
            ),
        )
        yield page
        if len(page) < FILLS_PER_PAGE:
            return
        token = next(reversed(_texts(page, "id")), None)
        if token is None:
            what = WORDS[kind]
            raise UnavailableError(PROVIDER, operation, f"malformed answer: a full page names no {what}")
    raise UnavailableError(PROVIDER, operation, f"more than {most} pages")


def _list(kind: str, raw: object) -> list[Any]:
    if isinstance(raw, list):
        return raw
    raise UnavailableError(PROVIDER, kind, f"malformed answer: {kind} list is {type(raw).__name__}")


def _texts(page: list[Any], name: str) -> list[str]:
    """Return the texts that the rows of a page have in one field, in order."""
    values = (row.get(name) for row in page if isinstance(row, dict))
    return [value for value in values if isinstance(value, str) and is_plain(value, LONGEST_ID)]


def once(odd: list[UnreadableRow]) -> tuple[UnreadableRow, ...]:
    """Return the rows of overlapping pages once each, by their id; one without an id cannot be told from another."""
    by_id = {row.row_id: row for row in odd if row.row_id}
    return (*by_id.values(), *(row for row in odd if not row.row_id))
