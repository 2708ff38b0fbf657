"""The public form of the log: which rows others may see, as CloudEvents 1.0 of these types.

Names and fields are a contract with whoever subscribes (docs/events/). A field may be added in the same version;
to change or take one away is a new version beside the old one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any
from uuid import UUID

from trading.domain.clocks import Clock
from trading.domain.events.fields import Field, FieldKind
from trading.domain.statuses import DecisionStatus, OrderStatus

COUNTS, DECIMAL, INTEGER = FieldKind.COUNTS, FieldKind.DECIMAL, FieldKind.INTEGER
NUMBER, TIME, TRUTH = FieldKind.NUMBER, FieldKind.TIME, FieldKind.TRUTH
URN = "urn:trading-orchestrator"
SEQUENCE_DIGITS = 10
LATE = "late_fill"


@dataclass(frozen=True, slots=True)
class LogRow:
    """A row of the log, as the mapping needs it.

    ``public_sequence`` counts the published events of the aggregate from 1, without gaps; ``cycle_id`` is the
    correlation id, ``causation_id`` names the event or message that caused it, "" where a person did.
    """

    id: UUID
    type: str
    payload: Mapping[str, Any]
    aggregate_type: str
    aggregate_id: str
    public_sequence: int
    cycle_id: UUID | None
    causation_id: str
    occurred_at: datetime


@dataclass(frozen=True, slots=True)
class EventSpec:
    """One published type: what it says, and its data's fields."""

    type: str
    meaning: str
    fields: tuple[Field, ...]
    version: int = 1

    @property
    def dataschema(self) -> str:
        """The name of the data's schema, which is the ``$id`` in its file."""
        return f"{URN}:schema:{self.type}:v{self.version}"


_CYCLE = Field("cycleId", "the cycle", "aggregate_id")
_REASON = Field("reason", "why, as a stable word or a sentence", "reason")
_WHY = Field("reason", "why, where there is a reason", "reason", optional=True)
_SYMBOL = Field("symbol", "the symbol, AAPL or BTC/USD", "symbol")
_ACTOR = Field("actor", "who did it: a person's name or a part of the system", "actor")
_SAGA = (
    Field("sagaId", "the saga", "aggregate_id"),
    Field("orderId", "its order", "order_id"),
    Field("decisionId", "its decision", "decision_id"),
)
_DECISION = (
    Field("decisionId", "the decision", "aggregate_id"),
    _SYMBOL,
    Field("action", "what it wants", "action", words=("buy", "sell", "hold")),
)
_ORDER = (
    Field("orderId", "the order", "aggregate_id"),
    Field("clientOrderId", "its name at the broker, ours", "client_order_id"),
    Field("decisionId", "its decision; null for flatten and external orders", "decision_id", optional=True),
    Field("purpose", "entry, exit, flatten, external, …", "purpose"),
    _SYMBOL,
    Field("side", "buy or sell", "side", words=("buy", "sell")),
    Field("quantity", "base units; null where only the broker knows", "quantity", DECIMAL, optional=True),
)
_STATUS = Field("status", "the order's status now", "to", words=tuple(s.value for s in OrderStatus))
_FILLED = Field("filledQuantity", "base units filled so far", "filled_quantity", DECIMAL, optional=True)
_PRICE = Field("averagePrice", "USD per base unit", "average_price", DECIMAL, optional=True)
_POSITION = (
    _SYMBOL,
    Field("quantityBefore", "base units before", "from", DECIMAL),
    Field("quantity", "base units now", "to", DECIMAL),
)

