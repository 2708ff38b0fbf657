"""An enriched decision as JSON, straight from the tuple that the database returned.

No serializer: for 50 decisions DRF's took longer than the statement. The document describes the same shape with the
serializers in views/ai_decisions.py, and a test holds the two together.
"""

from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Any

from risk.domain.numbers import plain_decimal
from trading.api.serializers import camelized
from trading.domain.order_ids import Purpose
from trading.domain.timeline import Stage, TimelineFacts, sentence, timeline
from trading.queries.decision_rows import DecisionRow, facts_of
from trading.queries.overview import is_stale

_camelized = cache(camelized)
STALE = "cache_stale"


def shown(row: DecisionRow, now: datetime) -> dict[str, Any]:
    """Return one result of the page; ``now`` (wall time) says which positions are stale."""
    facts = facts_of(row)
    return {
        "decision": _decision(row),
        "linkedOrder": _order(row) if row.order_id is not None else None,
        "linkedTrade": _trade(row) if row.trade_id is not None else None,
        "linkedPosition": _position(row, now) if _is_open(row, facts) else None,
        "timeline": [_stage(stage) for stage in timeline(facts)],
    }


def _optional(value: Decimal | None) -> str | None:
    return None if value is None else plain_decimal(value)


def _decision(row: DecisionRow) -> dict[str, Any]:
    return {
        "id": row.decision_id,
        "cycleId": row.decision_cycle_id,
        "strategyId": row.strategy_id,
        "strategyName": row.strategy_name,
        "strategyVersion": row.decision_strategy_version,
        "symbol": row.decision_symbol,
        "action": row.decision_action,
        "confidence": _optional(row.decision_confidence),
        "reasoning": row.decision_reasoning,
        "model": row.decision_model,
        "price": _optional(row.decision_price),
        "priceWarning": row.decision_price_warning,
        "stopPercent": _optional(row.decision_stop_percent),
        "targetPercent": _optional(row.decision_target_percent),
        "horizonSessions": row.decision_horizon_sessions,
        "invalidation": row.decision_invalidation,
        "proposalNote": row.decision_proposal_note,
        "againstThesis": row.decision_against_thesis,
        "status": row.decision_status,
        "reason": row.decision_reason,
        "reasonDetail": row.decision_reason_detail,
        "approved": row.decision_approved,
        "createdAt": row.decision_created_at,
        "settledAt": row.decision_settled_at,
    }


def _order(row: DecisionRow) -> dict[str, Any]:
    return {
        "id": row.order_id,
        "clientOrderId": row.order_client_order_id,
        "brokerOrderId": row.order_broker_order_id,
        "symbol": row.order_symbol,
        "side": row.order_side,
        "purpose": row.order_purpose,
        "quantity": _optional(row.order_quantity),
        "referencePrice": _optional(row.order_reference_price),
        "timeInForce": row.order_time_in_force,
        "status": row.order_status,
        "filledQuantity": _optional(row.order_filled_quantity),
        "averagePrice": _optional(row.order_average_price),
        "brokerMessage": row.order_broker_message,
        "createdAt": row.order_created_at,
        "submittedAt": row.order_submitted_at,
        "acknowledgedAt": row.order_acknowledged_at,
        "endedAt": row.order_ended_at,
    }


def _trade(row: DecisionRow) -> dict[str, Any]:
    return {
        "id": row.trade_id,
        "symbol": row.order_symbol,
        "side": row.trade_side,
        "quantity": _optional(row.trade_quantity),
        "price": _optional(row.trade_price),
        "realisedPnl": _optional(row.trade_realised_pnl),
        "tradedAt": row.trade_traded_at,
    }


def _is_open(row: DecisionRow, facts: TimelineFacts) -> bool:
    """Return whether the position that this decision's order opened, or added to, is still held."""
    if row.position_symbol is None or row.order_purpose != Purpose.ENTRY or row.order_filled_quantity <= 0:
        return False
    return facts.exit is not None and facts.exit.closed_at is None


def _position(row: DecisionRow, now: datetime) -> dict[str, Any]:
    stale = is_stale(row.position_synced_at, now)
    return {
        "symbol": row.position_symbol,
        "quantity": _optional(row.position_quantity),
        "averageEntryPrice": _optional(row.position_average_entry_price),
        "marketValue": _optional(row.position_market_value),
        "unrealisedPnl": _optional(row.position_unrealised_pnl),
        "openedAt": row.position_opened_at,
        "source": STALE if stale else row.position_source,
        "fetchedAt": row.position_synced_at,
        "isStale": stale,
    }


def _stage(stage: Stage) -> dict[str, Any]:
    name, status, timestamp, details = stage
    return {
        "stage": name,
        "status": status,
        "timestamp": timestamp,
        "details": sentence(details) if details else "",
        "facts": {_camelized(key): value for key, value in details.items()} if details else {},
    }
