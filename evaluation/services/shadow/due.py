"""Which shadow strategies have something to do: a look at two indexes, as it is taken each few seconds."""

from django.db.models import F, Max

from evaluation.services.shadow.analysed import analysed
from trading.models import Strategy

NAME = "shadow"
AT_ONCE = 4  # each mostly waits for its model; one that hangs leaves three
TIMEOUT_SECONDS = 1800.0  # a cycle's questions have 300 s and a call its 120: several are caught up


def due_strategies() -> list[str]:
    """Return the ids of the shadows that have not seen the newest analysis, the one that waits longest first."""
    shadows = Strategy.objects.shadows()
    newest = analysed().order_by("-number").values_list("number", flat=True).first()
    if newest is None:
        return []
    waiting = shadows.annotate(seen=Max("shadow_book__cycle_number"))
    return [
        str(pk)
        for pk, seen in waiting.order_by(F("seen").asc(nulls_first=True), "name").values_list("pk", "seen")
        if seen is None or seen < newest
    ]


class ShadowJob:
    """The evaluator's work for shadow strategies; a key is a strategy's id."""

    name = NAME
    at_once = AT_ONCE
    timeout_seconds = TIMEOUT_SECONDS

    def due(self) -> list[str]:
        """Return the ids of the strategies that have a cycle to look at."""
        return due_strategies()

    def run(self, key: str) -> None:
        """Have a strategy catch up; nothing is done where it is no shadow any more."""
        from evaluation.services.shadow.running import catch_up

        strategy = Strategy.objects.shadows().filter(pk=key).first()
        if strategy is not None:
            catch_up(strategy)


SHADOWS = ShadowJob()
