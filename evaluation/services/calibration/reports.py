"""Make the report of a scope, store it, and find the newest ones."""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date, timedelta
from typing import Any

from evaluation.domain.calibration import calibration_report, information_coefficient
from evaluation.domain.figures import Figure, unknown
from evaluation.domain.intervals import Basis, linear_figure, mean_figure, share_figure
from evaluation.domain.outcomes import signed_confidence
from evaluation.domain.recalibration import LEVELS, choose
from evaluation.domain.verdict import (
    LEAST_DECISIONS,
    LEAST_SESSIONS,
    Confidence,
    Evidence,
    Standing,
    confidence_of,
    verdict_line,
)
from evaluation.models import CalibrationReport, Outcome
from evaluation.services.calibration.samples import Row, Sample, read_sample, reasons, trials
from evaluation.services.calibration.scopes import SPEAKING, ReportScope
from trading.market.exchange_calendar import session_closes

MOST_REASONS = 8


def report_of(scope: ReportScope) -> CalibrationReport | None:
    """Return the report of a scope, unsaved; None where nothing of it has an outcome yet."""
    sample = read_sample(scope)
    if not sample.rows:
        return None
    basis = Basis(horizon=scope.label_spec.horizon, window=scope.window)
    wishes = sample.wishes
    found = calibration_report(sample.judged(wishes), basis)
    gain = _mean([row.gain for row in wishes], sample.sessions(wishes), basis)
    firsts = sample.firsts
    coefficient = information_coefficient(
        _floats(signed_confidence(row.action, row.confidence) for row in firsts),
        _floats(row.excess for row in firsts),
        _numbers(sample.sessions(firsts)),
        basis,
    )
    figures = {**found.figures, "gain": gain, "information_coefficient": coefficient.mean}
    sessions = len({row.session for row in wishes})
    parts = {
        "sessions": sessions,
        "newey_west_t": coefficient.newey_west_t,
        "lags": coefficient.lags,
        "recalibration": _recalibration(sample, figures, basis),
        "coverage_risk": [
            {"threshold": point.threshold, "coverage": point.coverage, "wrong": point.wrong.to_json()}
            for point in found.coverage_risk
        ],
        "by_action": {action: _of_action(sample, action, basis) for action in ("buy", "sell")},
        "missed": _missed(sample, basis).to_json(),
        "refusals": _refusals(sample, basis),
        "unresolvable": dict(sorted(sample.unresolvable.items())),
        "waiting": sample.waiting,
        "next_at": sample.next_at and sample.next_at.isoformat(),
        "verdict": _verdict(scope, sample, figures, sessions),
    }
    return _row(scope, sample, figures, [asdict(each) for each in found.bins], found.curve, parts)


def store(report: CalibrationReport) -> CalibrationReport:
    """Store a report; the same made again is the one that is there."""
    found, _ = CalibrationReport.objects.get_or_create(
        sha256=report.sha256,
        defaults={
            field.attname: getattr(report, field.attname)
            for field in CalibrationReport._meta.concrete_fields
            if field.attname not in ("id", "sha256")
        },
    )
    return found


def _row(
    scope: ReportScope,
    sample: Sample,
    figures: Mapping[str, Figure],
    bins: Sequence[Mapping[str, Any]],
    curve: Sequence[Any],
    parts: Mapping[str, Any],
) -> CalibrationReport:
    days = [row.session for row in sample.rows]
    report = CalibrationReport(
        model=scope.model,
        answered_model=scope.answered_model,
        strategy_id=scope.strategy_id,
        prompt_version=scope.prompt_version,
        label_spec=scope.label_spec,
        window=scope.window,
        first_session=min(days),
        last_session=max(days),
        decisions=len(sample.wishes),
        figures={name: figure.to_json() for name, figure in figures.items()},
        bins=list(bins),
        curve=[asdict(point) for point in curve],
        parts=dict(parts),
    )
    said = [
        report.model, report.answered_model, str(report.strategy_id), report.prompt_version, report.label_spec,
        report.window, str(report.first_session), str(report.last_session), report.figures, report.bins,
        report.curve, report.parts,
    ]  # fmt: skip
    report.sha256 = hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
    return report


def _recalibration(sample: Sample, figures: Mapping[str, Figure], basis: Basis) -> dict[str, Any]:
    """Return the map that has earned its use by what came later, and what each that was tried lost there."""
    wishes = sample.wishes
    if not wishes:
        return {"method": "stated", "gain": 0.0, "tried": [], "points": []}
    effective = figures["base_rate"].n_effective or float(len(set(sample.sessions(wishes))))
    found = choose(sample.judged(wishes), purge=basis.horizon, n_effective=effective)
    stated = sorted({round(float(row.confidence), 2) for row in wishes})
    points = [[each, found.probabilities[round(each * (LEVELS - 1))]] for each in stated]
    tried = [[method.value, loss] for method, loss in found.tried]
    return {"method": found.method.value, "gain": found.gain, "tried": tried, "points": points}


