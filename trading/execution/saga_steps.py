"""The rows of a saga's steps: attempts, times, input and result."""

import json
from collections.abc import Collection, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Coalesce, Greatest
from django.utils import timezone

from trading.core.statements.message import Message
from trading.core.statements.moved_rows import Statement
from trading.core.statements.new_rows import new
from trading.models import Saga, SagaStep, Trade
from trading.orders.broker_stream import LISTENER
from trading.orders.execution_reports import ACKNOWLEDGED_NOW
from trading.orders.first_answer import NotedWith

ORDER_OF_STEPS = tuple(SagaStep.Name)
ENTRY_PRICE = "average_entry_price"
UNIT_COST = "unit_cost"
CANCEL_ASKED = "cancel_asked_at"
# Written out, for every order has them on its way out: the ORM takes several times as long to write them.
_VISITED = """
WITH visited AS (UPDATE sagas SET next_poll_at = %(next_poll_at)s WHERE id = %(saga)s)
UPDATE saga_steps SET status = %(running)s, attempts = attempts + 1, started_at = coalesce(started_at, %(now)s)
WHERE saga_id = %(saga)s AND name = %(name)s AND status <> %(completed)s
"""
_SUBMITTED = """
WITH visited AS (
    UPDATE sagas SET next_poll_at = %(next_poll_at)s
    WHERE id = %(saga)s AND next_poll_at > %(next_poll_at)s{further}
)
UPDATE saga_steps SET
    status = CASE name WHEN %(submit)s THEN %(completed)s ELSE %(running)s END,
    attempts = CASE name WHEN %(submit)s THEN greatest(attempts, 1) ELSE attempts + 1 END,
    started_at = coalesce(started_at, CASE name WHEN %(submit)s THEN {began} ELSE {now} END),
    ended_at = CASE name WHEN %(submit)s THEN {now} ELSE ended_at END,
    result = CASE name WHEN %(submit)s THEN jsonb_build_object('broker_order_id', {broker_order_id}) ELSE result END
WHERE saga_id = %(saga)s{further} AND (
    name = %(submit)s AND ended_at IS NULL OR %(confirms)s AND name = %(confirm)s AND status <> %(completed)s
)
"""
_UNIT_COSTS = "SELECT saga_id, input ->> %s FROM saga_steps WHERE saga_id = ANY(%s) AND name = %s"
_COMPLETED = """
UPDATE saga_steps SET status = %s, attempts = greatest(attempts, 1), started_at = coalesce(started_at, %s),
    ended_at = %s, result = coalesce(given.results -> name, '{{}}')
FROM (VALUES {sagas}) AS given(saga_id, results)
WHERE saga_steps.saga_id = given.saga_id AND ended_at IS NULL
"""
_LAST_SIGN = f"(SELECT beaten_at FROM heartbeats WHERE process = '{LISTENER}')"  # noqa: S608 - a name of ours
_NOTED = (
    _SUBMITTED.format(
        further="", began="%(began)s", now="%(now)s", broker_order_id="%(broker_order_id)s::text"
    )
    + f"RETURNING {_LAST_SIGN}"
)
# The same in the message that records the answer: the time is the message's, the rest is the order's.
_NOTED_WITH = _SUBMITTED.format(
    further=f" AND EXISTS (SELECT FROM orders WHERE {ACKNOWLEDGED_NOW})",
    began="(SELECT submitted_at FROM orders WHERE id = %(row_key)s)",
    now="%(set_acknowledged_at)s",
    broker_order_id="%(set_broker_order_id)s::text",
)


