"""Counters and histograms, kept in PostgreSQL: the sweeper adds what was recorded since the last time, scrapes read.

The log of events has every transition once, in the transition's transaction, so what is counted from it is right
over restarts and kill -9 of whoever worked or counted. Counting costs what is new, not what there is.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from time import monotonic
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Count
from django.utils import timezone

from ai.models import ModelCall
from orchestrator_project.observability.metric_kinds import Totals
from risk.models import KillSwitch
from trading.domain.ages import is_to_come
from trading.domain.clocks import Clock
from trading.domain.statuses import CycleStatus, DecisionStatus, OrderStatus, SagaStatus
from trading.market import clock_watch
from trading.models import AIDecision, Cycle, Event, MetricTotals, Order
from trading.models.event import POSITIONS
from trading.safety import senders

# Longer than any transaction that writes events: what commits later than this after its time is not counted.
SETTLED_AFTER = timedelta(seconds=20)
LONGEST_WINDOW = timedelta(hours=1)
SHORT_WINDOW = timedelta(minutes=1)
COUNTED_KINDS = ("cycle", "decision", "order", "saga", senders.AGGREGATE)
CATCH_UP_SECONDS = 1.0
STATEMENT_MS = 2000
UNACKNOWLEDGED = (OrderStatus.SUBMITTING, OrderStatus.UNKNOWN)
ACKNOWLEDGED = (OrderStatus.ACCEPTED, OrderStatus.PARTIALLY_FILLED, OrderStatus.FILLED)
OPEN_DECISION = (DecisionStatus.PENDING, DecisionStatus.CLAIMED, DecisionStatus.EXECUTING)
ENDED_CYCLE = (CycleStatus.COMPLETED, CycleStatus.FAILED, CycleStatus.ABORTED)
BASIS_POINTS = 10_000


_Told = tuple[str, UUID | None, dict[str, object], str, datetime]
_TOLD = ("type", "cycle_id", "payload", "aggregate_id", "occurred_at")


@dataclass(frozen=True, slots=True)
class Window:
    """From ``start`` (inclusive) to ``end`` (exclusive), wall time; of events only those ``after`` a position."""

    start: datetime
    end: datetime
    after: int = 0
    _read: dict[str, list[_Told]] = field(default_factory=dict, compare=False)

    def events(self, aggregate_type: str) -> Iterator[_Told]:
        """Yield type, cycle, payload, aggregate id and time of the events of one kind of aggregate.

        Those of a short window, as nearly all are, are read once for all kinds; a long one's are not held in memory.
        """
        found = Event.objects.filter(
            occurred_at__gte=self.start, occurred_at__lt=self.end, position__gt=self.after
        )
        if self.end - self.start > SHORT_WINDOW:
            rows = found.filter(aggregate_type=aggregate_type).values_list(*_TOLD)
            return rows.iterator(chunk_size=2000)
        if not self._read:
            for kind in COUNTED_KINDS:
                self._read[kind] = []
            told = found.filter(aggregate_type__in=COUNTED_KINDS).values_list("aggregate_type", *_TOLD)
            for kind, *event in told:
                self._read[kind].append(tuple(event))
        return iter(self._read[aggregate_type])


@dataclass(frozen=True, slots=True)
class Counted:
    """The totals, and until when they reach (wall time)."""

    totals: Totals
    until: datetime


def read_totals() -> Counted:
    """Return the totals as they stand, of which nothing is written; none where nothing was ever counted."""
    kept = MetricTotals.objects.filter(pk=1).first()
    if kept is None:
        return Counted(Totals(), timezone.now() - SETTLED_AFTER)
    return Counted(Totals.from_json(kept.totals), kept.counted_until)


def count_new(*, until: datetime | None = None) -> Counted:
    """Add what was recorded since the last time, and return the totals.

    One process counts at a time; another gets the totals as they stand. What lies further back than an hour is
    added hour by hour, for one second in each call.

    Args:
        until: what is recorded from then on is left for the next time; None: 20 s ago.
    """
    target = until or timezone.now() - SETTLED_AFTER
    give_up = monotonic() + CATCH_UP_SECONDS
    MetricTotals.objects.get_or_create(pk=1, defaults={"counted_until": target})
    counted = None
    while counted is None or (counted.until < target and monotonic() < give_up):
        before, counted = counted, _count_window(target)
        if before is not None and before.until == counted.until:  # another process counts just now
            break
    return counted


def _count_window(target: datetime) -> Counted:
    with transaction.atomic():
        _limit_statements()
        row = MetricTotals.objects.select_for_update(skip_locked=True).first()
        if row is None:
            return read_totals()
        totals = Totals.from_json(row.totals)
        if is_to_come(row.counted_until, target):
            # A clock stepped back: count on from now, and nothing twice when its time comes by again.
            row.counted_until, row.after_position = target, _last_position()
            row.save(update_fields=["counted_until", "after_position"])
        end = min(target, row.counted_until + LONGEST_WINDOW)
        if end > row.counted_until:
            window = Window(row.counted_until, end, row.after_position)
            for count in COUNTS:
                count(totals, window)
            row.counted_until, row.totals = end, totals.to_json()
            row.save(update_fields=["counted_until", "totals"])
        return Counted(totals, row.counted_until)


def _limit_statements() -> None:
    """Let no statement of this transaction keep the sweeper from its round for long."""
    with connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL statement_timeout = {STATEMENT_MS}")


def _last_position() -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT last_value FROM {POSITIONS}")  # noqa: S608 - a constant
        return int(cursor.fetchone()[0])


def _cycles(totals: Totals, window: Window) -> None:
    ended = []
    for kind, cycle_id, payload, _, _ in window.events("cycle"):
        step = kind.removeprefix("cycle.step.")
        if step != kind and "seconds" in payload and "skipped" not in payload:
            totals.observe("cycle_step_seconds", [step], _number(payload["seconds"]))
        elif kind == "cycle.error":
            labels = [str(payload.get("operation", ""))[:60], str(payload.get("type", ""))[:60]]
            totals.add("provider_errors", labels)
        elif payload.get("to") in ENDED_CYCLE:
            ended.append((cycle_id, str(payload["to"]), payload.get("duration_seconds")))
    types = dict(Cycle.objects.filter(pk__in=[pk for pk, _, _ in ended]).values_list("pk", "cycle_type"))
    for pk, status, seconds in ended:
        cycle_type = types.get(pk, "") if pk else ""
        totals.add("cycles", [cycle_type, status])
        if seconds is not None:
            totals.observe("cycle_seconds", [cycle_type], _number(seconds))


def _decisions(totals: Totals, window: Window) -> None:
    later = []
    for kind, _, payload, pk, _ in window.events("decision"):
        status, reason = str(payload.get("to", "")), str(payload.get("reason", ""))
        if status in OPEN_DECISION:
            continue
        if kind == "decision.created":
            totals.add("decisions", [str(payload.get("action", "")), status, reason])
        else:
            later.append((UUID(pk), status))
        if kind == "decision.deny":
            totals.add("denials", [reason])
    rows = AIDecision.objects.filter(pk__in=[pk for pk, _ in later]).only("action", "reason").in_bulk()
    for decision_id, status in later:
        row = rows.get(decision_id)
        # The row's reason is a stable word; an event's may be a sentence of the broker's.
        totals.add("decisions", [row.action, status, row.reason] if row else ["", status, ""])


def _orders(totals: Totals, window: Window) -> None:
    moved = [
        (UUID(pk), str(payload.get("from", "")), str(payload.get("to", "")), at)
        for _, _, payload, pk, at in window.events("order")
        if payload.get("to") and payload.get("from") != payload.get("to")
    ]
    orders = Order.objects.in_bulk([pk for pk, _, to, _ in moved if to in ACKNOWLEDGED])
    for pk, came_from, to, at in moved:
        totals.add("orders", [to])
        order = orders.get(pk)
        if order is None or order.submitted_at is None:  # external: we did not submit it
            continue
        if came_from in UNACKNOWLEDGED and order.acknowledged_at is not None:
            taken = (order.acknowledged_at - order.submitted_at).total_seconds()
            totals.observe("order_submit_seconds", [], max(taken, 0.0))
        if to == OrderStatus.FILLED:
            totals.observe("order_fill_seconds", [], max((at - order.submitted_at).total_seconds(), 0.0))
            if order.reference_price and order.average_price:
                worse = float(order.average_price / order.reference_price - 1) * BASIS_POINTS
                totals.observe("slippage_bps", [order.side], worse if order.side == "buy" else -worse)


def _sagas(totals: Totals, window: Window) -> None:
    for _, _, payload, _, _ in window.events("saga"):
        if payload.get("to") and payload.get("from") != payload.get("to"):
            totals.add("sagas", [str(payload["to"])])


def _models(totals: Totals, window: Window) -> None:
    calls = ModelCall.objects.filter(created_at__gte=window.start, created_at__lt=window.end)
    fields = ("model", "status", "latency_ms", "prompt_tokens", "completion_tokens", "charged_usd")
    for model, status, latency_ms, asked, answered, charged in calls.order_by().values_list(*fields):
        totals.add("model_calls", [model, status])
        totals.observe("model_call_seconds", [model], latency_ms / 1000)
        totals.add("model_tokens", [model, "prompt"], asked)
        totals.add("model_tokens", [model, "completion"], answered)
        totals.add("model_cost_usd", [model], float(charged))


def _switch(totals: Totals, window: Window) -> None:
    engaged = KillSwitch.objects.filter(engaged_at__gte=window.start, engaged_at__lt=window.end)
    for trigger in engaged.values_list("trigger", flat=True):
        totals.add("switch_engagements", [trigger])
    for _ in window.events(senders.AGGREGATE):
        totals.add("senders_fenced", [])


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


COUNTS: tuple[Callable[[Totals, Window], None], ...] = (
    _cycles,
    _decisions,
    _orders,
    _sagas,
    _models,
    _switch,
)


def add_clock_steps(totals: Totals) -> Totals:
    """Add the steps of clocks, counted in the log itself: what is counted by time is beyond a step back."""
    steps = Event.objects.filter(aggregate_type=clock_watch.AGGREGATE).values_list("payload__clock")
    counted = dict(steps.annotate(n=Count("pk")).order_by())
    for clock in Clock:
        totals.add("clock_steps", [clock], counted.get(clock.value, 0))
    return totals


def known_series(totals: Totals) -> Totals:
    """Add the series that are known beforehand at 0: an increase from nothing is no increase to Prometheus."""
    for cycle_type in Cycle.Type.values:
        for status in ENDED_CYCLE:
            totals.add("cycles", [cycle_type, status], 0)
    for order_status in OrderStatus:
        totals.add("orders", [order_status], 0)
    for saga_status in SagaStatus:
        totals.add("sagas", [saga_status], 0)
    totals.add("senders_fenced", [], 0)
    return totals
