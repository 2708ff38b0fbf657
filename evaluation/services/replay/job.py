"""Replays that were ordered on a page or by REST, carried out by the evaluator; one that was cut off is taken up."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Q

from evaluation.models import Run

LOOKED_AT = 20
OF_ONE = Q(experiment__spec__selection__has_any_keys=["decision", "cycle"])


@dataclass(eq=False, slots=True)
class ReplayJob:
    """Replays of a decision or a cycle, or those of more, which would keep the small ones waiting for hours."""

    name: str
    timeout_seconds: float
    is_of_one: bool
    at_once: int = 1

    def due(self) -> Sequence[str]:
        """Return the runs that wait or were cut off, the oldest first."""
        open_ones = Run.objects.filter(in_background=True, status__in=[Run.Status.QUEUED, Run.Status.RUNNING])
        mine = open_ones.filter(OF_ONE) if self.is_of_one else open_ones.exclude(OF_ONE)
        return [str(pk) for pk in mine.order_by("created_at").values_list("pk", flat=True)[:LOOKED_AT]]

    def run(self, key: str) -> None:
        """Carry a run out; what was answered before it was cut off is not asked again."""
        from evaluation.services.replay.estimating import estimate, estimate_json
        from evaluation.services.replay.orders import Order
        from evaluation.services.replay.running import carry_out

        run = Run.objects.select_related("experiment").get(pk=key)
        if "estimate" not in run.progress:
            found = estimate(Order.from_json(run.experiment.spec), fresh_since=run.created_at)
            run.progress |= {"estimate": estimate_json(found)}
            Run.objects.filter(pk=run.pk).update(progress=run.progress)
        carry_out(run)


SINGLE = ReplayJob("replays", timeout_seconds=3600, is_of_one=True)
MANY = ReplayJob("experiments", timeout_seconds=6 * 3600, is_of_one=False)
