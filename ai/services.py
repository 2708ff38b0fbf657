"""Use case of the ai room: ask models about many symbols, in time and within the budget."""

from collections.abc import Sequence
from uuid import UUID

from ai.analysis import Analysis, AnalysisResult, AnalysisSettings
from ai.domain.types import AnalysisQuestion

__all__ = ["AnalysisResult", "AnalysisSettings", "analyse"]


def analyse(
    *,
    question: AnalysisQuestion,
    models: Sequence[str],
    settings: AnalysisSettings,
    cycle_id: UUID | None,
) -> AnalysisResult:
    """Ask about every symbol of ``question`` and return what can be used, and why the rest holds.

    The symbols are asked in batches, several at a time. A batch goes to the first of ``models``; on a
    timeout, an unavailable model or an unusable answer it goes to the next while time is left. A rejected
    request (wrong key, unknown model) goes to no other: it is a setting to be put right. What was not
    answered when ``settings.deadline_seconds`` are over holds with ``analysis_timeout``. Every call is a
    ``ModelCall`` row; analyse outside a transaction, or a rollback takes the record along.

    Args:
        models: litellm names in order of fallback; empty: the built-in analyst.
        cycle_id: the cycle to write into the records, None outside of one.

    Raises:
        ValueError: a symbol is asked twice.
    """
    symbols = [facts.symbol for facts in question.symbols]
    if len(set(symbols)) != len(symbols):
        raise ValueError("a symbol is asked twice")
    return Analysis(question, models, settings, cycle_id).run()
