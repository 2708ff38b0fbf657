"""Pages that are not there, or not permitted: in the console's frame, in words, with a way back."""

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

Login = Callable[..., Client]


def test_page_that_is_not_there_leads_back(login: Login) -> None:
    answer = login("viewer").get("/admin/no/such/page/")

    page = answer.content.decode()
    assert answer.status_code == 404
    assert "There is no page at /admin/no/such/page/." in page
    assert f'href="{reverse("admin:index")}">To the dashboard' in page
    assert 'id="standing"' in page


def test_stranger_is_told_without_the_menu(client: Client, prepared: None) -> None:
    answer = client.get("/nowhere")

    assert answer.status_code == 404
    assert b"There is no page at /nowhere." in answer.content
    assert b"nav-sidebar" not in answer.content


def test_refusal_names_the_permission_and_who_has_it_in_words(login: Login) -> None:
    answer = login("viewer").get(reverse("admin:risk_killswitch_release"))

    page = answer.content.decode()
    assert answer.status_code == 403
    assert "it needs the permission “Can release the kill switch”. The groups that may: risk officer." in page
    assert "release_killswitch" not in page
    assert "Nothing was changed" in page


@pytest.mark.parametrize(("url", "status"), [("/api/nowhere", 404), ("/positions/nowhere/at/all", 404)])
def test_addresses_of_the_api_are_answered_with_problems(url: str, status: int, login: Login) -> None:
    answer = login("viewer").get(url)

    assert (answer.status_code, answer["Content-Type"]) == (status, "application/problem+json")


def test_browser_that_asks_for_an_icon_gets_ours(client: Client) -> None:
    assert client.get("/favicon.ico").headers["Location"].endswith("console/favicon.svg")


def test_page_that_fails_says_what_still_works(login: Login, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise RuntimeError("on purpose")

    monkeypatch.setattr("orchestrator_project.console_health.latest_troubles", broken)
    client = login("viewer")
    client.raise_request_exception = False

    answer = client.get(reverse("console_health"))

    assert answer.status_code == 500
    assert "manage.py kill_switch engage" in answer.content.decode()
    assert "on purpose" not in answer.content.decode()
