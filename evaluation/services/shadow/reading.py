"""Shadow strategies as they stand, beside the account that trades."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import connection
from django.db.models import OuterRef, QuerySet, Subquery

from evaluation.domain.shadow_state import ShadowState
from evaluation.errors import SelectionError
from evaluation.models import ShadowBook, ShadowPoint
from evaluation.services.shadow.ledger import from_json
from risk.domain.numbers import ZERO, share_percent
from trading.models import Strategy

CURVE_POINTS = 300
# The last point of each of so many stretches of cycles, and so of the last one the newest.
CURVE = """
SELECT DISTINCT ON (stretch) at, equity, account_equity FROM (
    SELECT at, equity, account_equity, cycle_number, ntile(%s) OVER (ORDER BY cycle_number) AS stretch
    FROM shadow_points WHERE book_id = %s
) AS points ORDER BY stretch, cycle_number DESC
"""


@dataclass(frozen=True, slots=True)
class Standing:
    """A shadow strategy in figures; money in USD, returns in percent of where each began, None before its first cycle.

    ``account_return_percent`` is the account's over the same time, cash paid in or out included.
    """

    strategy: Strategy
    book: ShadowBook | None
    point: ShadowPoint | None
    return_percent: Decimal | None = None
    account_return_percent: Decimal | None = None

    @property
    def cycles_missed(self) -> int:
        """How many cycles it was not asked about."""
        return self.book.missed + self.book.passed_over if self.book else 0


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """What both were worth; USD, ``at`` is market time."""

    at: datetime
    equity: Decimal
    account_equity: Decimal | None


@dataclass(frozen=True, slots=True)
class HeldPosition:
    """A position of a shadow; USD, None where no price is known."""

    symbol: str
    quantity: Decimal
    cost: Decimal
    price: Decimal | None
    value: Decimal | None
    profit: Decimal | None
    stop_price: Decimal | None
    target_price: Decimal | None
    opened_at: datetime | None


def standings() -> list[Standing]:
    """Return every shadow strategy, and every one that was one, by name."""
    books = {book.strategy_id: book for book in _with_last_point().select_related("strategy")}
    shadows = Strategy.objects.filter(is_shadow=True) | Strategy.objects.filter(pk__in=list(books))
    points = ShadowPoint.objects.in_bulk([book.last_point for book in books.values() if book.last_point])
    return [
        standing(strategy, book, points.get(book.last_point) if book else None)
        for strategy in shadows.order_by("name")
        for book in [books.get(strategy.pk)]
    ]


def standing_of(name: str) -> Standing:
    """Return one by its strategy's name.

    Raises:
        SelectionError: there is no shadow strategy of this name.
    """
    strategy = Strategy.objects.filter(name=name).first()
    book = ShadowBook.objects.filter(strategy=strategy).first() if strategy else None
    if strategy is None or not (strategy.is_shadow or book):
        known = ", ".join(each.strategy.name for each in standings()[:20]) or "there is none"
        raise SelectionError(f"strategy: was {name!r}, expected a shadow strategy: {known}")
    return standing(strategy, book, book.points.first() if book else None)


def standing(strategy: Strategy, book: ShadowBook | None, point: ShadowPoint | None) -> Standing:
    """Return a strategy with its book and its newest point in figures."""
    if book is None or point is None:
        return Standing(strategy, book, point)
    return Standing(
        strategy,
        book,
        point,
        return_percent=_return(book.start_equity, point.equity),
        account_return_percent=_return(book.start_account_equity, point.account_equity),
    )


def curve_of(book: ShadowBook) -> list[CurvePoint]:
    """Return what book and account were worth, oldest first, at 300 moments at most."""
    with connection.cursor() as cursor:
        cursor.execute(CURVE, [CURVE_POINTS, book.pk])
        return [CurvePoint(*row) for row in cursor.fetchall()]


def positions_of(state: ShadowState) -> list[HeldPosition]:
    """Return what is held, by symbol."""
    return [_held(symbol, state) for symbol in sorted(state.book.holdings)]


def state_of(book: ShadowBook) -> ShadowState:
    """Return a book's ledger, read."""
    return from_json(book.ledger)


def _held(symbol: str, state: ShadowState) -> HeldPosition:
    holding, watched = state.book.holdings[symbol], state.watched.get(symbol)
    mark = state.marks.get(symbol)
    value = None if mark is None else holding.quantity * mark.price
    return HeldPosition(
        symbol,
        holding.quantity,
        holding.cost,
        None if mark is None else mark.price,
        value,
        None if value is None else value - holding.cost,
        watched.stop_price if watched else None,
        watched.target_price if watched else None,
        watched.entries[0].opened_at if watched else None,
    )


def _with_last_point() -> QuerySet[Any]:
    newest = ShadowPoint.objects.filter(book=OuterRef("pk")).order_by("-cycle_number")
    return ShadowBook.objects.annotate(last_point=Subquery(newest.values("pk")[:1]))


def _return(start: Decimal | None, now: Decimal | None) -> Decimal | None:
    return None if start is None or now is None or start <= ZERO else share_percent(now - start, start)


def thinned(points: Sequence[CurvePoint], most: int) -> list[CurvePoint]:
    """Return at most so many of the points, the newest among them: for a table beside a chart."""
    step = -(-len(points) // most) if points else 1
    return list(reversed(points[::-1][::step]))
