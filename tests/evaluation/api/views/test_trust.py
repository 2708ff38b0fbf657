"""Trust curves by REST: read, and published of a report by who may."""

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from uuid6 import uuid7

from evaluation.models import CalibrationReport
from risk.models import TrustCurve
from tests.evaluation.services.agents import make_report
from tests.factories import make_agent, make_trust_curve
from tests.trading.api.conftest import Api, api
from tests.trading.api.test_skeleton import problem
from trading.models import Event

__all__ = ["api"]
PATH = "/evaluation/trust"


@pytest.fixture
def report(prepared: None) -> CalibrationReport:
    now = timezone.now()
    make_agent(market_time=now, market_time_read_at=now)
    return make_report(60)


def test_curves_in_force_are_shown_with_what_is_done_with_them(api: Api) -> None:
    make_trust_curve(model="m")
    newest = make_trust_curve(model="m", evidence={"n": 500})

    told = api("viewer").get(PATH).json()

    assert (told["mode"], told["floor"]) == ("shadow", "0.25")
    [curve] = told["curves"]
    assert (curve["version"], curve["model"], curve["strategy"]) == (newest.version, "m", "*")
    assert (curve["knots"][0], curve["breakEven"]) == (["0.7", "0.6", "0.52", "100"], "0.5")
    assert curve["evidence"] == {"n": 500}


def test_a_report_is_published_once_a_key_and_told(api: Api, report: CalibrationReport) -> None:
    client, body = api("operator"), {"report": str(report.pk)}

    first = client.post(PATH, body, format="json", headers={"Idempotency-Key": "one"})
    again = client.post(PATH, body, format="json", headers={"Idempotency-Key": "one"})

    assert (first.status_code, again.json()) == (201, first.json())
    curve = TrustCurve.objects.get()
    assert (first.json()["version"], first.json()["author"]) == (curve.version, curve.author)
    assert curve.author == User.objects.get(groups__name="operator").username
    assert first.json()["evidence"]["n"] == 600
    assert client.get(PATH).json()["curves"] == [first.json()]
    assert Event.objects.filter(type="trust.published").count() == 1


def test_a_viewer_publishes_nothing(api: Api, report: CalibrationReport) -> None:
    problem(api("viewer").post(PATH, {"report": str(report.pk)}, format="json"), 403)

    assert not TrustCurve.objects.exists()


@pytest.mark.parametrize(
    ("body", "expected"),
    [({"report": "first"}, "UUID"), ({}, "required"), ({"report": str(uuid7())}, "There is no report")],
)
def test_what_is_no_report_is_named(api: Api, prepared: None, body: dict[str, str], expected: str) -> None:
    told = problem(api("operator").post(PATH, body, format="json"), 400)

    assert told["errors"][0]["field"] == "report"
    assert expected in told["errors"][0]["expected"]


def test_outcomes_that_carry_no_curve_are_told(api: Api, prepared: None) -> None:
    now = timezone.now()
    make_agent(market_time=now, market_time_read_at=now)
    report = make_report(12)

    told = problem(api("operator").post(PATH, {"report": str(report.pk)}, format="json"), 409)

    assert told["detail"] == "Nothing was published: 12 of at least 30 sessions."
