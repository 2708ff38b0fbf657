"""Reliability and coverage against risk for the theme's Chart.js: a person points at a place and reads it."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from evaluation.admin.line_charts import SOFT

OBSERVED, CURVE, MENDED, BAND = "#2563eb", "#0d9488", "#d97706", "rgba(13, 148, 136, 0.16)"
COUNT = "rgba(156, 163, 175, 0.35)"
NONE = "rgba(0, 0, 0, 0)"
UNNAMED = ""  # the lower edge of a band, which the legend leaves out
Point = dict[str, float]


def reliability_chart(report: Mapping[str, Any]) -> dict[str, str]:
    """Return stated against observed: bins with their intervals and counts, the curve with its band, what is mended."""
    bins, curve = report["bins"], report["curve"]
    mended = report["recalibration"]
    sets = [
        _line("as stated", [{"x": 0.0, "y": 0.0}, {"x": 1.0, "y": 1.0}], SOFT, borderDash=[6, 4]),
        _line(UNNAMED, [_at(each["confidence"], each["bandLow"]) for each in curve], NONE),
        _line(
            "90 % band",
            [_at(each["confidence"], each["bandHigh"]) for each in curve],
            NONE,
            backgroundColor=BAND,
            fill="-1",
        ),
        _line("reliability curve", [_at(each["confidence"], each["calibrated"]) for each in curve], CURVE),
    ]
    if mended["method"] != "stated":
        sets.append(_line(f"mended by {mended['method']}", [_at(x, y) for x, y in mended["points"]], MENDED))
    sets += [
        _dots("observed", [_at(each["stated"], each["observed"]) for each in bins], OBSERVED, pointRadius=5),
        _dots(
            "95 %",
            [_at(each["stated"], each[end]) for each in bins for end in ("low", "high")],
            OBSERVED,
            pointStyle="line",
            pointRadius=6,
            borderWidth=2,
        ),
        {
            "type": "bar",
            "label": "decisions",
            "data": [_at(each["stated"], each["count"]) for each in bins],
            "backgroundColor": COUNT,
            "barThickness": 10,
            "yAxisID": "n",
            "order": 10,
        },
    ]
    return _chart(sets, x="stated", y="observed", counts=max([each["count"] for each in bins], default=1))


def coverage_chart(points: Sequence[Mapping[str, Any]]) -> dict[str, str] | None:
    """Return the share wrong of the surest decisions; None where no share is known."""
    known = [each for each in points if each["wrong"]["value"] is not None]
    if not known:
        return None
    sets = [
        _line(name, [_at(each["coverage"], each["wrong"][end]) for each in known], NONE, **more)
        for name, end, more in (
            (UNNAMED, "low", {}),
            ("95 %", "high", {"backgroundColor": BAND, "fill": "-1"}),
        )
    ]
    wrong = [_at(each["coverage"], each["wrong"]["value"]) for each in known]
    sets.append(_line("wrong", wrong, OBSERVED, pointRadius=3))
    return _chart(sets, x="share of decisions kept, the surest first", y="share wrong")


def _at(x: float, y: float) -> Point:
    return {"x": round(x, 4), "y": round(y, 4)}


def _line(label: str, data: Sequence[Point], colour: str, **more: Any) -> dict[str, Any]:
    plain = {
        "label": label,
        "data": list(data),
        "borderColor": colour,
        "backgroundColor": colour,
        "borderWidth": 2,
        "pointRadius": 0,
        "pointHoverRadius": 4,
        "tension": 0,
    }
    return plain | more


def _dots(label: str, data: Sequence[Point], colour: str, **more: Any) -> dict[str, Any]:
    return _line(label, data, colour, showLine=False, **more)


def _chart(sets: Sequence[Mapping[str, Any]], *, x: str, y: str, counts: int | None = None) -> dict[str, str]:
    scales: dict[str, Any] = {"x": _share(x), "y": _share(y)}
    if counts is not None:  # low in the picture: the counts are its floor
        scales["n"] = {"position": "right", "min": 0, "max": 4 * counts, "display": False}
    options = {
        "animation": False,
        "responsive": True,
        "maintainAspectRatio": False,
        "interaction": {"mode": "nearest", "axis": "x", "intersect": False},
        "plugins": {
            "legend": {
                "display": True,
                "align": "start",
                "labels": {"color": SOFT, "boxWidth": 12, "boxHeight": 8, "font": {"size": 11}},
            },
            "tooltip": {"enabled": True},
        },
        "scales": scales,
    }
    return {"data": json.dumps({"datasets": list(sets)}), "options": json.dumps(options)}


def _share(title: str) -> dict[str, Any]:
    return {
        "type": "linear",
        "min": 0,
        "max": 1,
        "ticks": {"color": SOFT, "stepSize": 0.2},
        "grid": {"display": True},
        "title": {"display": True, "text": title, "color": SOFT},
    }
