"""What commands report, as words for a person: the same names as in ``--json``, and no language's values."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

MOST_ON_A_LINE = 3


def lines_of(facts: Mapping[str, Any]) -> Iterator[str]:
    """Yield ``name: value`` for each fact; a longer list has a line for each of its values."""
    for name, value in facts.items():
        label = name.replace("_", " ")
        if isinstance(value, Mapping):
            value = [f"{key} {each}" for key, each in value.items()]
        if isinstance(value, str) or not isinstance(value, Sequence):
            yield f"{label}: {_word(value)}"
        elif len(value) <= MOST_ON_A_LINE:
            yield f"{label}: {', '.join(map(str, value)) or 'none'}"
        else:
            yield f"{label}: {len(value)}"
            yield from (f"  {each}" for each in value)


def _word(value: object) -> str:
    if value is None:
        return "not known"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value) or "none"
