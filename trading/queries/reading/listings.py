"""The lists a person or a program walks: what is in them under which filters; keyset.py pages them."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from ai.models import ModelCall
from risk.models import RiskLimits
from trading.models import (
    Approval,
    Cycle,
    EquitySnapshot,
    Event,
    Fill,
    Order,
    Position,
    Saga,
    Strategy,
    Trade,
    UniverseCandidate,
)

Filters = Mapping[str, Any]
_SYMBOL_OF_DECISION = {"symbol": "decision__symbol"}


def cycles(filters: Filters) -> QuerySet[Cycle]:
    """Return cycles by status and type."""
    return Cycle.objects.filter(**filters).with_errors().defer("universe", "headlines", "kept_errors")


def orders(filters: Filters) -> QuerySet[Order]:
    """Return orders by symbol, side, status, cycle or decision."""
    return Order.objects.filter(**filters)


def fills(filters: Filters) -> QuerySet[Fill]:
    """Return executions by symbol, side, order or cycle."""
    return Fill.objects.filter(**filters)


def trades(filters: Filters) -> QuerySet[Trade]:
    """Return trades by symbol, side, strategy or cycle."""
    return Trade.objects.filter(**filters)


def positions(filters: Filters) -> QuerySet[Position]:
    """Return the open positions as last synced."""
    return Position.objects.filter(**filters)


def active_sagas(filters: Filters) -> QuerySet[Saga]:
    """Return the sagas that have not ended, with their orders."""
    return Saga.objects.filter(**filters).open().select_related("order").prefetch_related("steps")


def strategies(filters: Filters) -> QuerySet[Strategy]:
    """Return strategies by ``is_active``, by default the active ones; with ``all`` every one."""
    if filters.get("all"):
        return Strategy.objects.all()
    return Strategy.objects.filter(is_active=filters.get("is_active", True))


def approvals(filters: Filters) -> QuerySet[Approval]:
    """Return approvals by status and symbol, with what they are about."""
    rows = Approval.objects.filter(
        **{_SYMBOL_OF_DECISION.get(name, name): value for name, value in filters.items()}
    )
    return rows.select_related("decision", "answered_by")


def limits(filters: Filters) -> QuerySet[RiskLimits]:
    """Return all versions of the limits; the first is in force."""
    return RiskLimits.objects.filter(**filters)


def candidates(filters: Filters) -> QuerySet[UniverseCandidate]:
    """Return candidates of the universe by status."""
    return UniverseCandidate.objects.filter(**filters)


def equity(filters: Filters) -> QuerySet[EquitySnapshot]:
    """Return the account's money over time."""
    return EquitySnapshot.objects.filter(**filters)


def model_calls(filters: Filters) -> QuerySet[ModelCall]:
    """Return model calls by model, status and cycle, without their texts."""
    return ModelCall.objects.filter(**filters).defer("prompt", "answer")


def events(filters: Filters) -> QuerySet[Event]:
    """Return events by aggregate, type and cycle."""
    return Event.objects.filter(**filters)


def saga(pk: UUID) -> Saga | None:
    """Return a saga with its order and its steps, None when there is no such saga."""
    return Saga.objects.select_related("order").prefetch_related("steps").filter(pk=pk).first()


def approval(pk: UUID) -> Approval | None:
    """Return an approval with what it is about, None when there is no such approval."""
    return approvals({}).filter(pk=pk).first()
