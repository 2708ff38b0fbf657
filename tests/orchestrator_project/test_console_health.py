"""The console's page of health: every process, what went wrong and what to do, and the doctor's lines beside it."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from orchestrator_project import console_health
from orchestrator_project.console_health import DOES, FOUND_OUT
from tests.factories import make_event, make_heartbeat, make_user
from trading.models import Heartbeat

Login = Callable[[str], Client]
URL = "/admin/health/"


@pytest.fixture
def login(prepared: None) -> Login:
    def _login(group: str) -> Client:
        client = Client()
        client.force_login(make_user(group=group))
        return client

    return _login


def test_every_process_is_named_and_a_silent_one_has_its_remedy(login: Login) -> None:
    make_heartbeat("sweeper")
    make_heartbeat("relay")
    Heartbeat.objects.filter(process="relay").update(beaten_at=timezone.now() - timedelta(hours=1))

    signs = {sign.name: sign for sign in login("viewer").get(URL).context["signs"]}

    wanted = {"web", *DOES, *(name for name, _ in FOUND_OUT.values())} - {"notify"}
    assert set(signs) == wanted
    assert signs["sweeper"].words == "alive"
    assert (signs["relay"].words, signs["relay"].remedy) == ("silent", "start the system: `manage.py up`")
    assert signs["listener"].words == "never seen"
    assert signs["beat"].words == "being looked at"


def test_trouble_is_told_with_what_to_do(login: Login) -> None:
    make_event(
        aggregate_type="cycle",
        aggregate_id="1",
        type="cycle.fail",
        payload={"reason": "no prices", "status": "failed"},
    )

    page = login("viewer").get(URL).content.decode()

    assert "no prices" in page or "Cycle fail" in page


def test_page_itself_is_few_queries_and_asks_nobody(login: Login, monkeypatch: pytest.MonkeyPatch) -> None:
    def never() -> None:
        raise AssertionError("the page asked the doctor")

    monkeypatch.setattr(console_health, "look", never)
    client = login("viewer")
    client.get(URL)

    with CaptureQueriesContext(connection) as captured:
        page = client.get(URL)

    assert page.status_code == 200
    assert len(captured) <= 12
    assert 'hx-get="/admin/health/?checks=1"' in page.content.decode()


def test_who_may_not_look_is_refused(login: Login) -> None:
    assert login("").get(URL).status_code == 403


@pytest.mark.system
def test_checks_are_the_doctors_with_their_remedies(login: Login) -> None:
    console_health.look.forget()

    page = login("viewer").get(URL, {"checks": "1"})

    names = [line.name for line, _, _ in page.context["lines"]]
    assert {"database", "queue", "workers", "beat", "broker", "disk"} <= set(names)
    assert "analyst" not in names
    workers = next(line for line, _, _ in page.context["lines"] if line.name == "workers")
    assert (workers.status, bool(workers.remedy)) == ("failed", True)  # none runs in this test
