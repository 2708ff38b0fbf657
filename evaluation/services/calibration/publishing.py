"""From outcomes to a published trust curve: of purchases alone, for entries are all that it sizes."""

from datetime import date, datetime, timedelta
from typing import Any

from django.db import transaction

from evaluation.domain.intervals import Basis
from evaluation.domain.trust_fit import TrustFit, break_even, fit_trust
from evaluation.errors import NotPublishedError
from evaluation.models import CalibrationReport
from evaluation.services.calibration.reports import report_of, store
from evaluation.services.calibration.samples import read_sample
from evaluation.services.calibration.scopes import SPEAKING, ReportScope, scope_of
from evaluation.services.trust import publish_curve
from risk.errors import TrustError
from risk.models import TrustCurve
from trading.market.exchange_calendar import session_closes
from trading.market.market_time import latest_market_time

PUBLISH = "evaluation.publish_trust"
VALID_SESSIONS = 30


def publish_newest(report: CalibrationReport, *, author: str) -> TrustCurve:
    """Publish what all outcomes of a stored report's scope say by now.

    Raises:
        NotPublishedError: as ``publish_trust``.
    """
    scope = scope_of(report)
    newest = report_of(scope)
    if newest is None:
        raise NotPublishedError("no decision of it has an outcome any more")
    return publish_trust(scope, store(newest), author=author)


def publish_trust(scope: ReportScope, report: CalibrationReport, *, author: str) -> TrustCurve:
    """Publish what the outcomes of a scope say its stated confidences are worth at least.

    Args:
        report: stored, of the same scope; it is kept as long as the curve.

    Raises:
        NotPublishedError: these outcomes cannot carry a curve; the message says why.
    """
    if scope.window not in SPEAKING:
        raise NotPublishedError(f"outcomes that lie {scope.window} to the model's training earn no trust")
    now = latest_market_time()
    if now is None:
        raise NotPublishedError("market time is not known yet: the broker's clock was never read")
    sample = read_sample(scope)
    bought = [row for row in sample.wishes if row.action == "buy"]
    if not bought:
        raise NotPublishedError("no purchase has an outcome yet")
    shares = break_even([row.gain for row in bought])
    if shares is None:
        raise NotPublishedError("it takes purchases that gained and purchases that lost")
    basis = Basis(horizon=scope.label_spec.horizon, window=scope.window)
    fit = fit_trust(sample.judged(bought), basis)
    if not fit.knots:
        raise NotPublishedError(fit.reason or "no stated confidence has ten purchases at or above it")
    try:
        with transaction.atomic():  # the report is kept for the curve that rests on it: both or neither
            CalibrationReport.objects.filter(pk=report.pk).update(is_published=True)
            return publish_curve(
                scope=scope.trust_scope,
                knots=fit.knots,
                break_even=shares[0],
                reference=shares[1],
                valid_until=_valid_until(now),
                label_spec=scope.label_spec,
                evidence=_evidence(scope, report, fit),
                author=author,
            )
    except TrustError as error:
        raise NotPublishedError(str(error)) from error


def _evidence(scope: ReportScope, report: CalibrationReport, fit: TrustFit) -> dict[str, Any]:
    """Return from which outcomes a curve was made, as JSON values."""
    return {
        "report": str(report.pk),
        "window": scope.window.value,
        "action": "buy",
        "method": fit.method.value,
        "n": fit.n,
        "n_effective": round(fit.n_effective, 1),
        "sessions": fit.sessions,
        "first_session": report.first_session.isoformat(),
        "last_session": report.last_session.isoformat(),
    }


def _valid_until(now: datetime) -> datetime:
    """Return the close of the thirtieth session from now (market time)."""
    today: date = now.date()
    closes = [
        at for _, at in session_closes(today, today + timedelta(days=2 * VALID_SESSIONS + 10)) if at > now
    ]
    return closes[VALID_SESSIONS - 1]
