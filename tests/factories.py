"""The smallest valid rows, for tests: ``make_order(status="filled")`` writes one and returns it.

What a row needs (a cycle for a decision, a decision for an order) is made when it is not given. Statuses
are set directly here, without events: tests of transitions start from ``transitions.record_created``.
Two calls never collide: what must be unique carries a counter.
"""

import itertools
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.contrib.auth.models import Group, User
from django.utils import timezone
from uuid6 import uuid7

from ai.models import ModelCall
from evaluation.models import EvaluationRecord, Experiment, Outcome, ReplayItem, Run
from risk.models import KillSwitch, RiskCheck, RiskLimits, RiskReservation, TrustCurve
from trading.domain.guards.rules import ALL_OFF
from trading.domain.order_ids import Purpose, client_order_id
from trading.domain.runtime_settings import NUMBERS
from trading.domain.statuses import OPEN_CYCLE, CycleStage
from trading.execution.sync_sequence import take_place
from trading.models import (
    AccountActivity,
    AgentStatus,
    AIDecision,
    Approval,
    Asset,
    CashLine,
    Cycle,
    EquitySnapshot,
    Event,
    Fill,
    Heartbeat,
    Lot,
    MarketSnapshot,
    NoticeMessage,
    Order,
    ParkedEvent,
    Position,
    RoundTrip,
    RuntimeSetting,
    Saga,
    SagaStep,
    Strategy,
    SymbolLock,
    Thesis,
    Trade,
    TradeProposal,
    UniverseCandidate,
)

_numbers = itertools.count(1)
SOURCE = "broker_live"


def make_agent(**overrides: Any) -> AgentStatus:
    """Write the one agent row, or change the columns given."""
    agent, _ = AgentStatus.objects.update_or_create(pk=1, defaults=overrides)
    return agent


def switch_guards_off(*names: str) -> None:
    """Switch guards against churn off, all where none is named, for what trades faster than they let a model."""
    for name, value in ((name, value) for name, value in ALL_OFF.items() if not names or name in names):
        spec = NUMBERS[name]
        RuntimeSetting.objects.update_or_create(
            pk=name, defaults={"value": value, "unit": spec.unit, "description": spec.description}
        )


def make_symbol_lock(symbol: str = "AAPL", **overrides: Any) -> SymbolLock:
    """Write a person's lock on a symbol, without an end."""
    return SymbolLock.objects.create(symbol=symbol, **({"reason": "a test", "author": "test"} | overrides))


def make_user(username: str = "", *, group: str = "", **overrides: Any) -> User:
    """Write a staff user, in one of the groups that ``prepare`` makes (viewer, operator, risk officer)."""
    name = username or f"user{next(_numbers)}"
    user = User.objects.create_user(name, password="correct horse", is_staff=True, **overrides)
    if group:
        user.groups.add(Group.objects.get(name=group))
    return user


def make_strategy(**overrides: Any) -> Strategy:
    """Write an active strategy with a name of its own, which buys in fractions: its entries bring no legs along."""
    values = {
        "name": f"Strategy {next(_numbers)}",
        "instructions": "Hold.",
        "is_active": True,
        "allows_fractions": True,
    }
    return Strategy.objects.create(**(values | overrides))


def make_asset(symbol: str = "AAPL", **overrides: Any) -> Asset:
    """Write (or rewrite) an asset; a symbol with a slash is a coin."""
    values = {
        "name": symbol,
        "asset_class": "crypto" if "/" in symbol else "stock",
        "tradable": True,
        "fractionable": True,
        "refreshed_at": timezone.now(),
    }
    asset, _ = Asset.objects.update_or_create(symbol=symbol, defaults=values | overrides)
    return asset


def make_cycle(**overrides: Any) -> Cycle:
    """Write a completed cycle; an open one with ``status="running"`` (one at most may be open).

    Args:
        errors: events to write with it, each an error's payload.
    """
    now = timezone.now()
    errors = overrides.pop("errors", ())
    values: dict[str, Any] = {
        "status": "completed",
        "trigger": "test",
        "mode": "autonomous",
        "symbols": ["AAPL"],
        "started_at": now,
        "stage_at": now,
        "deadline_at": now + timedelta(seconds=180),
    } | overrides
    if values["status"] not in OPEN_CYCLE:
        ended = {"stage": CycleStage.ENDED, "ended_at": values["started_at"] + timedelta(seconds=5)}
        values = ended | values
    if values["status"] in ("failed", "aborted"):
        values.setdefault("reason", "deadline")
    cycle = Cycle.objects.create(**values)
    for number, payload in enumerate(errors, 1):
        make_event(
            aggregate_id=str(cycle.pk),
            cycle_id=cycle.pk,
            sequence=number,
            type="cycle.error",
            payload=payload,
        )
    return cycle


