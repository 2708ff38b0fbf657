"""The equity line as an inline SVG: no script, nothing fetched from anywhere."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

WIDTH, HEIGHT, MARGIN = 640, 120, 6
FEWEST_POINTS = 2


@dataclass(frozen=True, slots=True)
class LineChart:
    """Coordinates for the template; ``area`` is the line closed along the bottom."""

    line: str
    area: str
    lowest: Decimal
    highest: Decimal
    first_at: datetime
    last_at: datetime
    width: int = WIDTH
    height: int = HEIGHT


def line_chart(points: Sequence[tuple[datetime, Decimal]]) -> LineChart | None:
    """Lay the points (oldest first) out by time; None when there are too few for a line."""
    if len(points) < FEWEST_POINTS or points[0][0] == points[-1][0]:
        return None
    start, end = points[0][0], points[-1][0]
    values = [value for _, value in points]
    lowest, highest = min(values), max(values)
    span = float(highest - lowest) or 1.0
    length = (end - start).total_seconds()
    usable = HEIGHT - 2 * MARGIN

    def place(at: datetime, value: Decimal) -> str:
        x = (at - start).total_seconds() / length * WIDTH
        y = HEIGHT - MARGIN - float(value - lowest) / span * usable
        return f"{x:.1f},{y:.1f}"

    line = " ".join(place(at, value) for at, value in points)
    return LineChart(line, f"0,{HEIGHT} {line} {WIDTH},{HEIGHT}", lowest, highest, start, end)
