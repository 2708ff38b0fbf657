"""The newest reports, for pages, REST and the dashboard."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.db.models import OuterRef, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce

from evaluation.models import CalibrationReport
from evaluation.services.calibration.scopes import DEFAULT_LABEL
from risk.domain.trust import ANY
from trading.models import Strategy

SCOPE = ("label_spec", "model", "answered_model", "window", "strategy_id", "prompt_version")
NOTHING_YET = "Too early to say: no decision has an outcome yet."


def newest(**scope: Any) -> QuerySet[CalibrationReport]:
    """Return the newest report of each scope, each with its strategy's name as ``strategy_name``; "" of any.

    Args:
        scope: what of it is given, by the names of ``SCOPE``; None: there is none.
    """
    wanted = CalibrationReport.objects.filter(**scope)
    latest = wanted.order_by(*SCOPE, "-created_at").distinct(*SCOPE)
    name = Strategy.objects.filter(pk=OuterRef("strategy_id")).values("name")
    found = CalibrationReport.objects.filter(pk__in=latest.values("pk"))
    return found.annotate(strategy_name=Coalesce(Subquery(name), Value("")))


def newest_of(report: CalibrationReport) -> CalibrationReport:
    """Return the newest report of the scope of one."""
    of_scope = CalibrationReport.objects.filter(**{name: getattr(report, name) for name in SCOPE})
    return of_scope.latest("last_session", "created_at")


def leading() -> CalibrationReport | None:
    """Return the report that speaks for the agent: of who decided last, with most decisions, whole."""
    whole = newest(label_spec=DEFAULT_LABEL, strategy_id=None, prompt_version=ANY)
    return whole.order_by("-last_session", "-decisions").first()


def strategy_names(ids: Iterable[UUID | None]) -> dict[UUID, str]:
    """Return strategies' names by id."""
    wanted = {each for each in ids if each is not None}
    return dict(Strategy.objects.filter(pk__in=wanted).values_list("pk", "name"))
