"""The rows of a saga's steps: attempts, times, input and result."""

from decimal import Decimal
from typing import Any

from django.db.models import F
from django.db.models.functions import Coalesce
from django.utils import timezone

from trading.models import Saga, SagaStep

ORDER_OF_STEPS = tuple(SagaStep.Name)
ENTRY_PRICE = "average_entry_price"


def create_steps(saga: Saga, *, risk_figures: dict[str, str], entry_price: Decimal | None) -> None:
    """Insert all steps; validate-risk is complete, because the saga exists only when the gate let it pass.

    Args:
        entry_price: average entry price of the position an exit closes, for its realised P&L.
    """
    now = timezone.now()
    steps = [SagaStep(saga=saga, name=name, position=n) for n, name in enumerate(ORDER_OF_STEPS)]
    first = steps[0]
    first.status, first.attempts, first.result = SagaStep.Status.COMPLETED, 1, risk_figures
    first.started_at = first.ended_at = now
    steps[-1].input = {ENTRY_PRICE: str(entry_price)} if entry_price is not None else {}
    SagaStep.objects.bulk_create(steps)


def entry_price_of(saga: Saga) -> Decimal | None:
    """Return the entry price noted when the saga began, None for an entry."""
    noted = SagaStep.objects.get(saga=saga, name=SagaStep.Name.UPDATE_POSITION).input.get(ENTRY_PRICE)
    return Decimal(noted) if noted is not None else None


def begin(saga: Saga, name: str) -> None:
    """Note that a step is being worked on, once more."""
    SagaStep.objects.filter(saga=saga, name=name).exclude(status=SagaStep.Status.COMPLETED).update(
        status=SagaStep.Status.RUNNING,
        attempts=F("attempts") + 1,
        started_at=Coalesce("started_at", timezone.now()),
    )


def end(saga: Saga, name: str, status: str, **facts: Any) -> None:
    """Note a step's outcome; a step that has ended stays as it ended."""
    SagaStep.objects.filter(saga=saga, name=name, ended_at__isnull=True).update(
        status=status, ended_at=timezone.now(), result=facts
    )


def skip_rest(saga: Saga) -> None:
    """Mark the steps that will not run any more."""
    SagaStep.objects.filter(saga=saga, status=SagaStep.Status.PENDING).update(
        status=SagaStep.Status.SKIPPED, ended_at=timezone.now()
    )
