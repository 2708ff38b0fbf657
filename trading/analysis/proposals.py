"""Trades proposed by other services and by people: judged like a model's answer, then decisions of an execution cycle.

A proposal is stored first and taken up by the next execution cycle, which fetches its price and sends it the way of
every decision: mode, approval, switch, gate. What has waited too long is never traded late.
"""

import json
from collections.abc import Sequence
from datetime import timedelta
from typing import NamedTuple
from uuid import UUID

import structlog
from django.db.models import Q, QuerySet
from django.utils import timezone

from ai.domain.answer import parse_answer
from ai.domain.text import LONGEST_MODEL_NAME
from ai.domain.types import Action, Proposal
from risk.services import switch
from trading.analysis import strategies
from trading.analysis.decision_outcomes import apply_proposal, not_traded
from trading.analysis.model_questions import Scene
from trading.core import settings
from trading.core.providers import current_providers
from trading.core.statements.exist_together import exist_together
from trading.core.statements.message import Message
from trading.cycle import cycles
from trading.domain.ages import SLACK
from trading.domain.events.incoming import IncomingEvent
from trading.domain.statuses import DecisionStatus
from trading.errors import BadEventError, CycleRunningError, NotConfiguredError
from trading.market.universe import unknown_symbols
from trading.models import AIDecision, Cycle, Strategy, TradeProposal, UniverseCandidate

log = structlog.get_logger(__name__)
TRIGGER = "proposal"
BY_A_PERSON = "person "  # and the name: the source of what a person proposed, and the model of its decision
MOST_AT_ONCE = 50
PAUSE = timedelta(
    seconds=20
)  # one cycle runs at a time: a stream of proposals must leave the schedule its turns
CLOCK_TOLERANCE = timedelta(seconds=60)
Status = TradeProposal.Status


class Taken(NamedTuple):
    """A proposal and the decision it becomes."""

    proposal: TradeProposal
    decision: AIDecision


def propose(event: IncomingEvent) -> None:
    """Store what an event proposes; call in the transaction that remembers the event.

    Raises:
        BadEventError: it cannot be traded as it stands; names the field, what was given and what was expected.
    """
    if event.source.startswith(BY_A_PERSON):
        raise BadEventError("source", f"was {ascii(event.source)[:80]}, expected no name of a person")
    store(event)


def store(event: IncomingEvent) -> TradeProposal:
    """Store a proposal that has come by whatever way, once; it waits for the next execution cycle.

    Raises:
        BadEventError: as ``propose``.
    """
    now = timezone.now()
    if event.time is None:
        raise BadEventError("time", "was not given, expected when this was decided: it is never traded late")
    if event.time > now + CLOCK_TOLERANCE:
        raise BadEventError("time", f"was {event.time.isoformat()}, expected no time to come")
    proposal = _judged(event)
    strategy = _strategy(event, proposal.symbol)
    expires_at = event.time + timedelta(seconds=settings.seconds("cycle_deadline"))
    row, _ = TradeProposal.objects.get_or_create(
        source=event.source,
        event_id=event.id,
        defaults={
            "symbol": proposal.symbol,
            "action": proposal.action,
            "confidence": proposal.confidence,
            "reasoning": proposal.reasoning,
            "strategy": strategy,
            "proposed_at": event.time,
            "expires_at": expires_at,
        },
    )
    return row


def _judged(event: IncomingEvent) -> Proposal:
    """Judge it by the rules for a model's answer about one symbol the broker lists."""
    symbol = event.data.get("symbol")
    if not isinstance(symbol, str):
        raise BadEventError("data.symbol", "was not given, expected a symbol the broker lists")
    problem = unknown_symbols([symbol[:64]]).get(symbol[:64])
    if problem is not None:
        raise BadEventError("data.symbol", f"was {symbol[:64]!r}, {problem}")
    if UniverseCandidate.objects.filter(symbol=symbol, status=UniverseCandidate.Status.REJECTED).exists():
        raise BadEventError(
            "data.symbol", f"{symbol} is rejected for the universe, expected to approve it first"
        )
    answer = parse_answer(json.dumps({"decisions": [dict(event.data)]}), [symbol])
    if symbol not in answer.proposals:
        raise BadEventError("data", "; ".join(line.detail for line in answer.problems) or "is no decision")
    return answer.proposals[symbol]


def _strategy(event: IncomingEvent, symbol: str) -> Strategy:
    name = event.data.get("strategy")
    active = {strategy.name: strategy for strategy in Strategy.objects.trading()}
    strategy = active.get(name) if isinstance(name, str) else None
    if strategy is None:
        known = ", ".join(sorted(active)) or "none is active"
        raise BadEventError("data.strategy", f"was {ascii(name)[:80]}, expected one that trades: {known}")
    if not strategies.symbols_of(strategy, [symbol]):
        raise BadEventError("data.strategy", f"{strategy.name} does not look at {symbol}")
    return strategy