_SPECS = (
    EventSpec(
        "orchestrator.cycle.started",
        "A cycle was stored and is put to work.",
        (
            _CYCLE,
            Field("cycleType", "what it does", "cycle_type", words=("analysis", "execution", "maintenance")),
            Field("trigger", "what started it", "trigger"),
            Field("mode", "the mode in force", "mode", words=("autonomous", "semi_auto", "manual")),
            Field("symbolCount", "how many symbols it looks at", "symbol_count", INTEGER),
        ),
    ),
    EventSpec(
        "orchestrator.cycle.completed",
        "A cycle has done its work.",
        (
            _CYCLE,
            Field("decisionsCount", "decisions", "decisions_count", INTEGER),
            Field("ordersCount", "orders", "orders_count", INTEGER),
            Field("tradesCount", "trades booked by its end", "trades_count", INTEGER),
            Field("durationSeconds", "how long it took", "duration_seconds", NUMBER),
            Field("decisionsByStatus", "decisions by status", "decisions_by_status", COUNTS),
            Field("skipped", "untraded decisions by reason", "skipped", COUNTS),
        ),
    ),
    EventSpec("orchestrator.cycle.paused", "A cycle waits for the broker.", (_CYCLE, _REASON)),
    EventSpec(
        "orchestrator.cycle.resumed",
        "A paused cycle goes on.",
        (
            _CYCLE,
            Field("stage", "where it goes on", "stage"),
            Field("pausedSeconds", "how long it waited", "paused_seconds", NUMBER),
        ),
    ),
    EventSpec("orchestrator.cycle.failed", "A cycle could not do its work.", (_CYCLE, _REASON)),
    EventSpec("orchestrator.cycle.aborted", "A cycle was ended early.", (_CYCLE, _REASON)),
    EventSpec(
        "orchestrator.saga.started",
        "A decision passed the gate; its order is committed and will be submitted.",
        (*_SAGA, _SYMBOL),
    ),
    EventSpec(
        "orchestrator.saga.completed",
        "What a saga's order filled is booked; once more when more of it filled later.",
        (
            *_SAGA,
            _SYMBOL,
            _FILLED,
            _PRICE,
            Field("lateFill", "it filled after the saga had ended", LATE, TRUTH),
        ),
    ),
    EventSpec(
        "orchestrator.saga.compensated",
        "A saga's order ended unfilled, and what was reserved is given back.",
        (*_SAGA, _REASON),
    ),
    EventSpec(
        "orchestrator.saga.failed",
        "A saga could not be undone and the kill switch is engaged; or (position_not_updated) what filled is booked,"
        " but in no position yet.",
        (*_SAGA, _REASON, Field("error", "what went wrong", "error", optional=True)),
    ),
    EventSpec(
        "ai-decision.decision.generated",
        "A decision was stored: by a model, the built-in analyst, or an external decision service.",
        (
            *_DECISION,
            Field("confidence", "from 0 to 1, inclusive", "confidence", NUMBER),
            Field("reasoning", "why, in the model's words", "reasoning"),
            Field("strategy", "the strategy's name", "strategy"),
            Field("strategyVersion", "its version", "strategy_version", INTEGER, optional=True),
            Field("model", "who decided", "model", optional=True),
            Field("price", "USD per base unit, as it was seen", "price", DECIMAL, optional=True),
            Field(
                "status",
                "pending: it wants to trade; else it does not, and the reason says why",
                "to",
                words=(DecisionStatus.PENDING, DecisionStatus.HELD, DecisionStatus.SKIPPED),
            ),
            _WHY,
        ),
    ),
    EventSpec(
        "ai.model.switched",
        "A call went to the next model of a fallback chain.",
        (
            Field("strategy", "the strategy's name", "strategy"),
            Field("fromModel", "the model that was passed over", "from_model"),
            Field("toModel", "the model asked instead; null: none is left", "to_model", optional=True),
            Field("cause", "why, as a stable word", "cause"),
            Field("detail", "why, in a sentence", "detail"),
            Field("batches", "how many calls it was about", "batches", INTEGER),
        ),
    ),
    EventSpec(
        "trading-engine.order.submitted",
        "An order is handed to the broker: committed before the request leaves, so the reply is still to come.",
        _ORDER,
    ),
    EventSpec("trading-engine.order.filled", "An order is filled in full.", (*_ORDER, _FILLED, _PRICE)),
    EventSpec(
        "trading-engine.order.failed",
        "The broker rejected an order, or never had it.",
        (*_ORDER, _STATUS, _WHY),
    ),
    EventSpec(
        "trading-engine.order.canceled",
        "An order ended before it was filled in full: cancelled, expired or replaced.",
        (*_ORDER, _STATUS, _WHY, _FILLED),
    ),
    EventSpec("trading-engine.position.opened", "A position appeared at the broker.", _POSITION),
    EventSpec("trading-engine.position.closed", "A position is gone at the broker.", _POSITION),
    EventSpec(
        "risk.kill-switch.engaged",
        "All trading is stopped.",
        (_ACTOR, _REASON, Field("trigger", "operator, or what engaged it by itself", "trigger")),
    ),
    EventSpec("risk.kill-switch.released", "Trading may go on.", (_ACTOR, _REASON)),
    EventSpec(
        "risk.kill-switch.sender-fenced",
        "A process that did not end its request in time lost its database session, and with it the right to send.",
        (
            Field("pid", "its backend at the database", "pid", INTEGER),
            Field("application", "the process, as it calls itself at the database", "application"),
            Field("heldSeconds", "how long it had held the switch's lock", "held_seconds", NUMBER),
            Field("clientOrderId", "the order it was sending", "client_order_id", optional=True),
        ),
    ),
    EventSpec(
        "risk.safe-mode.entered",
        "No model answered several analyses in a row: exits only, until one does.",
        (_REASON, Field("failures", "how many analyses in a row", "failures", INTEGER)),
    ),
    EventSpec("risk.safe-mode.left", "A model answered, or a person ended it.", (_ACTOR, _REASON)),
    EventSpec("risk.entries.paused", "A person paused entries; exits go on.", (_ACTOR, _REASON)),
    EventSpec("risk.entries.resumed", "Entries pass the gate again.", (_ACTOR, _WHY)),
    EventSpec(
        "risk.symbol.locked",
        "A person locked a symbol against entries; exits go on.",
        (
            _SYMBOL,
            _ACTOR,
            _REASON,
            Field("until", "its end, market time; null: until it is unlocked", "until", TIME, optional=True),
        ),
    ),
    EventSpec("risk.symbol.unlocked", "A person unlocked a symbol.", (_SYMBOL, _ACTOR, _WHY)),
    EventSpec(
        "risk.limit.breached",
        "The account is past a limit, or an order was denied because it would have been.",
        (
            Field("limit", "the limit's name", "limit"),
            Field("scope", "account: it is so; order: it was prevented", "scope", words=("account", "order")),
            Field("symbol", "the order's symbol", "symbol", optional=True),
            Field("decisionId", "the denied decision", "decision_id", optional=True),
            Field("value", "percent, or positions", "value", DECIMAL, optional=True),
            Field("limitValue", "what is allowed", "limit_value", DECIMAL, optional=True),
        ),
    ),
    EventSpec(
        "approval.requested",
        "A decision waits for a person's word.",
        (*_DECISION, Field("expiresAt", "until when", "expires_at", TIME)),
    ),
    EventSpec(
        "approval.granted",
        "A person approved a decision; the gate judges it at the price of now.",
        (*_DECISION, _ACTOR, Field("price", "USD per base unit", "price", DECIMAL)),
    ),
    EventSpec("approval.rejected", "A person rejected a decision.", (*_DECISION, _ACTOR, _REASON)),
    EventSpec("approval.expired", "Nobody answered in time.", _DECISION),
    EventSpec(
        "orchestrator.clock.stepped",
        "A clock jumped against time that only passes; what was read before is not used.",
        (
            Field("clock", "whose", "clock", words=tuple(clock.value for clock in Clock)),
            Field("bySeconds", "by how much, below zero where it went back", "by_seconds", NUMBER),
            Field("before", "what it would have shown", "before", TIME),
            Field("after", "what it showed", "after", TIME),
            Field("machine", "the machine that noticed", "machine"),
        ),
    ),
    EventSpec("orchestrator.schedule.disabled", "No trading cycle starts by itself any more.", (_REASON,)),
    EventSpec("orchestrator.schedule.enabled", "Trading cycles start by themselves again.", (_REASON,)),
    EventSpec(
        "orchestrator.sync.overdue",
        "The account has not been read for two intervals, not by the sweeper either: nobody watches its loss.",
        (_REASON, Field("seconds", "for how long", "seconds", NUMBER)),
    ),
    EventSpec("orchestrator.sync.recovered", "The account is read again.", (_REASON,)),
    EventSpec(
        "orchestrator.lock.stuck",
        "A lock of the database is held, or waited for, longer than it should be.",
        (
            _REASON,
            Field("lock", "its name: switch, book, row of a table, transaction, …", "lock"),
            Field("seconds", "for how long", "seconds", NUMBER),
        ),
    ),
    EventSpec("orchestrator.lock.freed", "No lock is held or waited for too long any more.", (_REASON,)),
    EventSpec(
        "orchestrator.disk.low",
        "The disk of the state folder is nearly full.",
        (_REASON, Field("freeMegabytes", "what is left", "free_megabytes", INTEGER)),
    ),
    EventSpec(
        "trading-engine.books.differed",
        "The broker's account has more or less than the executions on record explain; told once for each difference.",
        (
            _REASON,
            Field("amount", "USD the account has more than is explained; negative: less", "amount", DECIMAL),
            Field("cash", "the part of it that is cash", "cash", DECIMAL),
            Field("symbols", "whose quantities differ, with commas between; empty: none", "symbols"),
            Field("equity", "the account's equity, USD", "equity", DECIMAL),
        ),
    ),
    EventSpec(
        "evaluation.trust.published",
        "What a model's stated confidence has been worth is published; entries are judged by it from now on.",
        (
            Field("version", "the curve's version", "version", INTEGER),
            Field("model", "whose confidence, as it is asked for", "model"),
            Field("answeredModel", "as the provider names it; empty: it does not", "answered_model"),
            Field("strategyId", "the strategy; null: any", "strategy_id", optional=True),
            Field("promptVersion", "the prompt's version; null: any", "prompt_version", optional=True),
            Field("labelSpec", "what being right means", "label_spec"),
            Field("validUntil", "until when, market time", "valid_until", TIME),
            _ACTOR,
        ),
    ),
    EventSpec("orchestrator.disk.recovered", "The disk of the state folder has room again.", (_REASON,)),
)
CATALOG: Mapping[str, EventSpec] = MappingProxyType({spec.type: spec for spec in _SPECS})