def steps_of(
    saga: Saga, *, risk_figures: dict[str, str], entry_price: Decimal | None, unit_cost: Decimal | None
) -> list[SagaStep]:
    """Return all steps, not stored; validate-risk is complete, because the saga exists only when the gate let it pass.

    Args:
        entry_price: average entry price of the position an exit closes; ``unit_cost`` what a unit really cost, for
            the realised P&L. None for an entry.
    """
    now = timezone.now()
    order = saga.order
    steps = [new(SagaStep, saga_id=saga.pk, name=name, position=n) for n, name in enumerate(ORDER_OF_STEPS)]
    first, submit, confirm, update = steps
    first.status, first.attempts, first.result = SagaStep.Status.COMPLETED, 1, risk_figures
    first.started_at = first.ended_at = now
    first.input = {"symbol": order.symbol, "side": order.side}
    submit.input = {"client_order_id": order.client_order_id, "quantity": str(order.quantity)}
    confirm.input = {"deadline_at": saga.deadline_at.isoformat()}
    if entry_price is not None:
        update.input = {ENTRY_PRICE: str(entry_price), UNIT_COST: str(unit_cost)}
    return steps


def unit_cost_of(saga: Saga) -> Decimal | None:
    """Return what a unit of the position cost when the saga began, in USD; None for an entry."""
    return unit_costs_of([saga])[saga.pk]


def unit_costs_of(sagas: Collection[Saga]) -> dict[UUID, Decimal | None]:
    """Return the same of many, by the saga's id."""
    with connection.cursor() as cursor:
        cursor.execute(_UNIT_COSTS, [UNIT_COST, [saga.pk for saga in sagas], SagaStep.Name.UPDATE_POSITION])
        noted = cursor.fetchall()
    return {saga_id: Decimal(cost) if cost is not None else None for saga_id, cost in noted}


def booked_quantity(saga: Saga) -> Decimal:
    """Return how much of the saga's order is in its trade, base units."""
    trade = Trade.objects.filter(order_id=saga.order_id).first()
    return trade.quantity if trade else Decimal(0)


def note_cancel(saga: Saga) -> datetime:
    """Note that a cancel was asked for; return when it first was (wall time)."""
    now = timezone.now()
    with transaction.atomic():
        step = SagaStep.objects.select_for_update().get(saga=saga, name=SagaStep.Name.CONFIRM_FILL)
        first = step.input.setdefault(CANCEL_ASKED, now.isoformat())
        SagaStep.objects.filter(pk=step.pk).update(input=step.input)
    return datetime.fromisoformat(first)


def update_began_at(saga: Saga) -> datetime:
    """Return when the position was first to be updated (wall time); now, where it was not yet."""
    step = SagaStep.objects.filter(saga=saga, name=SagaStep.Name.UPDATE_POSITION).first()
    return step.started_at if step and step.started_at else timezone.now()


def begin(saga: Saga, name: str, *, said_with: Message | None = None) -> None:
    """Note that a step is being worked on, once more; ``said_with``: says it with more, later."""
    rows = SagaStep.objects.filter(saga=saga, name=name).exclude(status=SagaStep.Status.COMPLETED)
    changes = {
        "status": SagaStep.Status.RUNNING,
        "attempts": F("attempts") + 1,
        "started_at": Coalesce("started_at", timezone.now()),
    }
    _write(rows, changes, said_with)


def begin_visit(saga: Saga, name: str, *, next_poll_at: datetime) -> None:
    """Do the same and note when the saga is looked at next, should this visit not end: one statement for both."""
    values: dict[str, Any] = {
        "saga": saga.pk,
        "name": name,
        "next_poll_at": next_poll_at,
        "running": SagaStep.Status.RUNNING,
        "completed": SagaStep.Status.COMPLETED,
        "now": timezone.now(),
    }
    with connection.cursor() as cursor:
        cursor.execute(_VISITED, values)


def end(saga: Saga, name: str, status: str, *, said_with: Message | None = None, **facts: Any) -> None:
    """Note a step's outcome; a step that has ended stays as it ended; ``said_with``: says it with more, later.

    The broker's word may end one that was not begun here.
    """
    now = timezone.now()
    changes = {
        "status": status,
        "attempts": Greatest(F("attempts"), 1),
        "started_at": Coalesce("started_at", now),
        "ended_at": now,
        "result": facts,
    }
    _write(SagaStep.objects.filter(saga=saga, name=name, ended_at__isnull=True), changes, said_with)


