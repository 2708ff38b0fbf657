"""When a person is asked, when not again, and which open requests are withdrawn because the question is gone."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Case, DecimalField, F, OuterRef, Q, QuerySet, Subquery, When
from django.db.models.fields.json import KT
from django.db.models.functions import Cast
from django.utils import timezone

from risk.domain.numbers import plain_decimal
from risk.domain.reasons import DenyReason
from trading.core import settings, transitions
from trading.core.transitions import Move
from trading.domain.symbols import is_coin
from trading.execution import gate_inputs
from trading.execution.gate_inputs import Standing
from trading.guards.standing import Guards
from trading.market.exchange_calendar import trading_day
from trading.market.market_time import latest_market_time
from trading.models import AIDecision, Approval, Event, Order

Question = tuple[str, str, UUID]  # symbol, side, strategy
WITHDRAWN = "approval_withdrawn"
LONGEST_TRADING_DAY = timedelta(days=6)  # from one close to the next, over a weekend with holidays
SESSION = "session"
REJECTION_HOLDS = {
    SESSION: timedelta(hours=6.5),  # of a coin, which has none: as long as one lasts
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "off": timedelta(0),
}
REJECTED_EARLIER, UNANSWERED_EARLIER = "rejected_earlier", "unanswered_earlier"


def request_all(decisions: Sequence[AIDecision], standing: Standing) -> None:
    """Put claimed decisions before a person, in their order; store those that are not asked about, with the reason.

    What a guard would deny is not asked about: a person's yes could not be carried out.
    """
    now = timezone.now()
    expires_at = now + timedelta(seconds=settings.seconds("approval_expiry"))
    earlier = _read_earlier(decisions, now)
    guards = gate_inputs.guards_before_the_lock(standing)
    moves, requests = [], []
    for decision in decisions:
        why_not = earlier.why_not(decision) or _guarded(decision, guards, standing)
        if why_not is not None:
            moves.append(_storing(decision, *why_not, now))
            continue
        moves.append(Move(decision, "request_approval", facts={"expires_at": expires_at.isoformat()}))
        requests.append(Approval(decision=decision, cycle_id=decision.cycle_id, expires_at=expires_at))
        earlier.waiting[_question(decision)] = requests[-1]
    with transaction.atomic():
        moved = transitions.apply_all(moves)
        Approval.objects.bulk_create(request for request in requests if request.decision_id in moved)


def _storing(decision: AIDecision, reason: str, detail: str, now: datetime) -> Move:
    changes = {"reason": reason, "reason_detail": detail, "settled_at": now}
    return Move(decision, "store", changes, {"reason": reason, "symbol": decision.symbol})


def _guarded(decision: AIDecision, guards: Guards, standing: Standing) -> tuple[str, str] | None:
    """Return the guard that keeps a purchase back; a sale is a person's to decide, however young the position is."""
    if decision.action == AIDecision.Action.SELL:
        return None
    if (paused := gate_inputs.pause_words(standing.agent)) is not None:
        return DenyReason.ENTRIES_PAUSED, paused
    block = guards.block_of(decision.symbol, is_exit=False)
    return (block.reason, block.detail[:500]) if block else None


def _question(decision: AIDecision) -> Question:
    return decision.symbol, decision.action, decision.strategy_id


