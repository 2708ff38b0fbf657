"""Claimed decisions before the gate: judged in a stated order under the book's lock, and what passes is committed.

One decision is a batch of one: there are no other rules for it.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import structlog
from django.db import InterfaceError, OperationalError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from risk.domain.reasons import DenyReason
from risk.domain.trust import TrustCurve
from risk.models import RiskReservation
from risk.services import book as risk_book
from risk.services import locks
from risk.services.book import Judgement, Wish
from trading.core import settings, transitions
from trading.core.statements.message import Message
from trading.core.statements.new_rows import new
from trading.core.trace_spans import span
from trading.core.transitions import Move
from trading.domain.ages import is_fresh
from trading.domain.guards.facts import Fall
from trading.domain.order_ids import Purpose, client_order_id
from trading.domain.statuses import DecisionStatus
from trading.domain.symbols import is_coin
from trading.errors import SettingError
from trading.execution import gate_inputs
from trading.execution.gate_ground import read_ground
from trading.execution.gate_inputs import AccountBook, Priced, Standing
from trading.execution.saga_steps import steps_of
from trading.execution.trade_booking import held_unit_costs
from trading.guards.standing import NO_GUARDS, Guards, read_fall, read_guards
from trading.market.price_facts import latest_snapshots
from trading.models import AIDecision, Approval, Asset, Event, Order, Saga
from trading.protection.entry_exits import exit_orders

log = structlog.get_logger(__name__)
MESSAGE_GRACE = timedelta(seconds=10)  # the message that lets the order out is lost, or late, after that
CHUNK = 20  # judged under one hold of the lock: a sale of everything waits for no more
DETAIL = 500  # characters of ai_decisions.reason_detail
# What the intent alone is denied for, whatever the book holds: no lock is needed to say so.
OWN_FACTS = frozenset(
    {
        DenyReason.LOW_CONFIDENCE,
        DenyReason.MARKET_CLOSED,
        DenyReason.UNKNOWN_ASSET,
        DenyReason.ASSET_NOT_TRADABLE,
        DenyReason.NO_PRICE,
        DenyReason.STALE_PRICE,
    }
)


@dataclass(frozen=True, slots=True)
class _Beforehand:
    """What is read once for a batch and before the lock, for it takes long or changes seldom.

    Args:
        standing: as it was before the batch: by it prices are looked for.
        fall: how far equity fell, for the guard.
        curves: the trust curves in force.
    """

    standing: Standing
    fall: Fall | None
    curves: tuple[TrustCurve, ...]


@dataclass(frozen=True, slots=True)
class _Passed:
    """A decision that the gate let through, with the rows that are committed for it."""

    decision: AIDecision
    order: Order
    saga: Saga
    figures: Mapping[str, str]


def stated_order(decision: AIDecision) -> tuple[bool, Decimal, str, UUID]:
    """Return the key by which decisions take their turn: exits, then the surest, then by symbol, then the older."""
    return turn_of(decision.action, decision.confidence, decision.symbol, decision.pk)


def turn_of(action: str, confidence: Decimal, symbol: str, pk: UUID) -> tuple[bool, Decimal, str, UUID]:
    """Return the same key of a decision that may be no row."""
    return action != AIDecision.Action.SELL, -confidence, symbol, pk


def pass_gate(
    decisions: Sequence[AIDecision],
    standing: Standing,
    soon: Callable[[list[Saga]], None] | None = None,
) -> list[Saga]:
    """Judge claimed decisions in the stated order; return the sagas of those that passed, in that order.

    With ``soon`` those of one chunk are given to it before the next is judged, and what is returned is the last one's.

    What is unexpected of one decision takes no other with it: that one stays claimed, for the sweeper to find. Of a
    single decision it is raised, but for a setting that it needs and that cannot be read.

    Args:
        standing: as the caller has just read it; what is judged by is read anew.
    """
    left = sorted(decisions, key=stated_order)
    before = _read_beforehand(standing)
    if len(left) == 1:
        return _judge_readable(left, before)
    try:
        left = _without_the_hopeless(left, before)
    except (OperationalError, InterfaceError):
        raise
    except Exception:
        log.exception("batch_judged_in_full", decisions=len(left))
    passed: list[Saga] = []
    for start in range(0, len(left), CHUNK):
        if soon is not None and passed:
            soon(passed)
            passed = []
        passed += _judge_together(left[start : start + CHUNK], before)
    return passed


def _read_beforehand(standing: Standing) -> _Beforehand:
    fall = read_fall(standing.values, standing.market)
    return _Beforehand(standing, fall, gate_inputs.read_curves(standing.values))


def _judge_together(chunk: Sequence[AIDecision], before: _Beforehand) -> list[Saga]:
    try:
        return _judge(chunk, before)
    except (OperationalError, InterfaceError):
        raise
    except Exception:
        log.exception("batch_judged_one_by_one", decisions=len(chunk))
    return [saga for decision in chunk for saga in _judge_alone(decision, before)]


def _judge_alone(decision: AIDecision, before: _Beforehand) -> list[Saga]:
    try:
        return _judge_readable([decision], before)
    except (OperationalError, InterfaceError):
        raise
    except Exception:
        log.exception("execution_failed", decision_id=str(decision.pk))
        return []


def _judge_readable(decisions: Sequence[AIDecision], before: _Beforehand) -> list[Saga]:
    try:
        return _judge(decisions, before)
    except SettingError as error:
        hold_back(decisions, error)
        return []


def hold_back(decisions: Sequence[AIDecision], error: SettingError) -> None:
    """Say of claimed decisions that a setting which cannot be read keeps them from going on; each stays claimed.

    They are taken up again when their lease has run out: it may be put right by then, or their cycle is over.
    """
    log.error("decisions_held", decisions=[str(decision.pk) for decision in decisions], reason=str(error))
    with transaction.atomic():
        mine = _mine(decisions, _still_claimed(decisions))
        for decision in decisions:
            if decision.pk in mine:
                transitions.append_event(
                    aggregate_type="decision",
                    aggregate_id=str(decision.pk),
                    event_type="decision.held",
                    payload={
                        **transitions.identity_of(decision),
                        "reason": "setting_unreadable",
                        "detail": str(error),
                    },
                    cycle_id=decision.cycle_id,
                )


def _without_the_hopeless(decisions: Sequence[AIDecision], before: _Beforehand) -> list[AIDecision]:
    """Deny those that fail on facts of their own, all at once; return the rest, which the book decides about.

    They reserve nothing, so they need no turn and no lock.
    """
    asked = {decision.pk: decision for decision in decisions if not decision.approved}
    symbols = {decision.symbol for decision in asked.values()}
    ground = read_ground(symbols)
    account, standing = ground.account, ground.standing
    snapshots = latest_snapshots(symbols, standing.agent, standing.values)
    priced = {symbol: Priced(snapshots.get(symbol)) for symbol in symbols}
    with transaction.atomic():
        mine = _mine(list(asked.values()), _still_claimed(list(asked.values())))
        # What guards say comes after facts of its own.
        read = (standing, NO_GUARDS, account, ground.assets, before.curves)
        wishes = [wish_of(asked[pk], priced[asked[pk].symbol], *read) for pk in mine]
        answers = risk_book.denials_of(wishes, book=account.book, only=OWN_FACTS, current=ground.limits)
        denied = {answer.check.decision_id: answer for answer in answers}
        checks = Message()
        checks.insert([answer.check for answer in answers])
        transitions.apply_all([_denial(asked[pk], answer) for pk, answer in denied.items()], after=checks)
    return [decision for decision in decisions if decision.pk not in denied]


def _judge(decisions: Sequence[AIDecision], before: _Beforehand) -> list[Saga]:
    """Judge and reserve under the book's lock; commit the orders with them. Return the sagas, in order.

    The lock may have been waited for: the book, the switch, the mode, the settings and the claims are read after it.
    """
    symbols = {decision.symbol for decision in decisions}
    with span("gate", symbol=", ".join(sorted(symbols))):
        priced = gate_inputs.read_priced(symbols, before.standing)
        with transaction.atomic():
            waiting, claimed = Message(), _still_claimed(decisions)
            waiting.add(*locks.WAIT_FOR_BOOK)
            ground = read_ground(symbols, after=waiting, beside={"claimed": claimed})
            account, standing = ground.account, ground.standing
            guards = read_guards(standing.values, standing.market, before.fall, ground.locks)
            book = replace(account.book, entry_rates=guards.rates)
            mine = _mine(decisions, ground.beside["claimed"])
            decisions = [decision for decision in decisions if decision.pk in mine]
            expired = list(expired_answers(decisions, standing.now))
            gone = {move.row.pk for move in expired}
            left = [decision for decision in decisions if decision.pk not in gone]
            read = (standing, guards, account, ground.assets, before.curves)
            wishes = [wish_of(each, priced[each.symbol], *read) for each in left]
            judgements = risk_book.judge_all(wishes, book=book, current=ground.limits)
            judged = Message()
            judged.insert([judgement.check for judgement in judgements])
            judged.insert(risk_book.reserved_by(judgements))
            prices = [wish.intent.price for wish in wishes]
            passed = list(_passed(left, judgements, prices, standing))
            moves = [_answered(decision, said) for decision, said in zip(left, judgements, strict=True)]
            transitions.apply_all([*expired, *moves], after=judged)
            _store(passed, account)
    return [each.saga for each in passed]


def _still_claimed(decisions: Sequence[AIDecision]) -> QuerySet[AIDecision]:
    """Return the query that locks the decisions' rows as far as they are claimed; read it in a transaction."""
    rows = AIDecision.objects.filter(
        pk__in=[decision.pk for decision in decisions],
        status=DecisionStatus.CLAIMED,
        strategy__is_shadow=False,  # it may have ceased to trade while the book's lock was waited for
    ).select_for_update(no_key=True, of=("self",))
    return rows.order_by("pk").only("pk", "lease_until")