def start_waiting(*, started_by: str = "consume_events", after: Message | None = None) -> Cycle | None:
    """Start an execution cycle for the proposals that wait; None where none waits or none can run now.

    The caller puts the cycle to work. One that is running already is waited for: call again.

    Args:
        after: what the caller says beside, with the question whether any waits.
    """
    (is_any,) = exist_together(TradeProposal.objects.filter(status=Status.WAITING), after=after)
    if not is_any:  # as nearly always, once a second
        return None
    _settle_what_cannot_trade()
    symbols = list(_waiting().values_list("symbol", flat=True)[:MOST_AT_ONCE])
    now = timezone.now()
    recent = Cycle.objects.filter(trigger=TRIGGER, started_at__gt=now - PAUSE, started_at__lte=now + SLACK)
    if not symbols or recent.exists():
        return None
    try:
        current_providers()
        return cycles.start_cycle(
            cycle_type=Cycle.Type.EXECUTION,
            trigger=TRIGGER,
            started_by=started_by,
            symbols=list(dict.fromkeys(symbols)),
        )
    except (CycleRunningError, NotConfiguredError) as reason:
        log.info("proposals_wait", count=len(symbols), reason=str(reason))
        return None


def _settle_what_cannot_trade() -> None:
    waiting = TradeProposal.objects.filter(status=Status.WAITING)
    now = timezone.now()
    late = waiting.filter(Q(expires_at__lte=now) | Q(proposed_at__gt=now + CLOCK_TOLERANCE))
    late.update(status=Status.EXPIRED, reason="no cycle could take it up in time")
    waiting.filter(strategy__is_shadow=True).update(status=Status.EXPIRED, reason="its strategy is a shadow")
    if switch.is_engaged():
        waiting.update(status=Status.EXPIRED, reason="kill_switch")


def decisions_for(scene: Scene) -> list[Taken]:
    """Return unsaved decisions for the proposals that wait and whose symbols the cycle has fetched.

    Of two for the same strategy and symbol the older is taken, the other by the next cycle.
    """
    found: dict[tuple[UUID, str], Taken] = {}
    for waiting in _waiting().filter(symbol__in=scene.cycle.symbols)[:MOST_AT_ONCE]:
        key = (waiting.strategy_id, waiting.symbol)
        if key not in found:
            found[key] = Taken(waiting, _decision(waiting, scene))
    return list(found.values())


def _decision(waiting: TradeProposal, scene: Scene) -> AIDecision:
    strategies.keep_version(waiting.strategy)
    row = AIDecision(
        cycle=scene.cycle,
        strategy=waiting.strategy,
        strategy_version=waiting.strategy.version,
        symbol=waiting.symbol,
        model=_origin(waiting)[:LONGEST_MODEL_NAME],
        as_of=scene.now,
    )
    if waiting.symbol in scene.snapshots:
        snapshot = scene.snapshots[waiting.symbol]
        row.price, row.price_warning = snapshot.price, snapshot.warning
    said = Proposal(waiting.symbol, Action(waiting.action), waiting.confidence, waiting.reasoning)
    apply_proposal(row, said, scene=scene)
    skip = scene.skips.get(waiting.symbol)
    if skip is not None and row.status == DecisionStatus.PENDING:
        not_traded(row, DecisionStatus.SKIPPED, skip)
    return row


def _origin(waiting: TradeProposal) -> str:
    is_by_a_person = waiting.source.startswith(BY_A_PERSON)
    return waiting.source if is_by_a_person else f"external {waiting.source}"


def mark_taken(taken: Sequence[Taken]) -> None:
    """Tie stored decisions to their proposals; call in the transaction that stores them.

    Raises:
        RuntimeError: another process took one up; the transaction must roll back.
    """
    for waiting, decision in taken:
        still = TradeProposal.objects.filter(pk=waiting.pk, status=Status.WAITING)
        if not still.update(status=Status.TAKEN, decision=decision):
            raise RuntimeError(f"proposal {waiting.pk} was taken up elsewhere")


def _waiting() -> "QuerySet[TradeProposal]":
    now = timezone.now()
    in_time = {"expires_at__gt": now, "proposed_at__lte": now + CLOCK_TOLERANCE}
    waiting = TradeProposal.objects.filter(status=Status.WAITING, strategy__is_shadow=False, **in_time)
    return waiting.select_related("strategy").order_by("received_at", "id")
