"""Where decisions lie to their model's training: kept with each outcome, and put right when a cutoff is entered."""

from datetime import date, datetime

from django.db.models import DateField
from django.db.models.functions import Cast

from ai import builtin
from ai.cutoffs import Cutoffs
from ai.models import ModelCutoff
from evaluation.domain.figures import Window, window_of
from evaluation.models import Outcome


def window_for(model: str, answered_model: str, day: date, cutoffs: Cutoffs) -> Window:
    """Return the window of a decision; the built-in analyst computes, and remembers nothing."""
    if model.startswith(f"{builtin.PROVIDER}/"):
        return Window.UNTRAINED
    known = cutoffs.of(answered_model, model)
    return window_of(day, trained_until=known.trained_until, released_on=known.released_on)


def put_windows_right(*, since: datetime | None = None) -> int:
    """Give outcomes the window that today's cutoffs say; return how many changed.

    Args:
        since: nothing is done where no cutoff was entered or changed since then (wall time).
    """
    if since is not None and not ModelCutoff.objects.filter(updated_at__gte=since).exists():
        return 0
    cutoffs, changed = Cutoffs(), 0
    days = Outcome.objects.annotate(day=Cast("as_of", DateField()))
    groups = days.order_by().values_list("model", "answered_model", "day", "window").distinct()
    for model, answered_model, day, window in groups.iterator():
        right = window_for(model, answered_model, day, cutoffs)
        if right != window:
            same = days.filter(model=model, answered_model=answered_model, day=day, window=window)
            changed += same.update(window=right)
    return changed