def _mine(decisions: Sequence[AIDecision], claimed: Iterable[AIDecision]) -> list[UUID]:
    """Return those whose claim is still the one that they were read with, in their order."""
    leases = {row.pk: row.lease_until for row in claimed}
    return [decision.pk for decision in decisions if leases.get(decision.pk) == decision.lease_until]


def expired_answers(decisions: Sequence[AIDecision], now: datetime) -> Iterator[Move]:
    """Return how those expire that a person approved for a moment that is over, however they were kept from an order.

    An answer of the future is as void as an old one: a clock was set, and nobody knows how old it is.
    """
    approved = [decision for decision in decisions if decision.approved]
    if not approved:
        return
    granted = Approval.objects.filter(decision__in=approved, status=Approval.Status.GRANTED)
    answered = dict(granted.values_list("decision_id", "answered_at"))
    valid = timedelta(seconds=settings.seconds("approval_valid"))
    for decision in approved:
        answered_at = answered.get(decision.pk)
        if not is_fresh(answered_at, now, valid):
            said = (
                f"approved at {answered_at:%Y-%m-%d %H:%M:%S} UTC"
                if answered_at
                else "no answer is on record"
            )
            detail = f"{said}, not carried out within {valid.total_seconds():.0f} s"
            yield settled(decision, "expire", reason="approval_expired", detail=detail)


