"""The evaluator's daily work on calibration: once outcomes of a new session have been resolved."""

from collections.abc import Sequence
from datetime import UTC, datetime

import structlog
from django.db.models import Max
from django.utils import timezone

from evaluation.domain.outcomes import LabelSpec
from evaluation.models import CalibrationReport, JobMark, Outcome
from evaluation.services.calibration.reading import SCOPE
from evaluation.services.calibration.scopes import scopes

log = structlog.get_logger(__name__)
NAME = "calibration"
REPORTS_KEPT = 30  # of each scope, besides those a curve rests on


class CalibrationJob:
    """Makes the reports of all scopes anew, and renews the curves that rest on them."""

    name = NAME
    at_once = 1
    timeout_seconds = 1800.0

    def due(self) -> Sequence[str]:
        """Return the market day of the last resolved outcome, once."""
        last = self._last_resolved()
        if last is None:
            return ()
        mark = JobMark.objects.filter(job=NAME).values_list("market_time", flat=True).first()
        day = last.astimezone(UTC).date()
        return () if mark is not None and mark.astimezone(UTC).date() >= day else (day.isoformat(),)

    def run(self, key: str) -> None:
        """Make and store them; what is stored already is not made twice, for the same outcomes say the same."""
        from evaluation.services.calibration.renewing import renew
        from evaluation.services.calibration.reports import report_of, store

        last = self._last_resolved()
        made = 0
        for scope in scopes(list(LabelSpec)):
            report = report_of(scope)
            if report is not None:
                store(report)
                made += 1
        renewed = renew()
        JobMark.objects.update_or_create(job=NAME, defaults={"market_time": last, "done_at": timezone.now()})
        log.info("calibration_reported", reports=made, renewed=renewed, forgotten=forget_old(), day=key)

    def _last_resolved(self) -> datetime | None:
        last: datetime | None = Outcome.objects.aggregate(last=Max("resolved_at"))["last"]
        return last


def forget_old() -> int:
    """Delete reports that newer ones have replaced, all but the last thirty of a scope; return how many."""
    kept: dict[tuple[object, ...], int] = {}
    old = []
    rows = CalibrationReport.objects.filter(is_published=False).order_by("-created_at")
    for pk, *scope in rows.values_list("pk", *SCOPE).iterator():
        kept[tuple(scope)] = kept.get(tuple(scope), 0) + 1
        if kept[tuple(scope)] > REPORTS_KEPT:
            old.append(pk)
    return CalibrationReport.objects.filter(pk__in=old).delete()[0]
