"""What one case's run brought, as it is handed from the process that measured it to the one that prints."""

from dataclasses import asdict, dataclass, field
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Stretch:
    """A row of the waterfall: when something happened in a cycle, in seconds after its start."""

    name: str
    begin: float
    end: float
    count: int


@dataclass(frozen=True, slots=True)
class Result:
    """Figures of one case; seconds, and counts of one cycle.

    ``statements`` and ``cpu_seconds`` go by process; ``requests`` are those to trading addresses by kind, of each
    cycle. ``baseline`` are the seconds of cycles before the past was written.
    """

    name: str
    seconds: list[float]
    limits: list[float]
    orders: list[int]
    pauses: list[int]
    requests: list[dict[str, int]]
    statements: dict[str, int]
    cpu_seconds: dict[str, float]
    stretches: list[Stretch] = field(default_factory=list)
    baseline: list[float] = field(default_factory=list)
    problem: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON's types."""
        return asdict(self)

    @classmethod
    def failed(cls, name: str, problem: str) -> Self:
        """Return the result of a case that could not be measured."""
        return cls(name, [], [], [], [], [], {}, {}, problem=problem)

    @classmethod
    def from_json(cls, said: dict[str, Any]) -> Self:
        """Return what ``to_json`` was made of."""
        rows = [Stretch(**row) for row in said["stretches"]]
        return cls(**{**said, "stretches": rows})