def _of_action(sample: Sample, action: str, basis: Basis) -> dict[str, Any]:
    rows = [row for row in sample.wishes if row.action == action]
    sessions = sample.sessions(rows)
    right = [float(bool(row.right)) for row in rows]
    over = [float(row.confidence) - hit for row, hit in zip(rows, right, strict=True)]
    brier = [each**2 for each in over]
    return {
        "base_rate": (share_figure(right, sessions, basis) if rows else _none(basis)).to_json(),
        "overconfidence": _mean(over, sessions, basis).to_json(),
        "brier": _mean(brier, sessions, basis).to_json(),
        "gain": _mean([row.gain for row in rows], sessions, basis).to_json(),
    }


def _missed(sample: Sample, basis: Basis) -> Figure:
    """Return the share of holds after which a purchase would have been right."""
    holds = [row for row in sample.firsts if row.action == "hold"]
    hits = [float(bool(row.missed)) for row in holds]
    return (
        share_figure(hits, sample.sessions(holds), basis)
        if holds
        else _none(basis, "no hold has an outcome yet")
    )


def _refusals(sample: Sample, basis: Basis) -> dict[str, Any]:
    """Return what the gate's refusals were worth: the mean gain of purchases it let through, less of those it denied.

    Purchases alone: a denied sale keeps what is held, and there are few.
    """
    bought = [row for row in sample.wishes if row.action == "buy"]
    passed = [row for row in bought if row.verdict == Outcome.Verdict.PASSED]
    denied = [row for row in bought if row.verdict == Outcome.Verdict.DENIED]
    by_reason = [
        {
            "reason": reason,
            "gain": _gain([row for row in denied if row.verdict_reason == reason], sample, basis),
        }
        for reason in reasons(denied)[:MOST_REASONS]
    ]
    return {
        "passed": _gain(passed, sample, basis),
        "denied": _gain(denied, sample, basis),
        "difference": _difference(passed, denied, sample, basis).to_json(),
        "by_reason": by_reason,
    }


def _difference(ours: Sequence[Row], theirs: Sequence[Row], sample: Sample, basis: Basis) -> Figure:
    """Return the difference of two groups' mean gains, of which sessions have any share."""
    if not ours or not theirs:
        return _none(basis, "it takes purchases that passed and purchases that were denied")
    import numpy as np

    both = [*ours, *theirs]
    gains, n, first = _floats(row.gain for row in both), len(both), len(ours)
    means = (float(gains[:first].mean()), float(gains[first:].mean()))
    influence = np.concatenate(
        [(gains[:first] - means[0]) * (n / first), -(gains[first:] - means[1]) * (n / (n - first))]
    )
    return linear_figure(means[0] - means[1], influence, sample.sessions(both), basis)


def _gain(rows: Sequence[Row], sample: Sample, basis: Basis) -> dict[str, Any]:
    return _mean([row.gain for row in rows], sample.sessions(rows), basis).to_json()


def _verdict(
    scope: ReportScope, sample: Sample, figures: Mapping[str, Figure], sessions: int
) -> dict[str, Any]:
    line = verdict_line(
        Evidence(
            sessions=sessions,
            decisions=len(sample.wishes),
            excess=figures["gain"],
            coefficient=figures["information_coefficient"],
            trials=trials(scope, sample),
        )
    )
    speaks = scope.window in SPEAKING
    earliest = _earliest(scope, sample, sessions) if speaks and line.standing is Standing.EARLY else None
    coming = f" It could be said from {earliest} on." if earliest else ""
    stated = confidence_of(figures["overconfidence"], sessions=sessions) if speaks else Confidence.EARLY
    return {
        "standing": line.standing.value,
        "sentence": f"{line.sentence}{coming}",
        "earliest": earliest and earliest.isoformat(),
        "sessions_until_told": line.sessions_until_told,
        "confidence": stated.value,
    }


def _earliest(scope: ReportScope, sample: Sample, sessions: int) -> date | None:
    """Return the session whose close could bring the first verdict, if each has as many decisions as those before."""
    wishes = sample.wishes
    if not wishes:
        return None
    by_count = math.ceil(LEAST_DECISIONS * sessions / len(wishes))
    basis = Basis(horizon=scope.label_spec.horizon)
    needed = max(LEAST_SESSIONS, basis.sessions_needed, by_count) + scope.label_spec.horizon
    first = min(row.session for row in wishes)
    listed = session_closes(first, first + timedelta(days=2 * needed + 10))
    return listed[needed - 1][0]


def _mean(values: Sequence[Any], sessions: Sequence[int], basis: Basis) -> Figure:
    return mean_figure([float(each) for each in values], sessions, basis) if values else _none(basis)


def _none(basis: Basis, why: str = "no decision has an outcome yet") -> Figure:
    return unknown(why, window=basis.window)


def _floats(values: Any) -> Any:
    import numpy as np

    return np.asarray([float(each) for each in values], dtype=np.float64)


def _numbers(values: Sequence[int]) -> Any:
    import numpy as np

    return np.asarray(values, dtype=np.int64)
