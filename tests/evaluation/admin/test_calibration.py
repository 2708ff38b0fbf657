"""The page says what may be said, with the doubt of every number, and each chart has its table."""

import json
import re
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from risk.models import TrustCurve
from tests.evaluation.services.agents import FIRST, live, make_report
from tests.factories import make_agent
from tests.trading.admin.conftest import login

__all__ = ["login"]
Login = Callable[..., Client]
LIST = "admin:evaluation_calibrationreport_changelist"


def page_of(client: Client, pk: object) -> str:
    url = reverse("admin:evaluation_calibrationreport_change", args=[pk])
    return " ".join(client.get(url).content.decode().split())


def charts_of(page: str) -> list[dict[str, list[float]]]:
    """Return, of each chart, its lines by name: the y of their points."""
    found = []
    for text in re.findall(r'data-value="([^"]*)"', page):
        sets = json.loads(text.replace("&quot;", '"'))["datasets"]
        found.append({each["label"]: [point["y"] for point in each["data"]] for each in sets})
    return found


def test_an_overconfident_agents_page_says_so_and_draws_what_would_mend_it(login: Login) -> None:
    report = make_report(120, right=lambda _: 0.5)

    page = page_of(login("viewer"), report.pk)

    assert report.parts["verdict"]["sentence"] in page
    assert "overconfident" in page
    reliability, coverage = charts_of(page)
    assert reliability["as stated"] == [0.0, 1.0]
    assert reliability["observed"] == [round(each["observed"], 4) for each in report.bins]
    assert reliability["decisions"] == [each["count"] for each in report.bins]
    mended = report.parts["recalibration"]["method"]
    assert all(abs(y - 0.5) < 0.12 for y in reliability[f"mended by {mended}"])
    assert len(coverage["wrong"]) == len(report.parts["coverage_risk"])
    for each in report.bins:
        assert f"{each['observed']:.3f}</b>" in page, "each chart has its table"


def test_what_cannot_be_said_yet_says_why_and_when(login: Login) -> None:
    report = make_report(6)

    page = page_of(login("viewer"), report.pk)

    assert "Too early to say: 6 of 20 sessions, 60 of 100 decisions" in page
    assert "It could be said from 2026-02-24 on." in page
    assert page.count("6 of at least 30 sessions") > 10
    assert len(charts_of(page)) == 1, "no share wrong is known"


def test_the_list_has_the_newest_of_each_scope_and_an_old_one_keeps_its_page(login: Login) -> None:
    old = make_report(3)
    live(3, right=lambda _: 0.5, first=FIRST.replace(month=3), seed=4)
    live(3, right=lambda _: 0.5, model="openai/a", window="inside", seed=5)
    new, other = (
        make_report(3, first=FIRST.replace(month=5), seed=6),
        make_report(3, model="openai/b", seed=7),
    )
    client = login("viewer")

    listed = client.get(reverse(LIST)).content.decode()

    assert str(new.pk) in listed
    assert str(other.pk) in listed
    assert str(old.pk) not in listed
    assert page_of(client, old.pk).count("data-value") == 1


def test_nothing_yet_is_no_error(login: Login) -> None:
    assert login("viewer").get(reverse(LIST)).status_code == 200


@pytest.mark.parametrize("window", ["inside", "grey"])
def test_a_dirty_window_is_named_beside_every_verdict(login: Login, window: str) -> None:
    report = make_report(60, model="openai/a", window=window)

    assert "Nothing can be said of skill" in page_of(login("viewer"), report.pk)


def test_what_it_says_is_published_once_it_was_confirmed(login: Login) -> None:
    now = timezone.now()
    make_agent(market_time=now, market_time_read_at=now)
    report, client = make_report(60), login("operator")
    url = reverse("admin:evaluation_calibrationreport_publish", args=[report.pk])
    assert url in page_of(client, report.pk)
    assert url not in page_of(login("viewer"), report.pk)
    asked = client.get(url).content.decode()
    assert "The setting trust_sizing is shadow" in asked

    assert "nothing was done" in client.post(url, {}).content.decode()
    assert not TrustCurve.objects.exists()
    answered = client.post(url, {"confirmed": "on"}, follow=True)

    curve = TrustCurve.objects.get()
    assert (curve.author, curve.evidence["n"]) == (User.objects.get(groups__name="operator").username, 600)
    assert f"Version {curve.version} is in force until" in answered.content.decode()


def test_outcomes_that_carry_no_curve_say_so(login: Login) -> None:
    now = timezone.now()
    make_agent(market_time=now, market_time_read_at=now)
    url = reverse("admin:evaluation_calibrationreport_publish", args=[make_report(12).pk])

    answered = login("operator").post(url, {"confirmed": "on"}, follow=True).content.decode()

    assert "Nothing was published: 12 of at least 30 sessions." in answered
    assert not TrustCurve.objects.exists()