def wish_of(
    decision: AIDecision,
    priced: Priced,
    standing: Standing,
    guards: Guards,
    account: AccountBook,
    assets: Mapping[str, Asset],
    curves: tuple[TrustCurve, ...],
) -> Wish:
    """Return what a decision asks the gate for, of what has been read."""
    return Wish(
        intent=gate_inputs.intent_of(decision, priced, standing, assets.get(decision.symbol), guards),
        held_quantity=account.held(decision.symbol),
        decision_id=decision.pk,
        cycle_id=decision.cycle_id,
        own=gate_inputs.own_limits(decision.strategy),
        trust=gate_inputs.trust_of(decision, standing, curves),
    )


def _answered(decision: AIDecision, judgement: Judgement) -> Move:
    if judgement.reservation is None:
        return _denial(decision, judgement)
    return Move(decision, "pass", {"risk_check": judgement.check})


def _denial(decision: AIDecision, judgement: Judgement) -> Move:
    said = judgement.verdict.detail[:DETAIL]
    return settled(decision, "deny", reason=judgement.check.reason, detail=said, risk_check=judgement.check)


def settled(decision: AIDecision, event: str, *, reason: str, detail: str = "", **columns: Any) -> Move:
    """Return the move of a decision that trades nothing, with its reason."""
    changes = {"reason": reason, "reason_detail": detail, "settled_at": timezone.now(), **columns}
    return Move(decision, event, changes, {"reason": reason, "symbol": decision.symbol})


