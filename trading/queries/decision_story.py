"""Why a decision was made and what became of it: everything recorded about it, for one page."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.core.exceptions import ObjectDoesNotExist
from django.db.models import CharField, Q, QuerySet, Subquery
from django.db.models.functions import Cast
from django.utils import timezone

from risk.domain.deciding_words import deciding_words
from risk.domain.trust_words import trust_words
from risk.models import RiskCheck, RiskLimits
from trading.analysis.decision_records import SeenRecord, read_record
from trading.core.statements.together import first, read_together
from trading.domain.headroom import Headroom, closest
from trading.domain.statuses import DecisionStatus
from trading.domain.timeline import Stage
from trading.errors import RecordError
from trading.models import (
    AIDecision,
    Approval,
    Event,
    Fill,
    MarketSnapshot,
    Order,
    Saga,
    SagaStep,
    Thesis,
    Trade,
)
from trading.queries.approval_surroundings import surrounding_selects
from trading.queries.gate_preview import GatePreview, read_scene, rooms_of
from trading.queries.timeline import approval_of, timeline_of

EVENTS_SHOWN = 200
OPEN_TO_A_PERSON = (DecisionStatus.STORED, DecisionStatus.AWAITING_APPROVAL)


@dataclass(frozen=True, slots=True)
class SeenPrice:
    """The price the decision saw; ``quoted_at`` is market time, ``age`` from its fetch to the decision."""

    price: Decimal
    source: str
    quoted_at: datetime
    fetched_at: datetime
    age: timedelta
    indicators: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class DecisionStory:
    """One decision with all that is recorded about it; ``preview`` only while a person may send it on.

    ``stands_on`` is what the preview was made of, with the decision's surroundings, by name.
    """

    decision: AIDecision
    stages: tuple[Stage, ...]
    approval: Approval | None
    seen: SeenPrice | None
    headlines: tuple[Mapping[str, Any], ...]
    check: RiskCheck | None
    rooms: tuple[Headroom, ...]
    orders: tuple[Order, ...]
    fills: tuple[Fill, ...]
    trades: tuple[Trade, ...]
    saga: Saga | None
    steps: tuple[SagaStep, ...]
    events: tuple[Event, ...]
    preview: GatePreview | None
    record: SeenRecord | None
    record_problem: str
    thesis: Thesis | None
    stands_on: Mapping[str, list[Any]]

    @property
    def closest(self) -> Headroom | None:
        """The limit that had the least room when the gate judged."""
        return closest(self.rooms)

    @property
    def deciding(self) -> str:
        """The figures that decided against it, "" where none did."""
        return deciding_of(self.decision)

    @property
    def trust(self) -> str:
        """What trust made of the entry, in words; "" where nobody asked."""
        return trust_words(self.decision.confidence, self.check.figures) if self.check else ""

    @property
    def may_be_sent(self) -> bool:
        """Whether it was stored for a person to send on."""
        return self.decision.status == DecisionStatus.STORED


def deciding_of(decision: AIDecision) -> str:
    """Return the figures that decided against it: ``0.66 < 0.70``; "" where none did, or nobody judged.

    Args:
        decision: read with its ``risk_check``.
    """
    check = decision.risk_check
    return deciding_words(decision.reason, check.figures) if check is not None and decision.reason else ""


def decision_story(decision_id: UUID) -> DecisionStory | None:
    """Read a decision's story in a fixed number of queries; None when there is no such decision."""
    rows = AIDecision.objects.select_related(
        "cycle", "strategy", "model_call", "risk_check", "record", "approval__answered_by", "thesis__strategy"
    )
    decision = rows.filter(pk=decision_id).first()
    stages = timeline_of(decision_id)
    if decision is None or stages is None:
        return None
    waits = decision.status in OPEN_TO_A_PERSON
    previews, read = _read(decision) if waits else ({}, read_together(_selects(decision)))
    snapshot: MarketSnapshot | None = first(read["snapshot"])
    saga: Saga | None = first(read["saga"])
    orders: tuple[Order, ...] = tuple(read["ordered"])
    check = decision.risk_check
    record, record_problem = _record(decision)
    return DecisionStory(
        decision=decision,
        stages=stages,
        approval=approval_of(decision),
        seen=_seen(decision, snapshot, first(read["repriced"])),
        headlines=tuple(row for row in decision.cycle.headlines if decision.symbol in row.get("symbols", ())),
        check=check,
        rooms=rooms_of(check, first(read["judged_by"])) if check else (),
        orders=orders,
        fills=tuple(read["fills"]),
        trades=tuple(read["trades"]),
        saga=saga,
        steps=tuple(read["steps"]),
        events=_events(decision, orders, saga, snapshot),
        preview=previews.get(decision.pk),
        record=record,
        record_problem=record_problem,
        thesis=_thesis(decision),
        stands_on=read if waits else {},
    )


