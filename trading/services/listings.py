"""The lists a person or a program walks: what is in them under which filters; keyset.py pages them."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db.models import Model, QuerySet

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
    return _exactly(Cycle, filters).defer("universe", "headlines")


def orders(filters: Filters) -> QuerySet[Order]:
    """Return orders by symbol, side, status, cycle or decision."""
    return _exactly(Order, filters)


def fills(filters: Filters) -> QuerySet[Fill]:
    """Return executions by symbol, side, order or cycle."""
    return _exactly(Fill, filters)


def trades(filters: Filters) -> QuerySet[Trade]:
    """Return trades by symbol, side, strategy or cycle."""
    return _exactly(Trade, filters)


def positions(filters: Filters) -> QuerySet[Position]:
    """Return the open positions as last synced."""
    return _exactly(Position, filters)


def active_sagas(filters: Filters) -> QuerySet[Saga]:
    """Return the sagas that have not ended, with their orders."""
    return _exactly(Saga, filters).open().select_related("order").prefetch_related("steps")


def strategies(filters: Filters) -> QuerySet[Strategy]:
    """Return strategies, active or not."""
    return _exactly(Strategy, filters)


def approvals(filters: Filters) -> QuerySet[Approval]:
    """Return approvals by status and symbol, with what they are about."""
    rows = _exactly(Approval, filters, _SYMBOL_OF_DECISION)
    return rows.select_related("decision", "answered_by")


def limits(filters: Filters) -> QuerySet[RiskLimits]:
    """Return all versions of the limits; the first is in force."""
    return _exactly(RiskLimits, filters)


def candidates(filters: Filters) -> QuerySet[UniverseCandidate]:
    """Return candidates of the universe by status."""
    return _exactly(UniverseCandidate, filters)


def equity(filters: Filters) -> QuerySet[EquitySnapshot]:
    """Return the account's money over time."""
    return _exactly(EquitySnapshot, filters)


def model_calls(filters: Filters) -> QuerySet[ModelCall]:
    """Return model calls by model, status and cycle, without their texts."""
    return _exactly(ModelCall, filters).defer("prompt", "answer")


def events(filters: Filters) -> QuerySet[Event]:
    """Return events by aggregate, type and cycle."""
    return _exactly(Event, filters)


def _exactly(model: type[Model], filters: Filters, renamed: Mapping[str, str] | None = None) -> Any:
    """Return the rows whose columns have these values; ``renamed`` gives a filter's lookup."""
    names = renamed or {}
    wanted = {names.get(name, name): value for name, value in filters.items()}
    return model._default_manager.filter(**wanted)


def saga(pk: UUID) -> Saga | None:
    """Return a saga with its order and its steps, None when there is no such saga."""
    return Saga.objects.select_related("order").prefetch_related("steps").filter(pk=pk).first()


def approval(pk: UUID) -> Approval | None:
    """Return an approval with what it is about, None when there is no such approval."""
    return approvals({}).filter(pk=pk).first()
