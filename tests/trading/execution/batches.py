"""Random books and decisions, and what became of them in words that two runs can be compared by."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone
from hypothesis import strategies as st

from risk.models import RiskCheck, RiskReservation
from tests.factories import (
    make_agent,
    make_asset,
    make_cycle,
    make_decision,
    make_engagement,
    make_equity,
    make_limits,
    make_position,
    make_reservation,
    make_snapshot,
    make_strategy,
)
from trading.domain.order_ids import Purpose
from trading.models import AIDecision, Approval, Event, Order, Saga, SagaStep

SYMBOLS = ("AAPL", "BTC/USD", "KO", "MSFT", "NVDA", "ORCL", "TSLA", "XOM")
OF_THE_MOMENT = ("price_age_seconds", "deadline_at", "expires_at")


@dataclass(frozen=True, slots=True)
class Plan:
    """One decision to be, with what is known of its symbol."""

    symbol: str
    action: str
    confidence: str
    size: str
    price: str
    price_age: int | None
    is_known: bool
    is_held: bool
    is_reserved: bool
    has_own_limits: bool


def plans() -> st.SearchStrategy[list[Plan]]:
    """Return decisions of different symbols; most of them could pass alone."""
    mostly = st.sampled_from((True,) * 9 + (False,))
    plan = st.builds(
        Plan,
        symbol=st.sampled_from(SYMBOLS),
        action=st.sampled_from(("buy", "buy", "buy", "sell")),
        confidence=st.sampled_from(("0.69", "0.7", "0.8", "0.8", "0.95")),
        size=st.sampled_from(("0.001", "1.7", "4", "9")),
        price=st.sampled_from(("0.073", "17.31", "123.4567", "3333.33")),
        price_age=st.sampled_from((1, 1, 1, 1, 1, 200, None)),
        is_known=mostly,
        is_held=st.sampled_from((True, False, False)),
        is_reserved=st.sampled_from((False,) * 7 + (True,)),
        has_own_limits=st.sampled_from((True, False, False)),
    )
    return st.lists(plan, min_size=2, max_size=len(SYMBOLS), unique_by=lambda each: each.symbol)


@dataclass(frozen=True, slots=True)
class World:
    """What holds for all: limits of which some bind, the mode, the switch, the account."""

    max_positions: int
    exposure: str
    mode: str
    is_engaged: bool
    has_equity: bool
    buying_power: str


def worlds() -> st.SearchStrategy[World]:
    """Return accounts with little room; in most of them trading goes on."""
    return st.builds(
        World,
        max_positions=st.integers(min_value=1, max_value=5),
        exposure=st.sampled_from(("11", "20", "50")),
        mode=st.sampled_from(("autonomous",) * 6 + ("semi_auto", "manual")),
        is_engaged=st.sampled_from((False,) * 8 + (True,)),
        has_equity=st.sampled_from((True,) * 8 + (False,)),
        buying_power=st.sampled_from(("7000", "60000")),
    )


def write(world: World, planned: list[Plan]) -> list[AIDecision]:
    """Write the rows of an account and its decisions, in the running cycle."""
    now = timezone.now()
    make_agent(mode=world.mode, market_time=now, market_time_read_at=now, market_open=True)
    make_limits(max_positions=world.max_positions, max_exposure_percent=Decimal(world.exposure))
    if world.is_engaged:
        make_engagement()
    if world.has_equity:
        make_equity(equity=Decimal(100_000), buying_power=Decimal(world.buying_power))
    cycle = make_cycle(status="running", stage="executing", deadline_at=now + timedelta(minutes=9))
    return [_write_one(plan, cycle) for plan in planned]


def _write_one(plan: Plan, cycle: Any) -> AIDecision:
    if plan.is_known:
        make_asset(plan.symbol)
    if plan.is_held:
        make_position(plan.symbol, quantity=Decimal(3), quantity_available=Decimal("2.5"))
    if plan.is_reserved:
        make_reservation(symbol=plan.symbol, notional=Decimal("800.1234"))
    price = Decimal(plan.price)
    if plan.price_age is not None:
        at = timezone.now() - timedelta(seconds=plan.price_age)
        common = {"symbol": plan.symbol, "price": price, "previous_close": price}
        make_snapshot(cycle=make_cycle(), quoted_at=at - timedelta(minutes=20), fetched_at=at, **common)
        make_snapshot(cycle=cycle, quoted_at=at, fetched_at=at, **common)
    own = {"max_positions": 2, "max_exposure_percent": Decimal(15)} if plan.has_own_limits else {}
    return make_decision(
        cycle=cycle,
        symbol=plan.symbol,
        action=plan.action,
        confidence=Decimal(plan.confidence),
        strategy=make_strategy(size_percent=Decimal(plan.size), **own),
    )


def undone(work: Callable[[], object]) -> dict[str, Any]:
    """Do some work, say what became of all decisions, and undo it."""
    point = transaction.savepoint()
    try:
        work()
        return outcome()
    finally:
        transaction.savepoint_rollback(point)


def outcome() -> dict[str, Any]:
    """Return every row that the gate writes, by symbol, without ids and moments."""
    return {decision.symbol: _outcome_of(decision) for decision in AIDecision.objects.order_by("symbol")}


def _outcome_of(decision: AIDecision) -> dict[str, Any]:
    pk = decision.pk
    order = Order.objects.filter(decision=decision).first()
    saga = Saga.objects.filter(decision=decision).first()
    return {
        "decision": _columns(decision, "status", "reason", "reason_detail", "attempts", "approved"),
        "is_linked": decision.risk_check is not None and decision.risk_check.decision_id == pk,
        "check": [
            _columns(row, "symbol", "reducing", "allowed", "reason", "limits_version", "strategy_version")
            | {"quantity": row.quantity, "notional": row.notional, "figures": _steady(row.figures)}
            for row in RiskCheck.objects.filter(decision_id=pk)
        ],
        "reservation": [
            _columns(row, "symbol", "side", "quantity", "notional", "in_buying_power", "released_at")
            for row in RiskReservation.objects.filter(decision_id=pk)
        ],
        "order": order and _order(order),
        "saga": saga and _columns(saga, "status", "error", "ended_at"),
        "steps": [
            _columns(step, "name", "position", "status", "attempts")
            | {"input": _steady(step.input), "result": _steady(step.result)}
            for step in SagaStep.objects.filter(saga__decision=decision)
        ],
        "approval": list(Approval.objects.filter(decision=decision).values_list("status", "reason")),
        "events": [_events(pk), _events(order.pk if order else None), _events(saga.pk if saga else None)],
    }


def _order(order: Order) -> dict[str, Any]:
    columns = ("symbol", "side", "purpose", "quantity", "reference_price", "time_in_force", "status")
    is_linked = order.reservation is not None and order.reservation.decision_id == order.decision_id
    is_named = order.client_order_id == f"{order.decision_id}-{Purpose(order.purpose).value}-0"
    return _columns(order, *columns) | {"is_linked": is_linked, "is_named": is_named}


def _events(pk: UUID | None) -> list[Any]:
    found = Event.objects.filter(aggregate_id=str(pk)).order_by("position")
    return [
        (row.type, row.sequence, row.public_sequence, row.cycle_id, row.causation_id, _steady(row.payload))
        for row in found
    ]


def _columns(row: Any, *names: str) -> dict[str, Any]:
    return {name: getattr(row, name) for name in names}


def _steady(facts: dict[str, Any]) -> dict[str, Any]:
    """Leave out what is another in each run: moments, and ids made anew."""
    return {name: value for name, value in facts.items() if name not in (*OF_THE_MOMENT, "order_id")}
