"""A report for a terminal, and as JSON values."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from evaluation.domain.figures import Figure
from evaluation.models import CalibrationReport
from evaluation.services.calibration.reading import NOTHING_YET, strategy_names
from risk.domain.trust import ANY

SHOWN = {
    "base_rate": "right",
    "mean_confidence": "stated, on average",
    "overconfidence": "stated less right",
    "gain": "mean gain of a decision, after costs",
    "information_coefficient": "information coefficient",
    "brier": "Brier score",
    "brier_skill": "Brier skill against the base rate",
    "debiased_ece": "expected calibration error",
    "auc": "AUC",
    "cox_slope": "Cox slope",
}
Curves = Mapping[str, int | str]


def as_json(reports: Sequence[CalibrationReport], curves: Curves) -> dict[str, Any]:
    """Return the reports as REST shows them, with the version of the curve of each, or why there is none."""
    names = strategy_names(report.strategy_id for report in reports)
    return {"reports": [report_json(each, _name(each, names)) | _published(each, curves) for each in reports]}


def report_json(report: CalibrationReport, strategy: str) -> dict[str, Any]:
    """Return one report, of the strategy of this name; "": of any."""
    parts = report.parts
    return {
        "id": str(report.pk),
        "model": report.model,
        "answeredModel": report.answered_model,
        "strategyId": report.strategy_id and str(report.strategy_id),
        "strategy": strategy,
        "promptVersion": report.prompt_version,
        "label": report.label_spec,
        "window": report.window,
        "firstSession": report.first_session.isoformat(),
        "lastSession": report.last_session.isoformat(),
        "sessions": parts["sessions"],
        "decisions": report.decisions,
        "verdict": {
            "standing": parts["verdict"]["standing"],
            "sentence": parts["verdict"]["sentence"],
            "sessionsUntilTold": parts["verdict"]["sessions_until_told"],
            "earliest": parts["verdict"]["earliest"],
            "confidence": parts["verdict"]["confidence"],
        },
        "figures": report.figures,
        "neweyWestT": parts["newey_west_t"],
        "bins": report.bins,
        "curve": [_point(each) for each in report.curve],
        "recalibration": parts["recalibration"],
        "coverageRisk": parts["coverage_risk"],
        "byAction": parts["by_action"],
        "missed": parts["missed"],
        "refusals": {
            "passed": parts["refusals"]["passed"],
            "denied": parts["refusals"]["denied"],
            "difference": parts["refusals"]["difference"],
            "byReason": parts["refusals"]["by_reason"],
        },
        "unresolvable": parts["unresolvable"],
        "waiting": parts["waiting"],
        "nextAt": parts["next_at"],
        "createdAt": report.created_at.isoformat(),
    }


def _point(point: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "confidence": point["confidence"],
        "calibrated": point["calibrated"],
        "bandLow": point["band_low"],
        "bandHigh": point["band_high"],
        "count": point["count"],
    }


def as_lines(reports: Sequence[CalibrationReport], curves: Curves) -> Iterator[str]:
    """Yield the lines of a terminal."""
    if not reports:
        yield NOTHING_YET
    names = strategy_names(report.strategy_id for report in reports)
    for report in reports:
        yield from _lines(report, names)
        said = curves.get(str(report.pk))
        if said is not None:
            yield (
                f"  trust: version {said} published"
                if isinstance(said, int)
                else f"  trust: not published, {said}"
            )
        yield ""


def _lines(report: CalibrationReport, names: Mapping[Any, str]) -> Iterator[str]:
    parts = report.parts
    yield f"{title(report, _name(report, names))}: {report.decisions} decisions in {parts['sessions']} sessions"
    yield f"  {parts['verdict']['sentence']}"
    if parts["verdict"]["confidence"]:
        yield f"  confidence: {parts['verdict']['confidence']}"
    for name, label in SHOWN.items():
        yield f"  {label:38} {figure_words(Figure.from_json(report.figures[name]))}"
    worth = Figure.from_json(parts["refusals"]["difference"])
    yield f"  {'passed less denied by the gate':38} {figure_words(worth)}"
    yield f"  {'held, and a purchase was right':38} {figure_words(Figure.from_json(parts['missed']))}"
    odd = ", ".join(f"{count} {reason}" for reason, count in parts["unresolvable"].items())
    if odd:
        yield f"  without an outcome for good: {odd}"
    if parts["waiting"]:
        yield f"  {parts['waiting']} still to come, the next at {parts['next_at']}"


def _name(report: CalibrationReport, names: Mapping[Any, str]) -> str:
    return names.get(report.strategy_id, "a strategy that is gone") if report.strategy_id else ""


def title(report: CalibrationReport, strategy: str) -> str:
    """Return whose report it is, in words."""
    words = [report.model]
    if report.answered_model and report.answered_model != report.model:
        words.append(f"answering as {report.answered_model}")
    if report.strategy_id is not None:
        words.append(strategy)
    if report.prompt_version != ANY:
        words.append(report.prompt_version)
    return ", ".join([*words, report.label_spec, report.window])


def figure_words(figure: Figure) -> str:
    """Return a figure with its doubt: ``0.042 [0.010, 0.071], n 312 (41 effective)``."""
    if figure.value is None:
        return f"not known: {figure.reason}"
    return (
        f"{figure.value:.4f} [{figure.low:.4f}, {figure.high:.4f}],"
        f" n {figure.n} ({figure.n_effective:.0f} effective)"
    )


def _published(report: CalibrationReport, curves: Curves) -> dict[str, Any]:
    said = curves.get(str(report.pk))
    if said is None:
        return {}
    return {"trustVersion": said} if isinstance(said, int) else {"trustVersion": None, "notPublished": said}
