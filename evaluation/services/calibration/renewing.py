"""Trust curves that a person published are kept up as outcomes come: a curve of old outcomes expires."""

import structlog

from evaluation.errors import NotPublishedError
from evaluation.models import CalibrationReport
from evaluation.services.calibration.publishing import publish_newest
from evaluation.services.calibration.reading import newest_of
from risk.models import TrustCurve
from risk.services.trust import rows_in_force
from trading.market.exchange_calendar import session_closes

log = structlog.get_logger(__name__)
RENEWED_BY = "evaluator"
AFTER_SESSIONS = 5  # of new outcomes: a week of them


def renew() -> int:
    """Publish the next version of each curve in force whose scope has outcomes of five more sessions; return how many.

    Only of scopes that a person has published once, and of the same label. One that its newest outcomes can no longer
    carry stays until it expires: its scope then has the floor.
    """
    renewed = 0
    for curve in rows_in_force():
        report = _newer_report(curve)
        if report is None:
            continue
        try:
            row = publish_newest(report, author=RENEWED_BY)
        except NotPublishedError as error:
            log.warning("trust_not_renewed", version=curve.version, model=curve.model, reason=str(error))
            continue
        renewed += 1
        log.info("trust_renewed", version=row.version, replaces=curve.version, model=curve.model)
    return renewed


def _newer_report(curve: TrustCurve) -> CalibrationReport | None:
    """Return the newest report of a curve's scope, None where it is hardly newer, or the curve rests on no report."""
    rested_on = CalibrationReport.objects.filter(pk=curve.evidence.get("report")).first()
    if rested_on is None:
        return None
    report = newest_of(rested_on)
    between = session_closes(rested_on.last_session, report.last_session)
    return report if len(between) > AFTER_SESSIONS else None