_ALWAYS = MappingProxyType(
    {
        "cycle.created": "orchestrator.cycle.started",
        "cycle.complete": "orchestrator.cycle.completed",
        "cycle.pause": "orchestrator.cycle.paused",
        "cycle.resume": "orchestrator.cycle.resumed",
        "cycle.fail": "orchestrator.cycle.failed",
        "cycle.abort": "orchestrator.cycle.aborted",
        "saga.created": "orchestrator.saga.started",
        "saga.complete": "orchestrator.saga.completed",
        f"saga.{LATE}": "orchestrator.saga.completed",
        "saga.compensated": "orchestrator.saga.compensated",
        "saga.fail": "orchestrator.saga.failed",
        "decision.created": "ai-decision.decision.generated",
        "decision.request_approval": "approval.requested",
        "decision.approve": "approval.granted",
        "cycle.model_switched": "ai.model.switched",
        "trust.published": "evaluation.trust.published",
        "order.fill": "trading-engine.order.filled",
        "order.fail": "trading-engine.order.failed",
        "order.reject": "trading-engine.order.failed",
        "order.cancel": "trading-engine.order.canceled",
        "order.expire": "trading-engine.order.canceled",
        "order.replace": "trading-engine.order.canceled",
        "position.opened": "trading-engine.position.opened",
        "position.closed": "trading-engine.position.closed",
        "kill_switch.engaged": "risk.kill-switch.engaged",
        "kill_switch.released": "risk.kill-switch.released",
        "kill_switch.sender_fenced": "risk.kill-switch.sender-fenced",
        "agent.entries_paused": "risk.entries.paused",
        "agent.entries_resumed": "risk.entries.resumed",
        "symbol_lock.locked": "risk.symbol.locked",
        "symbol_lock.unlocked": "risk.symbol.unlocked",
        "risk_limit.breached": "risk.limit.breached",
        "clock.stepped": "orchestrator.clock.stepped",
        "schedule.disabled": "orchestrator.schedule.disabled",
        "schedule.enabled": "orchestrator.schedule.enabled",
        "sync.overdue": "orchestrator.sync.overdue",
        "sync.recovered": "orchestrator.sync.recovered",
        "lock.stuck": "orchestrator.lock.stuck",
        "lock.freed": "orchestrator.lock.freed",
        "books.differ": "trading-engine.books.differed",
        "disk.low": "orchestrator.disk.low",
        "disk.recovered": "orchestrator.disk.recovered",
    }
)
# The same transition means something else from another status.
_FROM = MappingProxyType(
    {
        ("order.submit", OrderStatus.CREATED): "trading-engine.order.submitted",  # later ones are retries
        ("decision.reject", DecisionStatus.AWAITING_APPROVAL): "approval.rejected",  # else by the broker
        ("decision.expire", DecisionStatus.AWAITING_APPROVAL): "approval.expired",
        ("agent.trading_state_set", "active"): "risk.safe-mode.entered",
        ("agent.trading_state_set", "reducing"): "risk.safe-mode.left",
    }
)
_LIMIT_OF_REASON = MappingProxyType(
    {
        "max_positions_reached": "max_positions",
        "position_too_large": "max_position_percent",
        "exposure_limit_exceeded": "max_exposure_percent",
        "position_risk_exceeded": "max_position_risk_percent",
        "open_risk_exceeded": "max_open_risk_percent",
        "daily_loss_limit": "max_daily_loss_percent",
    }
)