def make_snapshot(**overrides: Any) -> MarketSnapshot:
    """Write one symbol's price as a cycle saw it: plausible, for yesterday's close was the same."""
    now = timezone.now()
    values = {
        "symbol": "AAPL",
        "price": Decimal(100),
        "source": "alpaca",
        "quoted_at": now,
        "fetched_at": now,
    }
    values |= overrides
    values.setdefault("previous_close", values["price"])
    values.setdefault("cycle", None)
    values["cycle"] = values["cycle"] or make_cycle()
    return MarketSnapshot.objects.create(**values)


def make_decision(**overrides: Any) -> AIDecision:
    """Write a pending decision to buy AAPL; one that did not trade gets a reason."""
    values: dict[str, Any] = {
        "symbol": "AAPL",
        "action": "buy",
        "confidence": Decimal("0.8"),
        "price": Decimal(100),
        "status": "pending",
    } | overrides
    values["cycle"] = values.get("cycle") or make_cycle()
    values["strategy"] = values.get("strategy") or make_strategy()
    if values["status"] in ("skipped", "stored", "denied", "rejected", "expired", "failed", "held"):
        values.setdefault("reason", "test_reason")
    return AIDecision.objects.create(**values)


def make_reservation(**overrides: Any) -> RiskReservation:
    """Write a counting reservation for an entry of 100 USD."""
    values = {
        "cycle_id": uuid7(),
        "decision_id": uuid7(),
        "symbol": "AAPL",
        "side": "buy",
        "quantity": Decimal(1),
        "notional": Decimal(100),
    }
    return RiskReservation.objects.create(**(values | overrides))


def make_risk_check(**overrides: Any) -> RiskCheck:
    """Write an answer of the gate: allowed; denied when a reason is given."""
    values = {
        "cycle_id": uuid7(),
        "decision_id": uuid7(),
        "symbol": "AAPL",
        "reducing": False,
        "allowed": "reason" not in overrides,
        "quantity": Decimal(1),
        "notional": Decimal(100),
        "figures": {},
    }
    return RiskCheck.objects.create(**(values | overrides))


def make_limits(**overrides: Any) -> RiskLimits:
    """Write a version of the limits, the next one unless ``version`` is given."""
    newest = RiskLimits.objects.first()
    values = {
        "version": newest.version + 1 if newest else 1,
        "max_position_percent": Decimal(10),
        "max_exposure_percent": Decimal(50),
        "max_positions": 15,
        "max_daily_loss_percent": Decimal(5),
        "author": "test",
    }
    return RiskLimits.objects.create(**(values | overrides))


def make_trust_curve(**overrides: Any) -> TrustCurve:
    """Write a curve of any strategy and prompt of one model, valid for a day of wall time."""
    values = {
        "model": "local/analyst",
        "label_spec": "excess-5s-v1",
        "knots": [["0.7", "0.6", "0.52", "100"], ["0.9", "0.7", "0.58", "50"]],
        "break_even": Decimal("0.5"),
        "reference": Decimal("0.6"),
        "valid_until": timezone.now() + timedelta(days=1),
        "author": "test",
    }
    return TrustCurve.objects.create(**(values | overrides))


def make_order(**overrides: Any) -> Order:
    """Write an order in status created, with its decision unless it is external or a flatten."""
    values: dict[str, Any] = {
        "symbol": "AAPL",
        "side": "buy",
        "purpose": Purpose.ENTRY,
        "quantity": Decimal(1),
        "reference_price": Decimal(100),
        "time_in_force": "day",
        "status": "created",
    } | overrides
    decision = values.get("decision")
    if decision is None and values["purpose"] not in (Purpose.EXTERNAL, Purpose.FLATTEN):
        decision = values["decision"] = make_decision(symbol=values["symbol"], action=values["side"])
    values.setdefault("cycle_id", decision.cycle_id if decision else None)
    base: UUID = decision.pk if decision else uuid7()
    values.setdefault("client_order_id", client_order_id(base, values["purpose"]))
    return Order.objects.create(**values)