def _passed(
    decisions: Sequence[AIDecision],
    judgements: Sequence[Judgement],
    prices: Sequence[Decimal | None],
    standing: Standing,
) -> Iterator[_Passed]:
    """Yield what is committed for those that passed, not stored yet."""
    deadline_at = standing.now + timedelta(seconds=float(standing.values["saga_timeout"]))
    for decision, judgement, price in zip(decisions, judgements, prices, strict=True):
        if judgement.reservation is None:
            continue
        order = _order(decision, judgement.reservation, price)
        saga = Saga(
            decision=decision,
            order=order,
            cycle_id=decision.cycle_id,
            deadline_at=deadline_at,
            next_poll_at=standing.now + MESSAGE_GRACE,
        )
        yield _Passed(decision, order, saga, judgement.check.figures)


def _order(decision: AIDecision, reservation: RiskReservation, price: Decimal | None) -> Order:
    purpose = Purpose.EXIT if decision.action == AIDecision.Action.SELL else Purpose.ENTRY
    attached = exit_orders(decision, reservation.quantity, price) if purpose == Purpose.ENTRY else {}
    return new(
        Order,
        client_order_id=client_order_id(decision.pk, purpose),
        decision_id=decision.pk,
        reservation_id=reservation.pk,
        cycle_id=decision.cycle_id,
        symbol=decision.symbol,
        side=reservation.side,
        purpose=purpose,
        quantity=reservation.quantity,
        reference_price=price,
        **({"time_in_force": "gtc" if is_coin(decision.symbol) else "day"} | dict(attached)),
    )


def _store(passed: Sequence[_Passed], account: AccountBook) -> None:
    """Insert orders, sagas and their steps, each with its first event."""
    if not passed:
        return
    sold = [account.positions[each.order.symbol] for each in passed if each.order.purpose == Purpose.EXIT]
    costs = held_unit_costs(sold)
    entry_prices = {position.symbol: position.average_entry_price for position in sold}
    message = Message()
    message.insert([each.order for each in passed])
    message.insert([each.saga for each in passed])
    steps = [
        step
        for each in passed
        for step in steps_of(
            each.saga,
            risk_figures=dict(each.figures),
            entry_price=entry_prices.get(each.order.symbol),
            unit_cost=costs.get(each.order.symbol),
        )
    ]
    message.insert(steps)
    message.insert([event for each in passed for event in _first_events(each)])
    message.say()


def _first_events(passed: _Passed) -> Iterator[Event]:
    order = passed.order
    price = str(order.reference_price)
    facts = {"symbol": order.symbol, "side": order.side, "quantity": str(order.quantity), "price": price}
    yield transitions.first_event(order, **facts)
    yield transitions.first_event(passed.saga, order_id=str(order.pk), symbol=order.symbol)
