"""How well it does: curve, falls, months, and what each strategy, model, symbol or exit came to."""

import csv
import io
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse, QueryDict
from django.urls import reverse

from trading.admin.pages import console_page, require
from trading.domain.performance.figures import Figure
from trading.market.exchange_calendar import NEW_YORK
from trading.models import EquitySnapshot
from trading.performance.curves import CurvePoint, curve_points, equity_of_the_session, returns_by_year
from trading.performance.rendering import after_cost, as_csv
from trading.performance.report import GROUPS, performance
from trading.performance.rows import Row

PAGE = "trading_equitysnapshot_performance"
VIEW = "trading.view_equitysnapshot"
PERIODS: Mapping[str, tuple[str, int | None]] = {
    "day": ("Day", 0),
    "week": ("Week", 7),
    "month": ("Month", 30),
    "quarter": ("Quarter", 91),
    "year": ("Year", 365),
    "all": ("All", None),
}
WORDS_OF_GROUP = {
    "strategy": "Strategy",
    "model": "Model",
    "prompt": "Prompt version",
    "symbol": "Symbol",
    "exit": "Exit reason",
    "decision": "Decision",
    "day": "Day",
    "holding": "Holding time",
    "confidence": "Confidence",
}
# Shares of 1 that are written in percent; the rest are plain numbers.
IN_PERCENT = frozenset(
    [
        "total_return",
        "cagr",
        "volatility",
        "max_drawdown",
        "downside_risk",
        "hit_rate",
        "value_at_risk_95",
        "conditional_value_at_risk_95",
        "benchmark_return",
        "excess_return",
        "alpha",
        "tracking_error",
        "win_rate",
        "account_return",
        "exposure",
    ]
)
TITLES = {"cagr": "CAGR", "slippage_bps": "Slippage, bps", "holding_hours": "Holding time, hours"}
MOST_ROWS = 200


class Chosen(forms.Form):
    """What the address says: the time, the groups, and whether it is to be taken away as a file."""

    period = forms.ChoiceField(
        choices=[(name, words) for name, (words, _) in PERIODS.items()], required=False
    )
    by = forms.ChoiceField(choices=[(name, name) for name in GROUPS], required=False)
    csv = forms.ChoiceField(choices=[("rows", "rows"), ("curve", "curve")], required=False)


def performance_view(request: HttpRequest) -> HttpResponse:
    """Show the report of a time; what the address has that is none of the choices is taken for the default."""
    require(request, VIEW)
    form = Chosen(request.GET)
    form.is_valid()
    period, by = form.cleaned_data.get("period") or "all", form.cleaned_data.get("by") or "strategy"
    wanted = form.cleaned_data.get("csv")
    report = performance(first=_first_day(period), by=by, most=None if wanted == "rows" else MOST_ROWS)
    points = curve_points(report.curve, report.benchmark)
    if wanted:
        return _file(
            f"performance-{period}-{wanted}.csv", as_csv(report) if wanted == "rows" else _curve_csv(points)
        )
    rows = sorted(report.rows, key=lambda row: row.earned, reverse=by != "day")[:MOST_ROWS]
    context = {
        "title": "Performance",
        "report": report,
        "after_cost": after_cost(report),
        "points": points,
        "chart": _chart(points, period),
        "years": returns_by_year(report.curve),
        "months": [date(2000, month, 1) for month in range(1, 13)],
        "bins": report.bins,
        "rows": [(row, _width(row, report.widest)) for row in rows],
        "has_more_rows": report.groups > len(rows),
        "figures": [
            (_title(name), each, name in IN_PERCENT)
            for name, each in report.figures.items()
            if each.value is not None
        ],
        "unknown": _unknown(report.figures),
        "by_words": WORDS_OF_GROUP[by],
        "periods": [
            (words, _link(request, period=name), name == period) for name, (words, _) in PERIODS.items()
        ],
        "groups": [(WORDS_OF_GROUP[name], _link(request, by=name), name == by) for name in GROUPS],
        "files": {name: _link(request, csv=name) for name in ("rows", "curve")},
    }
    return console_page(request, "console/performance.html", context)


def _first_day(period: str) -> date | None:
    """Return the first session of the time, counted back from the newest; None: all that is on record."""
    days = PERIODS[period][1]
    newest = EquitySnapshot.objects.newest() if days is not None else None
    if days is None or newest is None or newest.market_time is None:
        return None
    return newest.market_time.astimezone(NEW_YORK).date() - timedelta(days=days)


def _chart(points: list[CurvePoint], period: str) -> dict[str, Any]:
    """Return what the script draws: of less than two closes the syncs within the session."""
    if period == "day" or len(points) < 2:
        line = [{"time": int(at), "value": value} for at, value in equity_of_the_session()]
        return {"isWithinDay": True, "series": [_series("equity", "area", "main", line)]}
    day = [f"{point.day}" for point in points]
    equity = [{"time": at, "value": point.equity} for at, point in zip(day, points, strict=True)]
    falls = [{"time": at, "value": point.fall * 100} for at, point in zip(day, points, strict=True)]
    market = [
        {"time": at, "value": point.benchmark}
        for at, point in zip(day, points, strict=True)
        if point.benchmark is not None
    ]
    return {
        "isWithinDay": False,
        "series": [
            _series("equity", "area", "main", equity),
            _series("benchmark", "line", "other", market) | {"isDashed": True},
            _series("below its peak", "histogram", "loss", falls) | {"pane": 1, "unit": "%"},
        ],
    }


def _series(name: str, kind: str, colour: str, points: list[dict[str, Any]]) -> dict[str, Any]:
    return {"name": name, "kind": kind, "colour": colour, "points": points, "places": 2, "unit": "USD"}


def _title(name: str) -> str:
    return TITLES.get(name) or name.replace("_", " ").capitalize()


def _unknown(figures: Mapping[str, Figure]) -> list[tuple[str, str]]:
    """Return why some are not known, each reason once with their names."""
    found: dict[str, list[str]] = {}
    for name, each in figures.items():
        if each.value is None:
            found.setdefault(each.reason, []).append(_title(name))
    return [(reason, ", ".join(names)) for reason, names in found.items()]


def _width(row: Row, widest: Decimal) -> float:
    """Return the length of the row's bar in percent of the longest, which earned or lost ``widest``."""
    return float(abs(row.earned) / widest * 100) if widest else 0.0


def _link(request: HttpRequest, **changes: str) -> str:
    query = QueryDict(mutable=True)
    query.update({name: request.GET[name] for name in ("period", "by") if name in request.GET})
    for name, value in changes.items():
        query[name] = value
    return f"{reverse(f'admin:{PAGE}')}?{query.urlencode()}"


def _file(name: str, text: str) -> HttpResponse:
    response = HttpResponse(text, content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _curve_csv(points: list[CurvePoint]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["day", "equity_usd", "below_peak", "benchmark_usd"])
    writer.writerows(_curve_rows(points))
    return out.getvalue()


def _curve_rows(points: list[CurvePoint]) -> Iterator[list[str]]:
    for point in points:
        benchmark = "" if point.benchmark is None else f"{point.benchmark:.2f}"
        yield [f"{point.day}", f"{point.equity:.2f}", f"{point.fall:.6f}", benchmark]