def make_fill(**overrides: Any) -> Fill:
    """Write one execution of an order."""
    values = {"execution_id": f"execution-{next(_numbers)}", "executed_at": timezone.now()} | overrides
    order = values["order"] = values.get("order") or make_order()
    of_order = {
        "cycle_id": order.cycle_id,
        "symbol": order.symbol,
        "side": order.side,
        "quantity": order.quantity or Decimal(1),
        "price": order.reference_price or Decimal(100),
    }
    return Fill.objects.create(**(of_order | values))


def make_trade(**overrides: Any) -> Trade:
    """Write the trade of a filled order."""
    values = {"traded_at": timezone.now()} | overrides
    values.setdefault("booked_at", values["traded_at"])
    order = values["order"] = values.get("order") or make_order(status="filled")
    of_order = {
        "decision": order.decision,
        "cycle_id": order.cycle_id,
        "symbol": order.symbol,
        "side": order.side,
        "quantity": order.quantity or Decimal(1),
        "price": order.reference_price or Decimal(100),
    }
    decision = values.get("decision", order.decision)
    values.setdefault("decision_price", decision.price if decision else None)
    return Trade.objects.create(**(of_order | values))


def make_thesis(**overrides: Any) -> Thesis:
    """Write the open thesis of an entry that filled at 100 USD: stop 95, target 110, ten sessions."""
    order = overrides.pop("order", None) or make_order(status="filled")
    values = {
        "order": order,
        "decision": order.decision,
        "strategy": order.decision.strategy,
        "symbol": order.symbol,
        "entry_price": Decimal(100),
        "stop_price": Decimal(95),
        "stop_percent": Decimal(5),
        "target_price": Decimal(110),
        "target_percent": Decimal(10),
        "horizon_sessions": 10,
        "reasoning": "A dip in a rising trend.",
        "opened_at": timezone.now(),
    }
    return Thesis.objects.create(**(values | overrides))


def make_position(symbol: str = "AAPL", **overrides: Any) -> Position:
    """Write an open position of one share at 100 USD, without profit."""
    now = timezone.now()
    values = {
        "asset_class": "crypto" if "/" in symbol else "stock",
        "quantity": Decimal(1),
        "average_entry_price": Decimal(100),
        "market_value": Decimal(100),
        "unrealised_pnl": Decimal(0),
        "source": SOURCE,
        "opened_at": now,
        "synced_at": now,
    } | overrides
    values.setdefault("quantity_available", values["quantity"])
    return Position.objects.create(symbol=symbol, **values)


def make_equity(**overrides: Any) -> EquitySnapshot:
    """Write the account's money as just read: 100,000 USD, all of it cash."""
    values = {
        "equity": Decimal(100_000),
        "session_start_equity": Decimal(100_000),
        "cash": Decimal(100_000),
        "buying_power": Decimal(100_000),
        "market_time": timezone.now(),
        "source": SOURCE,
        "sync_sequence": take_place(),
    }
    created_at = overrides.pop("created_at", None)
    snapshot = EquitySnapshot.objects.create(**(values | overrides))
    if created_at is not None:  # the column fills itself in at the insert
        EquitySnapshot.objects.filter(pk=snapshot.pk).update(created_at=created_at)
        snapshot.refresh_from_db()
    return snapshot


def make_lot(**overrides: Any) -> Lot:
    """Write the open lot of one execution."""
    number = next(_numbers)
    order = overrides.get("order") or make_order(status="filled")
    values = {
        "id": uuid7(),
        "symbol": order.symbol,
        "number": number,
        "key": f"execution-{number}",
        "side": "long",
        "order": order,
        "decision": order.decision,
        "opened_at": timezone.now(),
        "quantity": Decimal(1),
        "price": Decimal(100),
        "remaining": Decimal(1),
        "cost": Decimal(100),
        "fee": Decimal(0),
    }
    return Lot.objects.create(**(values | overrides))