def _write(rows: QuerySet[SagaStep], changes: Mapping[str, Any], message: Message | None) -> None:
    said = message if message is not None else Message()
    said.update(rows, changes)
    if message is None:
        said.say()


def note_submitted(
    saga: Saga,
    broker_order_id: str | None,
    *,
    next_poll_at: datetime,
    began: datetime | None = None,
    confirms: bool,
) -> datetime | None:
    """Note that the broker has the order, and where its fill is looked for now, that too: one statement for both.

    The same as ``end`` of the one step and ``begin`` of the other; the saga is looked at by then at the latest.

    Args:
        began: when it was first sent (wall time), where that was not noted before.

    Returns:
        When the stream's listener gave its last sign (wall time); None where it has given none, or nothing was written.
    """
    values = _submitted(saga, next_poll_at, confirms=confirms)
    now = timezone.now()
    values |= {"began": began or now, "now": now, "broker_order_id": broker_order_id}
    with connection.cursor() as cursor:
        cursor.execute(_NOTED, values)
        found = cursor.fetchone()
    return found[0] if found else None


def noted_with_answer(saga: Saga, *, next_poll_at: datetime) -> NotedWith:
    """Return the same note for the message that records the answer to the order's first request.

    The fill is looked for now. It is told when the stream's listener gave its last sign (wall time), None where it has
    given none.
    """
    return NotedWith(Statement(_NOTED_WITH, _submitted(saga, next_poll_at, confirms=True)), asks=_LAST_SIGN)


def _submitted(saga: Saga, next_poll_at: datetime, *, confirms: bool) -> dict[str, Any]:
    return {
        "saga": saga.pk,
        "submit": SagaStep.Name.SUBMIT_ORDER,
        "confirm": SagaStep.Name.CONFIRM_FILL,
        "confirms": confirms,
        "completed": SagaStep.Status.COMPLETED,
        "running": SagaStep.Status.RUNNING,
        "next_poll_at": next_poll_at,
    }


def complete_all(results: Mapping[UUID, Mapping[str, Mapping[str, Any]]]) -> None:
    """End the steps of many sagas that have not ended, as completed, in one statement.

    The broker's word may complete what was not begun here.

    Args:
        results: at least one; of each saga by its id, the facts of each step by its name; of a step without any: none.
    """
    values: list[Any] = [SagaStep.Status.COMPLETED, now := timezone.now(), now]
    for saga_id, steps in results.items():
        values += [saga_id, json.dumps({name: dict(facts) for name, facts in steps.items()})]
    with connection.cursor() as cursor:
        cursor.execute(_COMPLETED.format(sagas=", ".join(["(%s::uuid, %s::jsonb)"] * len(results))), values)


def skip_rest(saga: Saga) -> None:
    """Mark the steps that will not run any more."""
    SagaStep.objects.filter(saga=saga, status=SagaStep.Status.PENDING).update(
        status=SagaStep.Status.SKIPPED, ended_at=timezone.now()
    )


def fail_current(saga: Saga, **facts: Any) -> None:
    """Mark the steps under way as failed, and the rest as skipped."""
    running = SagaStep.objects.filter(saga=saga, status=SagaStep.Status.RUNNING)
    running.update(status=SagaStep.Status.FAILED, ended_at=timezone.now(), result=facts)
    skip_rest(saga)


def correct(saga: Saga, **facts: Any) -> None:
    """Rewrite the steps of a saga whose order filled after its end: they are complete after all."""
    now = timezone.now()
    steps = SagaStep.objects.filter(saga=saga)
    steps.update(status=SagaStep.Status.COMPLETED, ended_at=Coalesce("ended_at", now))
    later = [SagaStep.Name.CONFIRM_FILL, SagaStep.Name.UPDATE_POSITION]
    steps.filter(name__in=later).update(
        started_at=Coalesce("started_at", now), ended_at=now, result={"late_fill": True, **facts}
    )
