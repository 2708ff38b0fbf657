"""What came of one decision, as its page tells it."""

from collections.abc import Sequence
from dataclasses import dataclass

from evaluation.models import JobMark, Outcome
from evaluation.services.outcomes.job import NAME
from trading.core.statements.together import first, read_together
from trading.models import AIDecision

NOT_NOTED = "It is noted within an hour of market time, by the process evaluator."
NO_OPINION = "No model has given an opinion here, so there is nothing to be right or wrong."
SPOKEN_FOR = (
    "An earlier decision of this session on this symbol speaks for it: a look each minute is one opinion, and"
    " is held against what came of it once."
)


@dataclass(frozen=True, slots=True)
class OutcomeStory:
    """The outcomes of a decision by their horizon, or in words why it has none."""

    rows: Sequence[Outcome]
    why_none: str = ""


def story_of(decision: AIDecision) -> OutcomeStory:
    """Return what came of a decision."""
    read = read_together(
        {
            "rows": Outcome.objects.filter(decision_id=decision.pk).order_by("horizon"),
            "mark": JobMark.objects.filter(job=NAME),
        }
    )
    if read["rows"]:
        return OutcomeStory(read["rows"])
    if decision.model_call_id is None or (decision.action == "hold" and decision.reason != "hold"):
        return OutcomeStory((), NO_OPINION)
    mark: JobMark | None = first(read["mark"])
    noted_to = mark.cycle_number if mark else 0
    return OutcomeStory((), SPOKEN_FOR if noted_to >= decision.cycle.number else NOT_NOTED)