def make_round_trip(**overrides: Any) -> RoundTrip:
    """Write a share bought at 100 and sold at 101 by a model's sell."""
    number = next(_numbers)
    values = {
        "id": uuid7(),
        "symbol": "AAPL",
        "number": number,
        "lot_number": number,
        "key": f"execution-{number}",
        "side": "long",
        "exit_reason": "signal",
        "opened_at": timezone.now() - timedelta(hours=1),
        "closed_at": timezone.now(),
        "quantity": Decimal(1),
        "entry_price": Decimal(100),
        "exit_price": Decimal(101),
        "cost": Decimal(100),
        "proceeds": Decimal(101),
        "fees": Decimal(0),
        "realised_pnl": Decimal(1),
    }
    return RoundTrip.objects.create(**(values | overrides))


def make_activity(**overrides: Any) -> AccountActivity:
    """Write that a share of unknown origin was taken in at 100 USD."""
    values = {
        "key": f"adopted:{next(_numbers)}",
        "kind": "adopted",
        "symbol": "AAPL",
        "quantity": Decimal(1),
        "price": Decimal(100),
        "happened_at": timezone.now(),
        "noted_at": timezone.now(),
    }
    return AccountActivity.objects.create(**(values | overrides))


def make_cash_line(**overrides: Any) -> CashLine:
    """Write a dividend of 2.50 USD that belongs to no lot of ours."""
    values = {
        "kind": "dividend",
        "symbol": "AAPL",
        "amount": Decimal("2.5"),
        "happened_at": timezone.now(),
    } | overrides
    if "activity" not in values:
        values["activity"] = make_activity(
            kind=values["kind"], symbol=values["symbol"], amount=values["amount"]
        )
    return CashLine.objects.create(**values)


def make_saga(*, steps: bool = True, **overrides: Any) -> Saga:
    """Write a running saga of an order, with its four pending steps."""
    now = timezone.now()
    values: dict[str, Any] = {"deadline_at": now + timedelta(seconds=300), "next_poll_at": now} | overrides
    order = values["order"] = values.get("order") or make_order()
    values = {"decision": order.decision, "cycle_id": order.cycle_id} | values
    saga = Saga.objects.create(**values)
    if steps:
        SagaStep.objects.bulk_create(
            SagaStep(saga=saga, name=name, position=n) for n, name in enumerate(SagaStep.Name.values, start=1)
        )
    return saga


def make_approval(**overrides: Any) -> Approval:
    """Write a requested approval of a decision that awaits it, open for ten minutes."""
    values: dict[str, Any] = {"expires_at": timezone.now() + timedelta(minutes=10)} | overrides
    decision = values["decision"] = values.get("decision") or make_decision(status="awaiting_approval")
    return Approval.objects.create(**({"cycle_id": decision.cycle_id} | values))


def make_event(**overrides: Any) -> Event:
    """Write an event of an aggregate of its own."""
    number = next(_numbers)
    values = {
        "aggregate_type": "cycle",
        "aggregate_id": f"aggregate-{number}",
        "sequence": 1,
        "type": "cycle.created",
        "payload": {},
    }
    return Event.objects.create(**(values | overrides))


def make_parked_event(**overrides: Any) -> ParkedEvent:
    """Write a message that could not be taken."""
    values = {
        "consumer": "consume_events",
        "source": "urn:test:outside",
        "event_id": f"parked-{next(_numbers)}",
        "type": "ai-decision.decision.generated",
        "body": "{}",
        "error": "data: was None, expected an object",
    }
    return ParkedEvent.objects.create(**(values | overrides))


def make_notice(**overrides: Any) -> NoticeMessage:
    """Write a message to a person that waits to be sent."""
    now = timezone.now()
    values: dict[str, Any] = {
        "topic": "kill-switch",
        "severity": "failure",
        "title": "kill switch engaged",
        "body": "Engaged by test: drill",
        "made_at": now,
        "expires_at": now + timedelta(hours=1),
        "next_attempt_at": now,
    }
    return NoticeMessage.objects.create(**(values | overrides))


def make_proposal(**overrides: Any) -> TradeProposal:
    """Write a proposal to buy AAPL that waits to be taken up."""
    now = timezone.now()
    values = {
        "source": "urn:test:outside",
        "event_id": f"proposal-{next(_numbers)}",
        "symbol": "AAPL",
        "action": "buy",
        "confidence": Decimal("0.9"),
        "reasoning": "It looks cheap.",
        "proposed_at": now,
        "expires_at": now + timedelta(seconds=180),
    } | overrides
    values["strategy"] = values.get("strategy") or make_strategy()
    return TradeProposal.objects.create(**values)


