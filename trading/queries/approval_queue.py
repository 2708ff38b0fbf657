"""The approval queue as a person reads it: each request with its price now and the gate's answer now."""

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from math import ceil
from typing import Any
from uuid import UUID

from django.db.models import F, QuerySet
from django.utils import timezone

from connectors.base import Quote
from risk.domain.numbers import HUNDRED, ZERO
from trading.core.statements.together import first as newest
from trading.execution.gate_passage import stated_order
from trading.execution.repricing import fresh_quotes
from trading.models import Approval, EquitySnapshot
from trading.queries.approval_surroundings import NOTHING, Surroundings, surrounding_selects, surroundings_of
from trading.queries.gate_preview import GatePreview, Scene, Together, read_scene

MOST_SIZED = 500  # requests that are judged to find the largest, or the best that fit


@dataclass(frozen=True, slots=True)
class QueueLine:
    """One open request; ``preview`` is what the gate would answer at the last known price.

    ``held`` is in base units, ``held_value`` and ``equity`` in USD, as last synced.
    ``seconds_left`` is rounded up: the page calls nothing expired that the server would still take.
    """

    approval: Approval
    preview: GatePreview
    seconds_left: int
    surroundings: Surroundings = NOTHING
    held: Decimal = ZERO
    held_value: Decimal = ZERO
    equity: Decimal | None = None

    @property
    def held_percent(self) -> Decimal | None:
        """What is held of the symbol, in percent of equity."""
        return self._percent(self.held_value)

    @property
    def percent_after(self) -> Decimal | None:
        """What would be held after an order of the gate's size, in percent of equity; None where it would deny."""
        verdict = self.preview.verdict
        if not verdict.allowed or verdict.notional is None:
            return None
        sign = 1 if self.approval.decision.action == "buy" else -1
        return self._percent(self.held_value + sign * verdict.notional)

    def _percent(self, value: Decimal) -> Decimal | None:
        return value / self.equity * HUNDRED if self.equity else None

    @property
    def account_percent_after(self) -> Decimal | None:
        """What the whole account would hold after it, in percent of equity; None where that is not known."""
        figures, verdict = self.preview.verdict.figures, self.preview.verdict
        if not verdict.allowed or "exposure" not in figures:
            return None
        return self._percent(
            Decimal(figures["exposure"]) + Decimal(figures["exposure_reserved"]) + verdict.notional
        )

    @property
    def price_now(self) -> Decimal | None:
        """The last known price, USD per base unit."""
        return self.preview.price_now

    @property
    def moved_percent(self) -> Decimal | None:
        """How far the price has moved since the decision, None where either is not known."""
        then, now = self.approval.decision.price, self.price_now
        return (now / then - 1) * HUNDRED if then and now else None


class Sort(enum.StrEnum):
    """What stands first: what ends first, what is surest, or what the gate would size largest."""

    URGENCY = "urgency"
    CONFIDENCE = "confidence"
    SIZE = "size"


ORDERS = {
    Sort.URGENCY: ("expires_at", "-decision__confidence", "id"),
    Sort.CONFIDENCE: ("-decision__confidence", "expires_at", "id"),
}


@dataclass(frozen=True, slots=True)
class QueuePage:
    """A part of the queue.

    Args:
        picked: the first requests of the order that the gate would let pass together, as many as were asked for.
        sum: what it would say to those in the turn in which they are approved; None where there are none.
    """

    lines: tuple[QueueLine, ...]
    picked: tuple[UUID, ...] = ()
    sum: Together | None = None


def queue_page(*, most: int, first: int = 0, sort: Sort = Sort.URGENCY, best: int | None = None) -> QueuePage:
    """Return the open requests in an order, at most ``most`` from the ``first``.

    Args:
        best: so many of the first that fit together stand before all others; None: nobody asks for them.
    """
    now = timezone.now()
    in_order = _read(Approval.objects.waiting(now), *ORDERS.get(sort, ORDERS[Sort.URGENCY]))
    if sort is not Sort.SIZE and best is None:
        return QueuePage(_lines_of(list(in_order[first : first + most]), now))
    rows = list(in_order[:MOST_SIZED])
    if not rows:
        return QueuePage(())
    scene = _scene_of(rows, now)
    previews = scene.alone()
    if sort is Sort.SIZE:
        rows.sort(key=lambda row: previews[row.decision_id].verdict.notional, reverse=True)
    picked = _first_that_fit(rows, best, scene) if best else []
    ahead = {row.pk for row in picked}
    rows = [*picked, *(row for row in rows if row.pk not in ahead)]
    sum_of_picked = scene.together([row.decision_id for row in in_turn(picked)]) if picked else None
    shown = rows[first : first + most]
    if len(shown) < most and len(rows) == MOST_SIZED:  # those that were not judged come after them
        shown += in_order[max(first, MOST_SIZED) : first + most]
        lines = _lines_of(shown, now)
    else:
        lines = _lines(shown, previews, scene.read, now)
    return QueuePage(lines, tuple(row.pk for row in picked), sum_of_picked)


