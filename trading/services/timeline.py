"""Timelines of decisions, read in a fixed number of queries however many are asked for."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from django.core.exceptions import ObjectDoesNotExist
from django.db.models import Max

from risk.models import RiskCheck
from trading.domain.order_ids import Purpose
from trading.domain.timeline import (
    ApprovalFacts,
    ExitFacts,
    GateFacts,
    OrderFacts,
    Stage,
    TimelineFacts,
    timeline,
)
from trading.models import AIDecision, Approval, Event, Fill, Order, Position, Saga, Trade

OWN_PURPOSES = (Purpose.ENTRY, Purpose.EXIT)
ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class _Reduction:
    """One trade that reduced a position."""

    order_id: UUID
    at: datetime
    purpose: str
    quantity: Decimal
    realised_pnl: Decimal | None


@dataclass(frozen=True, slots=True)
class _Records:
    """The rows of several decisions, by what they are looked up with."""

    orders: Mapping[UUID, Order]
    last_fills: Mapping[UUID, datetime]
    closings: Mapping[str, list[datetime]]
    reductions: Mapping[str, list[_Reduction]]
    held: frozenset[str]


def timelines_for(decision_ids: Collection[UUID]) -> dict[UUID, tuple[Stage, ...]]:
    """Return the six stages of each decision; unknown ids are left out. At most six queries."""
    rows = AIDecision.objects.filter(pk__in=decision_ids)
    decisions = list(rows.select_related("risk_check", "approval__answered_by", "saga"))
    records = _records(decisions)
    return {decision.pk: timeline(_facts(decision, records)) for decision in decisions}


def timeline_of(decision_id: UUID) -> tuple[Stage, ...] | None:
    """Return a decision's six stages, None when there is no such decision."""
    return timelines_for([decision_id]).get(decision_id)


def _records(decisions: Iterable[AIDecision]) -> _Records:
    ids = [decision.pk for decision in decisions]
    orders = {
        order.decision_id: order
        for order in Order.objects.filter(decision_id__in=ids, purpose__in=OWN_PURPOSES)
        if order.decision_id is not None
    }
    if not orders:
        return _Records({}, {}, {}, {}, frozenset())
    symbols = {order.symbol for order in orders.values()}
    since = min(order.created_at for order in orders.values())
    fills = Fill.objects.filter(order__in=[order.pk for order in orders.values()])
    return _Records(
        orders=orders,
        last_fills=dict(fills.values_list("order_id").annotate(at=Max("recorded_at"))),
        closings=_closings(symbols, since),
        reductions=_reductions(symbols, since),
        held=frozenset(Position.objects.filter(pk__in=symbols).values_list("symbol", flat=True)),
    )


def _closings(symbols: Collection[str], since: datetime) -> dict[str, list[datetime]]:
    """Return when the positions were found closed, oldest first."""
    rows = Event.objects.filter(
        aggregate_type="position",
        aggregate_id__in=symbols,
        type="position.closed",
        occurred_at__gte=since,
    )
    found: dict[str, list[datetime]] = {}
    for symbol, at in rows.order_by("occurred_at").values_list("aggregate_id", "occurred_at"):
        found.setdefault(symbol, []).append(at)
    return found


def _reductions(symbols: Collection[str], since: datetime) -> dict[str, list[_Reduction]]:
    """Return the sales of these symbols, oldest first."""
    sales = Trade.objects.filter(symbol__in=symbols, side="sell", traded_at__gte=since)
    found: dict[str, list[_Reduction]] = {}
    for trade in sales.select_related("order").order_by("traded_at"):
        reduction = _Reduction(
            trade.order_id, trade.traded_at, trade.order.purpose, trade.quantity, trade.realised_pnl
        )
        found.setdefault(trade.symbol, []).append(reduction)
    return found


def _facts(decision: AIDecision, records: _Records) -> TimelineFacts:
    order = records.orders.get(decision.pk)
    saga = _saga_of(decision)
    return TimelineFacts(
        action=decision.action,
        status=decision.status,
        reason=decision.reason,
        reason_detail=decision.reason_detail,
        confidence=decision.confidence,
        price=decision.price,
        model=decision.model,
        decided_at=decision.created_at,
        settled_at=decision.settled_at,
        approval=_approval(approval_of(decision)),
        gate=_gate(decision.risk_check),
        order=_order(order, records) if order else None,
        saga_status=saga.status if saga else "",
        booked_at=saga.ended_at if saga and saga.status == "completed" else None,
        exit=_exit(order, records) if order else None,
    )


def approval_of(decision: AIDecision) -> Approval | None:
    """Return what a person was asked about the decision, None where nobody was."""
    try:
        return decision.approval
    except ObjectDoesNotExist:
        return None


def _saga_of(decision: AIDecision) -> Saga | None:
    try:
        return decision.saga
    except ObjectDoesNotExist:
        return None


def _approval(row: Approval | None) -> ApprovalFacts | None:
    if row is None:
        return None
    return ApprovalFacts(
        status=row.status,
        requested_at=row.requested_at,
        expires_at=row.expires_at,
        answered_at=row.answered_at,
        answered_by=row.answered_by.get_username() if row.answered_by else "",
        reason=row.reason,
    )


def _gate(row: RiskCheck | None) -> GateFacts | None:
    if row is None:
        return None
    return GateFacts(row.allowed, row.reason, row.quantity, row.notional, row.created_at)


def _order(row: Order, records: _Records) -> OrderFacts:
    return OrderFacts(
        status=row.status,
        side=row.side,
        quantity=row.quantity or ZERO,
        filled_quantity=row.filled_quantity,
        average_price=row.average_price,
        broker_message=row.broker_message,
        created_at=row.created_at,
        acknowledged_at=row.acknowledged_at,
        ended_at=row.ended_at,
        last_fill_at=records.last_fills.get(row.pk),
        reducing=row.purpose != Purpose.ENTRY,
    )


def _exit(order: Order, records: _Records) -> ExitFacts:
    """Read what ended the position: the order itself where it reduces, else what came after its fill.

    A position that is not held and was never found closed was opened and closed between two syncs.
    """
    sales = records.reductions.get(order.symbol, [])
    if order.purpose != Purpose.ENTRY:
        return _summed(None, [sale for sale in sales if sale.order_id == order.pk])
    filled_at = records.last_fills.get(order.pk) or order.ended_at or order.created_at
    later = [sale for sale in sales if sale.at > filled_at]
    closed_at = next((at for at in records.closings.get(order.symbol, []) if at > filled_at), None)
    if closed_at is None and later and order.symbol not in records.held:
        closed_at = later[-1].at
    return _summed(closed_at, [sale for sale in later if closed_at is None or sale.at <= closed_at])


def _summed(closed_at: datetime | None, sales: list[_Reduction]) -> ExitFacts:
    realised = [sale.realised_pnl for sale in sales if sale.realised_pnl is not None]
    return ExitFacts(
        closed_at=closed_at,
        realised_pnl=sum(realised, ZERO) if realised else None,
        purposes=tuple(dict.fromkeys(sale.purpose for sale in sales)),
        reduced_quantity=sum((sale.quantity for sale in sales), ZERO),
    )
