"""A decision with everything linked to it, one row each in one statement, and the timeline's facts from that row.

The statement takes the keys of the decisions and looks the rest up by index, so that it costs as much at a million
decisions as at a thousand; it is prepared, because planning a dozen joins takes three times as long as they do. Rows
are tuples: 50 model instances with their links took longer than the database.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from risk.domain.numbers import ZERO
from risk.domain.trust_words import FIGURES, trust_words
from trading.core.statements.prepared_statements import Prepared
from trading.domain.order_ids import Purpose
from trading.domain.timeline import (
    ApprovalFacts,
    ExitFacts,
    GateFacts,
    OrderFacts,
    ProposedFacts,
    TimelineFacts,
)


class DecisionRow(NamedTuple):
    """Each field is named by its table in ``LINKED`` and its column there, in the order of the statement."""

    decision_id: UUID
    decision_cycle_id: str
    decision_symbol: str
    decision_action: str
    decision_confidence: Decimal
    decision_reasoning: str
    decision_model: str
    decision_price: Decimal | None
    decision_price_warning: str
    decision_stop_percent: Decimal | None
    decision_target_percent: Decimal | None
    decision_horizon_sessions: int | None
    decision_invalidation: str
    decision_proposal_note: str
    decision_against_thesis: bool
    decision_status: str
    decision_reason: str
    decision_reason_detail: str
    decision_approved: bool
    decision_stages: str
    decision_created_at: datetime
    decision_settled_at: datetime | None
    decision_strategy_version: int | None
    strategy_id: str
    strategy_name: str
    gate_allowed: bool | None
    gate_reason: str
    gate_quantity: Decimal
    gate_notional: Decimal
    gate_created_at: datetime
    gate_trust: list[str | None] | None
    approval_status: str | None
    approval_requested_at: datetime
    approval_expires_at: datetime
    approval_answered_at: datetime | None
    approval_reason: str
    person_username: str | None
    order_id: str | None
    order_client_order_id: str
    order_broker_order_id: str | None
    order_symbol: str
    order_side: str
    order_purpose: str
    order_quantity: Decimal | None
    order_reference_price: Decimal | None
    order_time_in_force: str
    order_status: str
    order_filled_quantity: Decimal
    order_average_price: Decimal | None
    order_broker_message: str
    order_created_at: datetime
    order_submitted_at: datetime | None
    order_acknowledged_at: datetime | None
    order_ended_at: datetime | None
    fills_last_at: datetime | None
    saga_status: str | None
    saga_ended_at: datetime | None
    trade_id: str | None
    trade_side: str
    trade_quantity: Decimal
    trade_price: Decimal
    trade_realised_pnl: Decimal | None
    trade_traded_at: datetime
    closing_at: datetime | None
    sales_last_at: datetime | None
    sales_realised_pnl: Decimal | None
    sales_quantity: Decimal | None
    sales_purposes: list[str] | None
    position_symbol: str | None
    position_quantity: Decimal
    position_average_entry_price: Decimal
    position_market_value: Decimal | None
    position_unrealised_pnl: Decimal | None
    position_source: str
    position_opened_at: datetime
    position_synced_at: datetime


AS_TEXT = (
    "decision_cycle_id",
    "strategy_id",
    "order_id",
    "trade_id",
)  # shown and no more: quicker than UUIDs


def columns() -> str:
    """Return the columns of a statement that ``LINKED`` is in, in the order of the fields."""
    split = [name.partition("_") for name in DecisionRow._fields]
    named = [
        (name, f'"{table}"."{column}"')
        for name, (table, _, column) in zip(DecisionRow._fields, split, strict=True)
    ]
    return ", ".join(f"{column}::text" if name in AS_TEXT else column for name, column in named)


# An entry's exit: the first closing of its symbol after its last fill, and the sales until then.
FILLED_AT = 'COALESCE(fills.last_at, "order".ended_at, "order".created_at)'
TRUST_FIGURES = ", ".join(f"figures ->> '{name}'" for name in FIGURES)
LINKED = f"""
JOIN ai_decisions decision ON decision.id = keys.id
JOIN strategies strategy ON strategy.id = decision.strategy_id
LEFT JOIN (
    SELECT *, CASE WHEN figures ? 'trust_mode' THEN ARRAY[{TRUST_FIGURES}] END AS trust FROM risk_checks
) gate ON gate.id = decision.risk_check_id
LEFT JOIN approvals approval ON approval.decision_id = decision.id
LEFT JOIN auth_user person ON person.id = approval.answered_by_id
LEFT JOIN LATERAL (
    SELECT * FROM orders WHERE decision_id = decision.id AND purpose IN ('entry', 'exit')
    ORDER BY created_at DESC LIMIT 1
) "order" ON true
LEFT JOIN LATERAL (
    SELECT max(recorded_at) AS last_at FROM fills WHERE order_id = "order".id
) fills ON true
LEFT JOIN sagas saga ON saga.decision_id = decision.id
LEFT JOIN trades trade ON trade.order_id = "order".id
LEFT JOIN LATERAL (
    SELECT occurred_at AS at FROM events
    WHERE type = 'position.closed' AND aggregate_id = "order".symbol AND occurred_at > {FILLED_AT}
        AND "order".purpose = 'entry'
    ORDER BY occurred_at LIMIT 1
) closing ON true
LEFT JOIN LATERAL (
    SELECT max(sale.booked_at) AS last_at, sum(sale.realised_pnl) AS realised_pnl, sum(sale.quantity) AS quantity,
        array_agg(sold.purpose ORDER BY sale.booked_at) AS purposes
    FROM trades sale JOIN orders sold ON sold.id = sale.order_id
    WHERE sale.side = 'sell' AND sale.symbol = "order".symbol AND sale.booked_at > {FILLED_AT}
        AND sale.booked_at <= COALESCE(closing.at, 'infinity') AND "order".purpose = 'entry'
) sales ON true
LEFT JOIN positions position ON position.symbol = "order".symbol
"""  # noqa: S608 - our own words; values are bound


def _statement(keys: str) -> str:
    return f"SELECT {columns()} FROM unnest({keys}) WITH ORDINALITY AS keys (id, place) {LINKED} ORDER BY keys.place"  # noqa: S608 - see above


ROWS = Prepared("decision_rows", "uuid[]", _statement("$1"))
# Keys and rows at once. The keys are a statement within: planned by itself, it keeps to the index whatever its limit.
OLDER = Prepared(
    "decision_rows_older",
    "timestamptz, uuid, integer",
    _statement(
        "ARRAY(SELECT id FROM ai_decisions WHERE (created_at, id) < ($1, $2)"
        " ORDER BY created_at DESC, id DESC LIMIT $3)"
    ),
)
NEWEST = ("infinity", UUID(int=2**128 - 1))


def rows_of(decision_ids: Collection[UUID]) -> list[DecisionRow]:
    """Return the decisions with what is linked to them, in the order of the ids; unknown ids are left out."""
    return list(map(DecisionRow._make, ROWS.rows([list(decision_ids)]))) if decision_ids else []


def rows_before(key: Sequence[Any] | None, limit: int) -> list[DecisionRow]:
    """Return the ``limit`` newest decisions before a key of ``(created_at, id)``, or of all, the newest first."""
    return list(map(DecisionRow._make, OLDER.rows([*(key or NEWEST), limit])))


def facts_of(row: DecisionRow) -> TimelineFacts:
    """Return what the timeline is read from."""
    return TimelineFacts(
        action=row.decision_action,
        status=row.decision_status,
        reason=row.decision_reason,
        reason_detail=row.decision_reason_detail,
        confidence=row.decision_confidence,
        price=row.decision_price,
        model=row.decision_model,
        decided_at=row.decision_created_at,
        settled_at=row.decision_settled_at,
        approval=_approval(row),
        gate=_gate(row),
        order=_order(row),
        saga_status=row.saga_status or "",
        booked_at=row.saga_ended_at if row.saga_status == "completed" else None,
        exit=_exit(row),
        proposed=_proposed(row),
        against_thesis=row.decision_against_thesis,
    )


def _proposed(row: DecisionRow) -> ProposedFacts | None:
    said = (row.decision_stop_percent, row.decision_target_percent, row.decision_horizon_sessions)
    return None if said == (None, None, None) else ProposedFacts(*said)


def _approval(row: DecisionRow) -> ApprovalFacts | None:
    if row.approval_status is None:
        return None
    return ApprovalFacts(
        status=row.approval_status,
        requested_at=row.approval_requested_at,
        expires_at=row.approval_expires_at,
        answered_at=row.approval_answered_at,
        answered_by=row.person_username or "",
        reason=row.approval_reason,
    )


def _gate(row: DecisionRow) -> GateFacts | None:
    if row.gate_allowed is None:
        return None
    figures = dict(zip(FIGURES, row.gate_trust or (), strict=False))
    return GateFacts(
        row.gate_allowed,
        row.gate_reason,
        row.gate_quantity,
        row.gate_notional,
        row.gate_created_at,
        trust_words(row.decision_confidence, figures),
    )


def _order(row: DecisionRow) -> OrderFacts | None:
    if row.order_id is None:
        return None
    return OrderFacts(
        status=row.order_status,
        side=row.order_side,
        quantity=row.order_quantity or ZERO,
        filled_quantity=row.order_filled_quantity,
        average_price=row.order_average_price,
        broker_message=row.order_broker_message,
        created_at=row.order_created_at,
        acknowledged_at=row.order_acknowledged_at,
        ended_at=row.order_ended_at,
        last_fill_at=row.fills_last_at,
        reducing=row.order_purpose != Purpose.ENTRY,
    )


def _exit(row: DecisionRow) -> ExitFacts | None:
    """Read what ended the position: the order itself where it reduces, else what came after its fill.

    A position that is not held and was never found closed was opened and closed between two syncs.
    """
    if row.order_id is None:
        return None
    if row.order_purpose != Purpose.ENTRY:
        if row.trade_id is None or row.trade_side != "sell":
            return ExitFacts(None, None, (), ZERO)
        return ExitFacts(None, row.trade_realised_pnl, (row.order_purpose,), row.trade_quantity)
    inferred = row.closing_at is None and row.sales_last_at is not None and row.position_symbol is None
    return ExitFacts(
        closed_at=row.sales_last_at if inferred else row.closing_at,
        realised_pnl=row.sales_realised_pnl,
        purposes=tuple(dict.fromkeys(row.sales_purposes or ())),
        reduced_quantity=row.sales_quantity or ZERO,
        is_inferred=inferred,
    )
