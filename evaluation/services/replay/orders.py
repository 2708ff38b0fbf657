"""What a person wants asked again, stored before anything is done; stopped, and taken up again."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from evaluation.errors import RunStateError
from evaluation.models import LONGEST_NAME, Experiment, Run
from evaluation.services.replay.selecting import Selection
from evaluation.services.replay.variation import Variation
from trading.core.process_lock import only_one

STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Order:
    """What a person wants asked again, whole; ``max_usd``: what it may cost at most, None where the purse says."""

    selection: Selection
    variation: Variation
    max_usd: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "selection": self.selection.to_json(),
            "variation": self.variation.to_json(),
            "maxUsd": self.max_usd,
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Order":
        """Return what ``to_json`` wrote."""
        return cls(
            Selection.from_json(values["selection"]),
            Variation.from_json(values["variation"]),
            values["maxUsd"],
        )

    @property
    def asks(self) -> bool:
        """Whether answers are looked for, and not only what other rules make of those on record."""
        return self.variation.asks_otherwise or self.variation.changes_nothing


def order_replay(order: Order, *, author: str, name: str = "", in_background: bool = False) -> Run:
    """Store a replay, to be carried out by ``carry_out``, or by the evaluator where it is ``in_background``."""
    spec = order.to_json()
    text = json.dumps(spec, sort_keys=True)
    with transaction.atomic():
        experiment = Experiment.objects.create(
            kind=Experiment.Kind.REPLAY,
            name=(name or f"Replay of {order.selection.words}")[:LONGEST_NAME],
            spec=spec,
            spec_sha256=hashlib.sha256(text.encode()).hexdigest(),
            author=author,
        )
        return Run.objects.create(experiment=experiment, in_background=in_background)


def lock_of(run: Run) -> str:
    """Return the name of the lock that whoever carries a run out holds."""
    return f"replay {run.pk}"


def stop(run: Run) -> None:
    """Have a replay ask nothing more; what is under way is waited for. One that waits ends at once."""
    Run.objects.filter(pk=run.pk).update(is_stopped=True)
    Run.objects.filter(pk=run.pk, status=Run.Status.QUEUED).update(
        status=Run.Status.INCOMPLETE, reason=STOPPED, ended_at=timezone.now()
    )


def take_up(run: Run) -> None:
    """Have the evaluator go on with a replay that was stopped, failed, was not all answered, or was cut off.

    Raises:
        RunStateError: it is complete, waits already, or is being carried out.
    """
    open_ended = Q(status__in=[Run.Status.INCOMPLETE, Run.Status.FAILED, Run.Status.RUNNING])
    with only_one(lock_of(run)) as nobody_works:
        changed = nobody_works and Run.objects.filter(open_ended, pk=run.pk).update(
            status=Run.Status.QUEUED, in_background=True, is_stopped=False, ended_at=None, reason=""
        )
    if not changed:
        run.refresh_from_db()
        raise RunStateError(f"the replay is {run.status}, expected one that ended open or was cut off")
