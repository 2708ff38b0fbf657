"""How far models' training reaches, as people have entered it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from fnmatch import fnmatchcase

from ai.models import ModelCutoff


@dataclass(frozen=True, slots=True)
class Cutoff:
    """The last day of the training data (inclusive), and when the model came out; None: not told."""

    trained_until: date | None = None
    released_on: date | None = None


class Cutoffs:
    """All that were entered, read once."""

    def __init__(self) -> None:
        self._rows: Sequence[ModelCutoff] = list(ModelCutoff.objects.all())

    def of(self, *names: str) -> Cutoff:
        """Return what is known of a model, by the first of its names that a pattern matches; the longest counts."""
        for name in names:
            matching = [row for row in self._rows if name and fnmatchcase(name, row.pattern)]
            if matching:
                row = max(matching, key=lambda each: len(each.pattern))
                return Cutoff(row.trained_until, row.released_on)
        return Cutoff()
