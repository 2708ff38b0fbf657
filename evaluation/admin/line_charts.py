"""Lines over time for the theme's Chart.js: a person points at a moment and reads all of them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

SOFT = "#9ca3af"  # readable on light and on dark, as the theme's own


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the chart; ``None`` is a gap."""

    label: str
    values: Sequence[float | None]
    colour: str
    is_dashed: bool = False


def line_chart(labels: Sequence[str], lines: Sequence[Line], *, unit: str) -> dict[str, str]:
    """Return what the theme's ``components/chart/line.html`` takes: data and options as JSON text."""
    return {"data": json.dumps(_data(labels, lines)), "options": json.dumps(_options(unit))}


def _data(labels: Sequence[str], lines: Sequence[Line]) -> dict[str, Any]:
    return {
        "labels": list(labels),
        "datasets": [
            {
                "label": line.label,
                "data": list(line.values),
                "borderColor": line.colour,
                "backgroundColor": line.colour,
                "borderWidth": 2,
                "pointRadius": 0,
                "pointHoverRadius": 4,
                "tension": 0,
                **({"borderDash": [6, 4]} if line.is_dashed else {}),
            }
            for line in lines
        ],
    }


def _options(unit: str) -> dict[str, Any]:
    return {
        "animation": False,
        "responsive": True,
        "maintainAspectRatio": False,
        "interaction": {"mode": "index", "intersect": False},
        "plugins": {
            "legend": {
                "display": True,
                "align": "start",
                "labels": {"color": SOFT, "boxWidth": 24, "boxHeight": 1},
            },
            "tooltip": {"enabled": True},
        },
        "scales": {
            "x": {
                "ticks": {"color": SOFT, "maxTicksLimit": 6, "maxRotation": 0, "autoSkip": True},
                "grid": {"display": False},
            },
            "y": {
                "ticks": {"color": SOFT},
                "grid": {"display": True},
                "title": {"display": True, "text": unit, "color": SOFT},
            },
        },
    }