def make_model_call(**overrides: Any) -> ModelCall:
    """Write a call of the built-in analyst that succeeded."""
    values = {
        "model": "builtin/technical-v1",
        "provider": "built-in technical analyst (not a language model)",
        "prompt_version": "1",
        "prompt_hash": "0" * 64,
        "prompt": [{"role": "user", "content": "AAPL"}],
        "symbols": ["AAPL"],
        "answer": "{}",
        "status": "succeeded",
        "latency_ms": 1,
        "started_at": timezone.now(),
    }
    return ModelCall.objects.create(**(values | overrides))


REPLAYED = {"selection": {"cycle": "0" * 32}, "variation": {"models": ["openai/other"]}, "maxUsd": None}


def make_run(**overrides: Any) -> Run:
    """Write a replay that is done, of one other model."""
    experiment = Experiment.objects.create(
        kind="replay", name="Replay of a cycle", spec=REPLAYED, spec_sha256="0" * 64, author="ann"
    )
    now = timezone.now()
    values = {"experiment": experiment, "status": "completed", "started_at": now, "ended_at": now}
    return Run.objects.create(**(values | overrides))


def make_replay_item(**overrides: Any) -> ReplayItem:
    """Write a decision that would be another, in a run that is made when it is not given."""
    said = {"action": "buy", "confidence": "0.8", "reasoning": "It rises.", "model": "openai/live"}
    verdict = {"allowed": True, "reason": "", "quantity": "3"}
    before = {**said, "status": "executed", "reason": "", "verdict": verdict}
    after = {**said, "action": "hold", "model": "openai/other", "problem": "", "verdict": None}
    values = {
        "run": overrides.get("run") or make_run(),
        "decision_id": uuid7(),
        "model": "openai/other",
        "symbol": "AAPL",
        "as_of": timezone.now(),
        "before": before,
        "after": after,
        "request_hash": "0" * 64,
        "from_cache": False,
        "cost_usd": Decimal("0.0004"),
        "change": ReplayItem.Change.ACTION,
    }
    return ReplayItem.objects.create(**(values | overrides))


def make_outcome(**overrides: Any) -> Outcome:
    """Write what came, five sessions later, of a purchase at 100 USD: 1 % more than the universe; costs are 0.1 %."""
    scene, _ = EvaluationRecord.objects.get_or_create(sha256="0" * 64, defaults={"body": b""})
    now = timezone.now()
    values = {
        "decision_id": uuid7(),
        "cycle_id": uuid7(),
        "as_of": now,
        "session": now.date(),
        "symbol": "AAPL",
        "strategy_id": uuid7(),
        "model": "openai/live",
        "action": "buy",
        "confidence": Decimal("0.8"),
        "price": Decimal(100),
        "is_first": True,
        "scene": scene,
        "label_spec": "excess-5s-v1",
        "horizon": 5,
        "cost": Decimal("0.001"),
        "due_at": now,
        "resolved_at": now,
        "symbol_return": Decimal("0.01"),
        "excess_return": Decimal("0.01"),
        "members": 3,
        "window": "clean",
    }
    return Outcome.objects.create(**(values | overrides))


def make_engagement(**overrides: Any) -> KillSwitch:
    """Write an engagement of the switch in force: the flag alone, without the procedure."""
    values = {"engaged_by": "test", "trigger": "operator", "reason": "a test"}
    return KillSwitch.objects.create(**(values | overrides))


def make_candidate(**overrides: Any) -> UniverseCandidate:
    """Write a proposed universe candidate; a rejected one gets a reason."""
    values: dict[str, Any] = {"symbol": f"AA{next(_numbers) % 10_000}", "source": "test"} | overrides
    if values.get("status") == "rejected":
        values.setdefault("answer_reason", "test reason")
    return UniverseCandidate.objects.create(**values)


def make_heartbeat(process: str = "sweeper", **overrides: Any) -> Heartbeat:
    """Write (or renew) a process's heartbeat."""
    beat, _ = Heartbeat.objects.update_or_create(
        process=process, defaults={"beaten_at": timezone.now()} | overrides
    )
    return beat
