"""A person chooses the zone of the console's times; every page tells its script."""

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

Login = Callable[..., Client]
URL = "/admin/time-zone/"


@pytest.mark.parametrize("group", ["viewer", "nobody"])
def test_anybody_in_the_console_chooses_for_themselves(group: str, login: Login) -> None:
    client, other = login(group), login("viewer")

    assert client.post(URL, {"time_zone": "Europe/Berlin"}).status_code == 302

    index = reverse("admin:index")
    assert 'id="time-zone" data-zone="Europe/Berlin"' in client.get(index).content.decode()
    assert 'id="time-zone" data-zone=""' in other.get(index).content.decode()


def test_what_is_no_zone_is_refused_in_words(login: Login) -> None:
    page = login("viewer").post(URL, {"time_zone": "Mars/Olympus"}).content.decode()

    assert "time_zone: was &#x27;Mars/Olympus&#x27;, expected a name like Europe/Berlin" in page


def test_stranger_is_asked_to_log_in(client: Client, prepared: None) -> None:
    assert "/login/" in client.post(URL, {"time_zone": "UTC"}).headers["Location"]


def test_times_say_utc_where_no_script_writes_them(login: Login) -> None:
    page = login("viewer").get(reverse("admin:trading_runtimesetting_change", args=["max_coins"]))

    assert " UTC" in page.content.decode().split("Updated at")[1][:600]
