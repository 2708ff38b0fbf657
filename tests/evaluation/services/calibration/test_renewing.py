"""What a person has published once is kept up as outcomes come, and nothing else is."""

from datetime import date, timedelta

import pytest
from django.utils import timezone
from structlog.testing import capture_logs

from evaluation.models import CalibrationReport, Outcome
from evaluation.services.calibration.job import CalibrationJob
from evaluation.services.calibration.publishing import publish_newest
from evaluation.services.calibration.renewing import RENEWED_BY, renew
from risk.models import TrustCurve
from tests.evaluation.services.agents import FIRST, live
from tests.factories import make_agent, make_trust_curve
from trading.market.exchange_calendar import session_closes

pytestmark = pytest.mark.django_db
NOW = timezone.now()


@pytest.fixture(autouse=True)
def market_time(db: None) -> None:
    make_agent(market_time=NOW, market_time_read_at=NOW)


def sessions(first: date, count: int) -> None:
    live(count, right=lambda stated: stated, first=first, seed=count)


def after(count: int) -> date:
    """Return the day of the session that comes ``count`` after the first."""
    return session_closes(FIRST, FIRST + timedelta(days=2 * count + 10))[count][0]


def reported() -> CalibrationReport:
    CalibrationJob().run("today")
    return CalibrationReport.objects.filter(label_spec="excess-5s-v1").latest("last_session")


def test_a_curve_is_renewed_once_a_week_of_new_outcomes_is_there() -> None:
    sessions(FIRST, 60)
    published = publish_newest(reported(), author="ann")

    sessions(after(60), 4)
    reported()
    assert list(TrustCurve.objects.values_list("author", flat=True)) == ["ann"], "four sessions are no week"

    sessions(after(64), 1)
    report = reported()

    newest = TrustCurve.objects.latest("version")
    assert (newest.author, newest.scope) == (RENEWED_BY, published.scope)
    assert newest.evidence["report"] == str(report.pk)
    assert (published.evidence["n"], newest.evidence["n"]) == (600, 650)
    assert renew() == 0, "it is new now"


def test_what_nobody_published_or_rests_on_no_report_is_left_alone() -> None:
    foreign = make_trust_curve(model="m", evidence={"n": 500})
    sessions(FIRST, 60)
    reported()

    assert renew() == 0
    assert list(TrustCurve.objects.values_list("version", flat=True)) == [foreign.version]


def test_a_curve_that_can_no_longer_be_made_stays_and_the_log_says_why() -> None:
    sessions(FIRST, 60)
    published = publish_newest(reported(), author="ann")
    sessions(after(60), 6)
    Outcome.objects.filter(action="buy").update(excess_return="0.02", right=True)

    with capture_logs() as log:
        reported()

    assert list(TrustCurve.objects.values_list("version", flat=True)) == [published.version]
    [line] = [each for each in log if each["event"] == "trust_not_renewed"]
    assert (line["log_level"], line["version"]) == ("warning", published.version)
    assert "purchases that gained and purchases that lost" in line["reason"]