@dataclass(frozen=True, slots=True)
class _Earlier:
    """Earlier requests by what they ask: those that wait, and the newest that were rejected or left unanswered lately.

    ``rejected`` comes with how long the same is not asked again, in words, where its author did not say until when;
    ``unanswered`` in seconds.
    """

    waiting: dict[Question, Approval]
    rejected: tuple[dict[Question, Approval], str]
    unanswered: tuple[dict[Question, Approval], float]

    def why_not(self, decision: AIDecision) -> tuple[str, str] | None:
        """Return why no person is asked about a decision now, as a stable word and a sentence; None: ask."""
        question = _question(decision)
        if (waiting := self.waiting.get(question)) is not None:
            until = f"an earlier decision on it waits for an answer until {waiting.expires_at:%H:%M:%S} UTC"
            return "approval_waits", until
        rejected, how_long = self.rejected
        if (answer := rejected.get(question)) is not None:
            who = answer.answered_by.get_username() if answer.answered_by else "a person"
            said = f"{who} rejected the same at {answer.answered_at:%H:%M:%S} UTC"
            held = answer.held_until
            how_long = f"before {held:%Y-%m-%d %H:%M} UTC, as they said" if held else how_long
            return REJECTED_EARLIER, f"{said}; it is not asked again {how_long}"
        answers, seconds = self.unanswered
        if (answer := answers.get(question)) is not None:
            said = f"nobody answered the same until {answer.answered_at:%H:%M:%S} UTC"
            return UNANSWERED_EARLIER, f"{said}; it is not asked again for {seconds:.0f} s"
        return None


def _read_earlier(decisions: Sequence[AIDecision], now: datetime) -> _Earlier:
    """Read what was asked before; the same question (symbol, side, strategy) is not put again so soon."""
    same = Approval.objects.filter(
        decision__symbol__in={decision.symbol for decision in decisions},
        decision__strategy__in={decision.strategy_id for decision in decisions},
    ).select_related("decision", "answered_by")
    waiting = {_question(row.decision): row for row in same.waiting(now).order_by("-pk")}
    left_for = timedelta(seconds=settings.seconds("unanswered_pause"))
    left = same.filter(  # one that was withdrawn says nothing of what a person thinks of it
        status=Approval.Status.EXPIRED, answered_at__gt=now - left_for, decision__reason="approval_expired"
    )
    return _Earlier(waiting, _rejected(same, now), (_newest(left), left_for.total_seconds()))


def _rejected(same: QuerySet[Approval], now: datetime) -> tuple[dict[Question, Approval], str]:
    """Return the newest rejection of each question that still holds, and how long one does, in words.

    What its author said of how long stands before the setting.
    """
    word = settings.word("rejection_holds")
    rejected, said = same.filter(status=Approval.Status.REJECTED), Q(held_until__gt=now)
    pause = REJECTION_HOLDS[word]
    if word != SESSION:
        held = rejected.filter(said | Q(held_until=None, answered_at__gt=now - pause))
        return _newest(held), f"for {pause.total_seconds():.0f} s"
    market = latest_market_time()
    told = Q(answered_market_time__gt=market - LONGEST_TRADING_DAY) if market else Q(pk__isnull=True)
    lately = rejected.filter(said | Q(told | Q(answered_at__gt=now - pause), held_until=None))
    holding = {
        _question(row.decision): row
        for row in lately.order_by("answered_at")
        if row.held_until or _holds(row, now, market, pause)
    }
    return holding, "in this session (of a coin: for 6.5 hours)"


def _holds(row: Approval, now: datetime, market: datetime | None, pause: timedelta) -> bool:
    """Return whether a rejection holds for what is left of its session: of market time, which a replay runs faster.

    What was rejected after a close belongs to the next session. A coin knows no session; and where market time was
    not known, a session's length since the answer has to do.
    """
    then = row.answered_market_time
    if market is None or then is None:
        return row.answered_at is not None and now - row.answered_at < pause
    if is_coin(row.decision.symbol):
        return abs(market - then) < pause
    return trading_day(then).session == trading_day(market).session


def _newest(requests: QuerySet[Approval]) -> dict[Question, Approval]:
    return {_question(row.decision): row for row in requests.order_by("answered_at")}


def withdraw_outdated(*, most: int) -> int:
    """Withdraw at most so many of the open requests whose question is gone, the oldest first; return how many."""
    waiting = Approval.objects.waiting(timezone.now()).select_related("decision__strategy")
    if not waiting.exists():  # as nearly always, once a second
        return 0
    mode = _last_mode_change()
    gone = _outdated(waiting, mode).order_by("requested_at", "pk")[:most]
    return sum(_withdraw(approval, mode) for approval in gone)


