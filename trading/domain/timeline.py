"""A decision's way from the decision to the exit, in six stages; a pure reading of recorded facts."""

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import NamedTuple

from risk.domain.numbers import ZERO, plain_decimal
from trading.domain.statuses import OPEN_ORDER, DecisionStatus, OrderStatus, SagaStatus

UNJUDGED = (DecisionStatus.PENDING, DecisionStatus.CLAIMED, DecisionStatus.AWAITING_APPROVAL)
REFUSED = (OrderStatus.REJECTED, OrderStatus.FAILED)
Details = Mapping[str, str]


class StageName(enum.StrEnum):
    """The stages in their order."""

    DECISION = "decision"
    RISK_GATE = "risk_gate"
    ORDER = "order"
    FILL = "fill"
    POSITION = "position"
    EXIT = "exit"


class StageStatus(enum.StrEnum):
    """The owner's four words; completed is shown green, pending yellow, skipped gray, failed red."""

    COMPLETED = "completed"
    PENDING = "pending"
    SKIPPED = "skipped"
    FAILED = "failed"


NO_DETAILS: Details = MappingProxyType({})


class Stage(NamedTuple):
    """One stage; ``timestamp`` (wall time) is when it got this status, None where nothing happened."""

    stage: StageName
    status: StageStatus
    timestamp: datetime | None
    details: Details = NO_DETAILS


def sentence(details: Details) -> str:
    """Return a stage's facts as a line of text, e.g. ``action buy, confidence 0.82``; empty where there are none."""
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in details.items())


@dataclass(frozen=True, slots=True)
class ApprovalFacts:
    """What a person was asked and answered; ``answered_by`` is "" until then, and where time answered."""

    status: str
    requested_at: datetime
    expires_at: datetime
    answered_at: datetime | None
    answered_by: str
    reason: str


@dataclass(frozen=True, slots=True)
class GateFacts:
    """What the gate answered; ``notional`` in USD, ``quantity`` in base units, ``trust`` in words, "" where unasked."""

    allowed: bool
    reason: str
    quantity: Decimal
    notional: Decimal
    checked_at: datetime
    trust: str = ""


@dataclass(frozen=True, slots=True)
class OrderFacts:
    """The decision's own order (entry or exit); quantities in base units, prices in USD per unit."""

    status: str
    side: str
    quantity: Decimal
    filled_quantity: Decimal
    average_price: Decimal | None
    broker_message: str
    created_at: datetime
    acknowledged_at: datetime | None
    ended_at: datetime | None
    last_fill_at: datetime | None
    reducing: bool


@dataclass(frozen=True, slots=True)
class ExitFacts:
    """What became of the position an entry opened, or of the one an exit closed.

    Args:
        closed_at: when the position was found closed, None while it is open.
        realised_pnl: USD realised by the orders that reduced it, None where none did.
        purposes: what those orders were for, e.g. ``exit``, ``stop_loss``, ``flatten``.
        reduced_quantity: base units they sold.
        is_inferred: nothing was found closed; the last sale counts because nothing is held.
    """

    closed_at: datetime | None
    realised_pnl: Decimal | None
    purposes: tuple[str, ...]
    reduced_quantity: Decimal
    is_inferred: bool = False


@dataclass(frozen=True, slots=True)
class ProposedFacts:
    """Where a decision wants its own position sold; percentages of the entry price, None where it does not say."""

    stop_percent: Decimal | None
    target_percent: Decimal | None
    horizon_sessions: int | None


@dataclass(frozen=True, slots=True)
class TimelineFacts:
    """Everything the timeline is read from; what did not happen is None.

    ``booked_at`` is when the saga ended with the position updated, ``saga_status`` "" without a saga. ``proposed`` is
    where the decision wants its position sold, ``against_thesis`` that it sells one before its thesis has ended.
    """

    action: str
    status: str
    reason: str
    reason_detail: str
    confidence: Decimal
    price: Decimal | None
    model: str
    decided_at: datetime
    settled_at: datetime | None
    approval: ApprovalFacts | None = None
    gate: GateFacts | None = None
    order: OrderFacts | None = None
    saga_status: str = ""
    booked_at: datetime | None = None
    exit: ExitFacts | None = None
    proposed: ProposedFacts | None = None
    against_thesis: bool = False


def timeline(facts: TimelineFacts) -> tuple[Stage, ...]:
    """Return the six stages in order.

    After a stage that waits the rest waits; after one that failed or was skipped the rest is skipped.
    """
    stages = [_decision(facts)]
    for name, read in _READERS.items():
        before = stages[-1].status
        if before is StageStatus.COMPLETED:
            stages.append(read(facts))
        else:
            rest = StageStatus.PENDING if before is StageStatus.PENDING else StageStatus.SKIPPED
            stages.append(Stage(name, rest, None))
    return tuple(stages)


def _decision(facts: TimelineFacts) -> Stage:
    details = {
        "action": facts.action,
        "confidence": _plain_or_empty(facts.confidence),
        "price": _plain_or_empty(facts.price),
        "model": facts.model,
        "against_thesis": "yes" if facts.against_thesis else "",
    }
    if facts.proposed is not None:
        details |= {
            "stop_percent": _plain_or_empty(facts.proposed.stop_percent),
            "target_percent": _plain_or_empty(facts.proposed.target_percent),
            "horizon_sessions": str(facts.proposed.horizon_sessions or ""),
        }
    return Stage(StageName.DECISION, StageStatus.COMPLETED, facts.decided_at, _given(details))


