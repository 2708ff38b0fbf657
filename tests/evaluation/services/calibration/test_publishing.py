"""Curves come of outcomes that may speak, of purchases, and of as many as they need."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from evaluation.domain.figures import Window
from evaluation.domain.outcomes import LabelSpec
from evaluation.errors import NotPublishedError
from evaluation.models import CalibrationReport
from evaluation.services.calibration.publishing import publish_trust
from evaluation.services.calibration.reports import report_of, store
from evaluation.services.calibration.scopes import ReportScope
from risk.domain.trust import Scope, Standing, in_force, trust_of
from risk.models import TrustCurve
from risk.services.trust import curves
from tests.evaluation.services.agents import live
from tests.evaluation.services.years import BUILTIN
from tests.factories import make_agent
from trading.models import Event

pytestmark = pytest.mark.django_db
NOW = timezone.now()
FLOOR = Decimal("0.25")


@pytest.fixture(autouse=True)
def market_time(db: None) -> None:
    make_agent(market_time=NOW, market_time_read_at=NOW)


def published(
    model: str = BUILTIN, answered: str = "", window: str = "untrained", author: str = "test"
) -> TrustCurve:
    scope = ReportScope(model, answered, LabelSpec.FIVE_SESSIONS, Window(window))
    report = report_of(scope)
    assert report is not None
    return publish_trust(scope, store(report), author=author)


def test_a_curve_that_is_refused_keeps_no_report() -> None:
    live(120, right=lambda stated: stated)

    with pytest.raises(NotPublishedError, match="author: was"):
        published(author="")

    assert not CalibrationReport.objects.filter(is_published=True).exists()
    assert (curves(), Event.objects.filter(type="trust.published").exists()) == ((), False)


def test_a_skilled_agent_earns_more_than_the_floor_and_the_report_is_kept() -> None:
    live(120, right=lambda stated: stated)

    row = published()

    assert row.scope == Scope(BUILTIN, "*", "*", "")
    assert row.label_spec == "excess-5s-v1"
    assert (row.evidence["n"], row.evidence["sessions"], row.evidence["action"]) == (1200, 120, "buy")
    assert Event.objects.get(type="trust.published").payload["version"] == row.version
    report = CalibrationReport.objects.get(pk=row.evidence["report"])
    assert report.is_published
    assert NOW + timedelta(days=40) < row.valid_until < NOW + timedelta(days=50)
    found = trust_of(Decimal("0.9"), in_force(curves(), row.scope), now=NOW, floor=FLOOR)
    assert found.standing is Standing.EARNED
    assert found.factor > Decimal("0.8")


def test_an_overconfident_agent_stays_at_the_floor() -> None:
    live(60, right=lambda _: 0.5)

    row = published()

    found = trust_of(Decimal("0.95"), in_force(curves(), row.scope), now=NOW, floor=FLOOR)
    assert (found.standing, found.factor) == (Standing.EARNED, FLOOR)


@pytest.mark.parametrize("window", ["inside", "grey"])
def test_what_a_language_model_may_remember_changes_no_curve(window: str) -> None:
    live(120, right=lambda _: 0.95, model="openai/a", answered_model="a-1", window=window)

    with pytest.raises(NotPublishedError, match=f"that lie {window} to the model's training earn no trust"):
        published("openai/a", "a-1", window)

    assert not TrustCurve.objects.exists()


def test_clean_outcomes_count_beside_those_inside_and_never_with_them() -> None:
    live(120, right=lambda _: 0.95, model="openai/a", answered_model="a-1", window="inside")
    live(
        60,
        right=lambda _: 0.5,
        model="openai/a",
        answered_model="a-1",
        window="clean",
        first=date(2026, 8, 3),
    )

    row = published("openai/a", "a-1", "clean")

    assert (row.evidence["n"], row.evidence["window"]) == (600, "clean")
    found = trust_of(Decimal("0.95"), row.to_curve(), now=NOW, floor=FLOOR)
    assert found.factor == FLOOR


def test_a_model_that_answers_as_another_starts_at_the_floor() -> None:
    live(120, right=lambda stated: stated, model="openai/a", answered_model="a-1", window="clean")
    row = published("openai/a", "a-1", "clean")
    assert trust_of(Decimal("0.9"), row.to_curve(), now=NOW, floor=FLOOR).factor > FLOOR

    changed = in_force(curves(), Scope("openai/a", "*", "decisions-v2", "a-2"))

    found = trust_of(Decimal("0.9"), changed, now=NOW, floor=FLOOR)
    assert (found.standing, found.factor) == (Standing.MISSING, FLOOR)


def test_sales_earn_entries_nothing() -> None:
    live(60, right=lambda _: 0.95, actions=("sell",))

    with pytest.raises(NotPublishedError, match="no purchase has an outcome yet"):
        published()


def test_too_few_sessions_carry_no_curve() -> None:
    live(12, right=lambda stated: stated)

    with pytest.raises(NotPublishedError, match="12 of at least 30 sessions"):
        published()