def withdraw_if_outdated(approval: Approval) -> bool:
    """Expire an open request, with its reason, if what it asks has changed since; return whether this call did."""
    mode = _last_mode_change()
    same = Approval.objects.filter(pk=approval.pk, status=Approval.Status.REQUESTED).select_related(
        "decision__strategy"
    )
    return any(_withdraw(each, mode) for each in _outdated(same, mode))


def _last_mode_change() -> Event | None:
    changes = Event.objects.filter(aggregate_type="agent", aggregate_id="1", type="agent.mode_set")
    return changes.order_by("-sequence").first()


def _outdated(requests: QuerySet[Approval], mode: Event | None) -> QuerySet[Approval]:
    """Return those made before the mode was set, the symbol was ordered on the same side, or its position moved so;
    and those of a strategy that has become a shadow.

    A position may have been opened or closed by hand, at the broker, by no order of ours.
    """
    orders = Order.objects.filter(
        symbol=OuterRef("decision__symbol"),
        side=OuterRef("decision__action"),
        created_at__gt=OuterRef("requested_at"),
    ).exclude(decision=OuterRef("decision"))
    ordered = requests.annotate(
        ordered_since=Subquery(orders.order_by("-created_at").values("pk")[:1]),
        more_since=_position_moved(after__gt=F("before")),
        less_since=_position_moved(after__lt=F("before")),
    )
    gone = Q(ordered_since__isnull=False) | Q(decision__strategy__is_shadow=True)
    gone |= Q(decision__action="buy", more_since__isnull=False)
    gone |= Q(decision__action="sell", less_since__isnull=False)
    return ordered.filter(gone | Q(requested_at__lt=mode.occurred_at) if mode else gone)


def _position_moved(**direction: Any) -> Subquery:
    """Return the last move of the symbol's position since the request, the way that is asked for."""
    quantity = DecimalField(max_digits=40, decimal_places=12)
    figures = {
        name: Case(When(aggregate_type="position", then=Cast(KT(f"payload__{key}"), quantity)))
        for name, key in (("before", "from"), ("after", "to"))
    }
    moves = Event.objects.annotate(**figures).filter(
        aggregate_type="position",
        aggregate_id=OuterRef("decision__symbol"),
        occurred_at__gt=OuterRef("requested_at"),
        **direction,
    )
    return Subquery(moves.order_by("-sequence").values("pk")[:1])


def _withdraw(approval: Approval, mode: Event | None) -> bool:
    """Expire a request that is out of date; False where somebody was first."""
    why, now = _why_outdated(approval, mode), timezone.now()
    with transaction.atomic():
        open_still = Approval.objects.filter(pk=approval.pk, status=Approval.Status.REQUESTED)
        withdrawn = open_still.update(status=Approval.Status.EXPIRED, answered_at=now, reason=why)
        if withdrawn:
            changes = {"reason": WITHDRAWN, "reason_detail": why, "settled_at": now}
            transitions.apply(approval.decision, "expire", changes=changes, reason=WITHDRAWN)
    return bool(withdrawn)


def _why_outdated(approval: Approval, mode: Event | None) -> str:
    if mode is not None and approval.requested_at < mode.occurred_at:
        return f"withdrawn: the mode was set to {mode.payload['to']} at {mode.occurred_at:%H:%M:%S} UTC"
    if approval.decision.strategy.is_shadow:
        return "withdrawn: its strategy has become a shadow, which never trades"
    ordered, more, less = (getattr(approval, name) for name in ("ordered_since", "more_since", "less_since"))
    if ordered is None:
        move = Event.objects.get(pk=more if approval.decision.action == "buy" else less)
        was, now = (plain_decimal(Decimal(move.payload[key])) for key in ("from", "to"))
        symbol = approval.decision.symbol
        return f"withdrawn: {symbol}: the position went from {was} to {now} (seen at {move.occurred_at:%H:%M:%S} UTC)"
    order = Order.objects.get(pk=ordered)
    did = f"{order.side} filled" if order.filled_quantity else "ordered"
    return f"withdrawn: {order.symbol}: {did} since ({order.side} order of {order.created_at:%H:%M:%S} UTC)"