def _risk_gate(facts: TimelineFacts) -> Stage:
    gate, status = facts.gate, StageStatus.SKIPPED
    person = _approval_details(facts.approval)
    if gate is not None:
        status = StageStatus.COMPLETED if gate.allowed else StageStatus.FAILED
        size = {"quantity": _plain_or_empty(gate.quantity), "notional": _plain_or_empty(gate.notional)}
        details = size if gate.allowed else {"reason": gate.reason}
        details = details | {"trust": gate.trust} | person
        return Stage(StageName.RISK_GATE, status, gate.checked_at, _given(details))
    if facts.order is not None:  # only what passed the gate has an order
        return Stage(StageName.RISK_GATE, StageStatus.COMPLETED, facts.order.created_at, _given(person))
    if facts.status in UNJUDGED:
        awaits = {"waits_for": "approval"} if facts.status == DecisionStatus.AWAITING_APPROVAL else {}
        asked_at = facts.approval.requested_at if facts.approval else None
        return Stage(StageName.RISK_GATE, StageStatus.PENDING, asked_at, _given(awaits | person))
    why = {"reason": facts.reason, "message": facts.reason_detail}
    return Stage(StageName.RISK_GATE, status, facts.settled_at, _given(why | person))


def _order(facts: TimelineFacts) -> Stage:
    order = facts.order
    if order is None:
        return Stage(StageName.ORDER, StageStatus.PENDING, None)
    details = _given(
        {
            "status": order.status,
            "side": order.side,
            "quantity": _plain_or_empty(order.quantity),
            "message": order.broker_message,
        }
    )
    never_taken = order.status not in OPEN_ORDER and order.acknowledged_at is None
    if order.filled_quantity <= ZERO and (order.status in REFUSED or never_taken):
        return Stage(StageName.ORDER, StageStatus.FAILED, order.ended_at, details)
    if order.filled_quantity <= ZERO and order.acknowledged_at is None:
        return Stage(StageName.ORDER, StageStatus.PENDING, order.created_at, details)
    return Stage(StageName.ORDER, StageStatus.COMPLETED, order.acknowledged_at, details)


def _fill(facts: TimelineFacts) -> Stage:
    order = facts.order
    assert order is not None  # noqa: S101 - the order's stage is completed
    details = _given(
        {
            "filled_quantity": _plain_or_empty(order.filled_quantity),
            "quantity": _plain_or_empty(order.quantity),
            "filled_percent": _plain_or_empty(_share_to_a_tenth(order.filled_quantity, order.quantity)),
            "average_price": _plain_or_empty(order.average_price),
            "status": order.status,
        }
    )
    if order.filled_quantity > ZERO:
        at = order.last_fill_at or order.ended_at
        return Stage(StageName.FILL, StageStatus.COMPLETED, at, details)
    status = StageStatus.PENDING if order.status in OPEN_ORDER else StageStatus.FAILED
    return Stage(StageName.FILL, status, order.ended_at, details)


def _position(facts: TimelineFacts) -> Stage:
    if facts.booked_at is not None:
        return Stage(StageName.POSITION, StageStatus.COMPLETED, facts.booked_at)
    failed = facts.saga_status == SagaStatus.FAILED
    return Stage(StageName.POSITION, StageStatus.FAILED if failed else StageStatus.PENDING, None)


def _exit(facts: TimelineFacts) -> Stage:
    """Say whether the position is closed; a reducing order is itself the exit."""
    order, ended = facts.order, facts.exit
    assert order is not None  # noqa: S101 - the order's stage is completed
    details: Details = {}
    if ended is not None:
        details = _given(
            {
                "realised_pnl": _plain_or_empty(ended.realised_pnl),
                "by": ", ".join(ended.purposes),
                "reduced_quantity": _plain_or_empty(ended.reduced_quantity or None),
            }
        )
    if order.reducing:
        return Stage(StageName.EXIT, StageStatus.COMPLETED, facts.booked_at, details)
    if ended is not None and ended.closed_at is not None:
        return Stage(StageName.EXIT, StageStatus.COMPLETED, ended.closed_at, details)
    return Stage(StageName.EXIT, StageStatus.PENDING, None, details)


_READERS: Mapping[StageName, Callable[[TimelineFacts], Stage]] = {
    StageName.RISK_GATE: _risk_gate,
    StageName.ORDER: _order,
    StageName.FILL: _fill,
    StageName.POSITION: _position,
    StageName.EXIT: _exit,
}


def _approval_details(approval: ApprovalFacts | None) -> dict[str, str]:
    if approval is None:
        return {}
    waiting = approval.answered_at is None
    return {
        "approval": approval.status,
        "expires_at": approval.expires_at.isoformat() if waiting else "",
        "answered_by": approval.answered_by,
        "answer_reason": approval.reason,
    }


def _given(details: Mapping[str, str]) -> Details:
    return {name: value for name, value in details.items() if value}


def _plain_or_empty(value: Decimal | None) -> str:
    return "" if value is None else plain_decimal(value)


def _share_to_a_tenth(part: Decimal, whole: Decimal) -> Decimal:
    return (part / whole * 100).quantize(Decimal("0.1")) if whole else ZERO
