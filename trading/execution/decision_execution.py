"""A decision's way to an order: claim it, judge it, and commit order and saga before anything leaves."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import F, Q
from django.utils import timezone

from trading.core import settings, transitions
from trading.core.statements.together import read_together
from trading.core.transitions import Move
from trading.core.waits import is_over
from trading.domain.ages import in_force
from trading.domain.statuses import CycleStatus, DecisionStatus
from trading.errors import SettingError
from trading.execution import approval_requests, gate_inputs
from trading.execution.gate_ground import standing_selects
from trading.execution.gate_inputs import Standing
from trading.execution.gate_passage import expired_answers, hold_back, pass_gate, settled, stated_order
from trading.models import AgentStatus, AIDecision, Cycle, Mode, Saga

CLAIM_LEASE = timedelta(seconds=45)
# What is large in a call's row; the gate asks which prompt and which model answered.
WORDS_OF_A_CALL = ("model_call__prompt", "model_call__answer", "model_call__symbols", "model_call__params")
SHADOW, CEASED = "shadow_strategy", "its strategy is a shadow: it decides and never trades"


def execute_decision(decision_id: UUID) -> UUID | None:
    """Take a decision that wants to trade as far as its saga; return the saga that now has to advance.

    Safe to call twice, at the same time, or after a crash in any line: the claim is a conditional
    update under a lease, and order, reservation and saga are committed together or not at all.

    Returns:
        None when nothing follows: somebody else has it, or it was denied, stored or put before a person.
    """
    under_way = Saga.objects.open().filter(decision_id=decision_id).values_list("pk", flat=True)
    if (saga_id := under_way.first()) is not None:  # as most are, for they were judged in a batch
        return saga_id
    claimed = _claim([decision_id])
    if not claimed:
        return under_way.first()  # somebody else may have been as far meanwhile
    sagas = _carry_out(claimed)
    return sagas[0].pk if sagas else None


def waiting_decisions(cycle_id: UUID) -> list[UUID]:
    """Return the decisions of a cycle that want to trade and that nobody has; in an execution cycle those that a
    person has approved as well, of whatever cycle.
    """
    died = is_over("lease_until", timezone.now(), CLAIM_LEASE)
    free = Q(status=DecisionStatus.PENDING) | Q(died, status=DecisionStatus.CLAIMED)
    is_execution = Cycle.objects.filter(pk=cycle_id, cycle_type=Cycle.Type.EXECUTION)
    read = read_together(
        {
            "waiting": AIDecision.objects.filter(free, cycle_id=cycle_id).only("pk"),
            "is_execution": is_execution.only("pk"),
        }
    )
    waiting = [decision.pk for decision in read["waiting"]]
    if not read["is_execution"]:
        return waiting
    approved = AIDecision.objects.approved_pending().values_list("pk", flat=True)
    return list(dict.fromkeys([*approved, *waiting]))


def execute_batch(
    decision_ids: Sequence[UUID], soon: Callable[[list[Saga]], None] | None = None
) -> list[Saga]:
    """Do the same for many decisions together, in the stated order: exits, then the surest, then by symbol.

    The rows, events and reasons are those of as many calls of ``execute_decision`` one after the other. A decision
    that something unexpected happens to stays claimed, and is judged alone when its lease has run out.

    Args:
        soon: is given sagas that may advance while others are still judged; these are not returned.

    Returns:
        The sagas that now have to advance, in the order in which their decisions were judged.
    """
    return _carry_out(_claim(decision_ids), soon)


def _claim(decision_ids: Sequence[UUID]) -> list[AIDecision]:
    """Claim those of the decisions that nobody has, under one lease; return them as they stand now."""
    now = timezone.now()
    unsettled = (DecisionStatus.PENDING, DecisionStatus.CLAIMED)
    found = AIDecision.objects.filter(pk__in=decision_ids, status__in=unsettled)
    free = Q(status=DecisionStatus.PENDING) | is_over("lease_until", now, CLAIM_LEASE)
    lease_until = now + CLAIM_LEASE
    changes = {"lease_until": lease_until, "attempts": F("attempts") + 1}
    # The broker is down: it is taken up when the cycle goes on, or expires with it.
    wanted = [
        decision
        for decision in found.select_related("model_call")
        .defer(*WORDS_OF_A_CALL)
        .prefetch_related("cycle", "strategy")
        if decision.approved or decision.cycle.status != CycleStatus.PAUSED
    ]
    taken = transitions.apply_all([Move(decision, "claim", changes) for decision in wanted], where=free)
    claimed = [decision for decision in wanted if decision.pk in taken]
    for decision in claimed:
        decision.status, decision.lease_until = DecisionStatus.CLAIMED, lease_until
    return claimed


def _carry_out(claimed: Sequence[AIDecision], soon: Callable[[list[Saga]], None] | None = None) -> list[Saga]:
    """Settle what is over or wants no order, ask for a person's word where it is needed, and judge the rest."""
    if not claimed:
        return []
    ended, left = _ended(claimed, timezone.now())
    standing = _read_standing()
    asked, judged = _divided(left, standing)
    if standing.agent.mode == Mode.MANUAL:
        stored = {"reason": "mode_manual", "detail": "manual mode: stored for review"}
        ended += [settled(decision, "store", **stored) for decision in asked]
    elif asked:
        _ask(asked, standing)
    transitions.apply_all(ended)
    return pass_gate(judged, standing, soon) if judged else []


