"""Use cases of the ai room: ask models about many symbols, in time and within the budget."""

from collections.abc import Sequence
from uuid import UUID

from ai.analysis import Analysis, AnalysisSettings, Assignment
from ai.results import AnalysisResult, ModelSwitch

__all__ = [
    "AnalysisResult",
    "AnalysisSettings",
    "Assignment",
    "ModelSwitch",
    "analyse_together",
]


def analyse_together(
    *, assignments: Sequence[Assignment], settings: AnalysisSettings, cycle_id: UUID | None
) -> list[AnalysisResult]:
    """Ask all questions within one deadline, and return for each what can be used and why the rest holds.

    The symbols are asked in batches, several at a time; free slots go to the question that has the fewest. A
    batch goes to the first of its models; on a timeout, an unavailable model or an unusable answer it goes to
    the next while time is left. A rejected request (wrong key, unknown model) goes to no other: it is a
    setting to be put right. A model that failed three times in a row, or asked to be left alone, is passed
    over until its breaker lets one call try it. Before a call its largest cost must have room in the budgets.
    What was not answered when ``settings.deadline_seconds`` are over holds with ``analysis_timeout``. Every
    call is a ``ModelCall`` row; analyse outside a transaction, or a rollback takes the record along.

    Args:
        assignments: the same symbol may be in several, once in each.
        cycle_id: the cycle to write into the records, None outside of one.

    Raises:
        ValueError: a symbol is asked twice in one question.
    """
    for assignment in assignments:
        symbols = [facts.symbol for facts in assignment.question.symbols]
        if len(set(symbols)) != len(symbols):
            raise ValueError("a symbol is asked twice")
    return Analysis(assignments, settings, cycle_id).run()