def _first_that_fit(rows: Sequence[Approval], most: int, scene: Scene) -> list[Approval]:
    """Return the first requests that pass, each after those before it; what would be denied takes no room."""
    verdicts = scene.together([row.decision_id for row in rows]).verdicts
    return [row for row in rows if verdicts[row.decision_id].allowed][:most]


def lines_among(only: Sequence[UUID]) -> tuple[QueueLine, ...]:
    """Return those of these requests that are open, what ends first before the others."""
    now = timezone.now()
    return _lines_of(
        list(_read(Approval.objects.waiting(now).filter(pk__in=only), *ORDERS[Sort.URGENCY])), now
    )


def _read(waiting: QuerySet[Approval], *order: Any) -> QuerySet[Approval]:
    with_calls = waiting.select_related("decision__strategy", "decision__model_call")
    return with_calls.defer("decision__model_call__prompt", "decision__model_call__answer").order_by(*order)


def _scene_of(rows: Sequence[Approval], now: datetime, quotes: Mapping[str, Quote] | None = None) -> Scene:
    decisions = [row.decision for row in rows]
    return read_scene(decisions, surrounding_selects(decisions, now), quotes=quotes)


def _lines_of(
    rows: Sequence[Approval], now: datetime, quotes: Mapping[str, Quote] | None = None
) -> tuple[QueueLine, ...]:
    if not rows:
        return ()
    scene = _scene_of(rows, now, quotes)
    return _lines(rows, scene.alone(), scene.read, now)


def line_of(approval: Approval, preview: GatePreview, read: Mapping[str, list[Any]]) -> QueueLine:
    """Return an open request whose gate's answer is known already; read it with its decision.

    Args:
        read: what the answer stands on, with the decision's surroundings (``gate_preview.Scene``).
    """
    (line,) = _lines([approval], {approval.decision_id: preview}, read, timezone.now())
    return line


def priced_line(decision_id: UUID) -> QueueLine | None:
    """Return one open request at the price of this moment, which is asked for now and stored nowhere.

    None where it waits no more; where nobody says a price, the last known one stands.
    """
    now = timezone.now()
    rows = Approval.objects.waiting(now).select_related("decision__strategy", "decision__model_call")
    row = rows.filter(decision=decision_id).first()
    if row is None:
        return None
    quotes = fresh_quotes([row.decision.symbol]).quotes
    (line,) = _lines_of([row], now, quotes)
    return line


def _lines(
    rows: Sequence[Approval],
    previews: Mapping[UUID, GatePreview],
    read: Mapping[str, list[Any]],
    now: datetime,
) -> tuple[QueueLine, ...]:
    positions = {position.symbol: position for position in read.get("positions", ())}
    money: EquitySnapshot | None = newest(read.get("money", ()))
    known = surroundings_of([row.decision for row in rows], read)
    return tuple(
        QueueLine(
            approval=row,
            preview=previews[row.decision_id],
            seconds_left=ceil((row.expires_at - now).total_seconds()),
            surroundings=known[row.decision_id],
            held=held.quantity if (held := positions.get(row.decision.symbol)) else ZERO,
            held_value=held.exposure if held else ZERO,
            equity=money.equity if money else None,
        )
        for row in rows
    )


def in_turn(approvals: Sequence[Approval]) -> list[Approval]:
    """Return requests in the order in which several are approved: exits, then the surest."""
    return sorted(approvals, key=lambda row: stated_order(row.decision))


def together(only: Sequence[UUID]) -> Together | None:
    """Return what the gate would say to these open requests in turn; None where none of them waits."""
    waiting = Approval.objects.waiting(timezone.now()).filter(pk__in=only)
    rows = list(waiting.select_related("decision__strategy", "decision__model_call"))
    if not rows:
        return None
    return read_scene([row.decision for row in rows]).together([row.decision_id for row in in_turn(rows)])


def most_urgent(now: datetime) -> QuerySet[Approval]:
    """Return the request that ends first, for who reads it with more, with what its decision wants; none: empty."""
    wants = {name: F(f"decision__{name}") for name in ("action", "symbol", "confidence")}
    return Approval.objects.waiting(now).annotate(**wants).order_by("expires_at", "pk")[:1]


def waiting_keys() -> list[str]:
    """Return the ids of all open requests, whatever a page shows."""
    waiting = Approval.objects.waiting(timezone.now())
    return [str(pk) for pk in waiting.values_list("pk", flat=True)]