def _read_standing() -> Standing:
    read = read_together({"agent": AgentStatus.objects.filter(pk=1), **standing_selects()})
    with settings.read_once(read["settings"]):
        return gate_inputs.read_standing(read["agent"][0])


def _ended(claimed: Sequence[AIDecision], now: datetime) -> tuple[list[Move], list[AIDecision]]:
    """Return how those expire that are over, and the rest, without those of which nobody can tell."""
    shadows = [decision for decision in claimed if decision.strategy.is_shadow]
    claimed = [decision for decision in claimed if not decision.strategy.is_shadow]
    approved = [decision for decision in claimed if decision.approved]
    others = [decision for decision in claimed if not decision.approved]
    ended = [settled(decision, "expire", reason=SHADOW, detail=CEASED) for decision in shadows]
    ended += [move for each in others if (move := _expired(each, now))]
    try:
        ended += expired_answers(approved, now)
    except SettingError as error:
        hold_back(approved, error)
        claimed = others
    over = {move.row.pk for move in ended}
    return ended, [decision for decision in claimed if decision.pk not in over]


def _divided(
    decisions: Sequence[AIDecision], standing: Standing
) -> tuple[list[AIDecision], list[AIDecision]]:
    """Return those that a person is asked about, and those to judge; one whose threshold cannot be read is held."""
    held: dict[str, list[AIDecision]] = {}
    asked: list[AIDecision] = []
    judged: list[AIDecision] = []
    for decision in decisions:
        try:
            (asked if gate_inputs.needs_person(decision, standing) else judged).append(decision)
        except SettingError as error:
            held.setdefault(str(error), []).append(decision)
    for words, of_it in held.items():
        hold_back(of_it, SettingError(words))
    return asked, judged


def _ask(decisions: Sequence[AIDecision], standing: Standing) -> None:
    try:
        approval_requests.request_all(sorted(decisions, key=stated_order), standing)
    except SettingError as error:
        hold_back(decisions, error)


def _expired(decision: AIDecision, now: datetime) -> Move | None:
    """Return how a decision expires whose cycle has ended or is past its deadline; one that is approved outlives it."""
    if decision.approved:
        return None
    cycle = decision.cycle
    in_time = in_force(cycle.deadline_at, now, cycle.deadline_at - cycle.started_at)
    if cycle.status == CycleStatus.RUNNING and in_time:
        return None
    return settled(decision, "expire", reason="cycle_deadline", detail=f"the cycle is {cycle.status}")