def _read(decision: AIDecision) -> tuple[dict[UUID, GatePreview], Mapping[str, list[Any]]]:
    """Read it with what the gate would stand on now."""
    around = surrounding_selects([decision], timezone.now())
    scene = read_scene([decision], {**_selects(decision), **around})
    return scene.alone(), scene.read


def _selects(decision: AIDecision) -> dict[str, QuerySet[Any]]:
    seen = MarketSnapshot.objects.filter(cycle_id=decision.cycle_id, symbol=decision.symbol)
    saga = Saga.objects.filter(decision=decision)
    version = decision.risk_check.limits_version if decision.risk_check else None
    repriced = Event.objects.filter(
        aggregate_type="market_snapshot", aggregate_id=Subquery(seen.values(text=Cast("pk", CharField()))[:1])
    )
    return {
        "snapshot": seen[:1],
        "repriced": repriced.order_by("sequence")[:1],
        "ordered": Order.objects.filter(decision=decision).order_by("created_at"),
        "saga": saga[:1],
        "steps": SagaStep.objects.filter(saga__in=saga),
        "fills": Fill.objects.filter(order__decision=decision).order_by("recorded_at", "id"),
        "trades": Trade.objects.filter(order__decision=decision).order_by("traded_at"),
        "judged_by": RiskLimits.objects.filter(pk=version or 0),
    }


def _thesis(decision: AIDecision) -> Thesis | None:
    try:
        return decision.thesis
    except ObjectDoesNotExist:
        return None


def _record(decision: AIDecision) -> tuple[SeenRecord | None, str]:
    """Return what the decision saw, or why that cannot be shown."""
    if decision.record is None:
        return None, ""
    try:
        return read_record(decision.record), ""
    except RecordError as error:
        return None, str(error)


def _seen(decision: AIDecision, snapshot: MarketSnapshot | None, repriced: Event | None) -> SeenPrice | None:
    """Return what the snapshot showed at the decision, not what a later click made of it: ``repriced``, the first."""
    if snapshot is None or decision.price is None:
        return None
    source, quoted_at, fetched_at = snapshot.source, snapshot.quoted_at, snapshot.fetched_at
    if repriced is not None:
        source = repriced.payload["source"]
        quoted_at = datetime.fromisoformat(repriced.payload["quoted_at"])
        fetched_at = datetime.fromisoformat(repriced.payload["fetched_at"])
    return SeenPrice(
        price=decision.price,
        source=source,
        quoted_at=quoted_at,
        fetched_at=fetched_at,
        age=max(decision.created_at - fetched_at, timedelta(0)),
        indicators=snapshot.indicators or {},
    )


def _events(
    decision: AIDecision, orders: tuple[Order, ...], saga: Saga | None, snapshot: MarketSnapshot | None
) -> tuple[Event, ...]:
    """Return the events of the decision, its orders, its saga and its price, in order of time."""
    wanted = Q(aggregate_type="decision", aggregate_id=str(decision.pk))
    wanted |= Q(aggregate_type="order", aggregate_id__in=[str(order.pk) for order in orders])
    if saga is not None:
        wanted |= Q(aggregate_type="saga", aggregate_id=str(saga.pk))
    if snapshot is not None:
        wanted |= Q(aggregate_type="market_snapshot", aggregate_id=str(snapshot.pk))
    return tuple(Event.objects.filter(wanted).order_by("occurred_at", "id")[:EVENTS_SHOWN])