def public_type(log_type: str, payload: Mapping[str, Any]) -> str | None:
    """Return the type a log row is published as; None for what stays inside."""
    if log_type == "decision.deny":
        return "risk.limit.breached" if payload.get("reason") in _LIMIT_OF_REASON else None
    if log_type == "order.fill" and payload.get("to") != OrderStatus.FILLED:
        return None
    return _FROM.get((log_type, payload.get("from", ""))) or _ALWAYS.get(log_type)


def cloud_event(row: LogRow, *, source: str) -> dict[str, Any]:
    """Return a published row as a CloudEvents 1.0 JSON object; the same for the same row, always.

    Args:
        source: the URI of this installation.

    Raises:
        ValueError: the row is not one that is published, or lacks a fact.
    """
    name = public_type(row.type, row.payload)
    if name is None:
        raise ValueError(f"type: was {row.type}, expected one that is published")
    spec = CATALOG[name]
    facts = _facts(row)
    event: dict[str, Any] = {
        "specversion": "1.0",
        "id": str(row.id),
        "source": source,
        "type": name,
        "subject": f"{row.aggregate_type}/{row.aggregate_id}",
        "time": row.occurred_at.isoformat(),
        "datacontenttype": "application/json",
        "dataschema": spec.dataschema,
        "aggregatetype": row.aggregate_type,
        "aggregateid": row.aggregate_id,
        "sequence": f"{row.public_sequence:0{SEQUENCE_DIGITS}d}",
    }
    if row.cycle_id is not None:
        event["correlationid"] = str(row.cycle_id)
    if row.causation_id:
        event["causationid"] = row.causation_id
    return event | {"data": {field.name: field.value(facts) for field in spec.fields}}


def _facts(row: LogRow) -> dict[str, Any]:
    facts = {"aggregate_id": row.aggregate_id, **row.payload}
    if row.type == "decision.deny":
        facts |= {
            "limit": _LIMIT_OF_REASON[row.payload["reason"]],
            "scope": "order",
            "decision_id": row.aggregate_id,
        }
    if row.aggregate_type == "saga":
        facts[LATE] = row.type == f"saga.{LATE}"
    return facts
