"""The console's login does not let anybody guess, and lets its operator in again."""

import re
from collections.abc import Iterator

import pytest
import redis
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client

from tests.factories import make_user
from trading.access import login_limits
from trading.access.login_limits import by_user, count_wrong_password, seconds_paused

RIGHT = "correct horse"
LOGIN = "/admin/login/"


@pytest.fixture(autouse=True)
def nothing_counted() -> Iterator[None]:
    login_limits.forget_all()
    login_limits._own._counts.clear()
    yield
    login_limits.forget_all()
    login_limits._own._counts.clear()


@pytest.fixture
def user(prepared: None) -> User:
    return make_user(is_superuser=True)


@pytest.fixture
def away(nothing_counted: None) -> Iterator[None]:
    """Nobody answers where Redis should be."""
    client = redis.Redis.from_url("redis://127.0.0.1:1/0")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(login_limits, "redis_client", lambda: client)
        yield


def entered(name: str, password: str, address: str = "192.0.2.1") -> tuple[bool, str]:
    """Try to log in; return whether that worked, and what was said."""
    answer = Client(REMOTE_ADDR=address).post(
        LOGIN, {"username": name, "password": password, "next": "/admin/"}
    )
    return answer.status_code == 302, answer.content.decode()


def test_right_password_is_refused_too_after_five_wrong_ones(user: User) -> None:
    said = [entered(user.username, "wrong", f"192.0.2.{number}")[1] for number in range(5)]
    is_in, words = entered(user.username, RIGHT, "192.0.2.9")

    assert ["Too many wrong passwords" in each for each in said] == [False] * 4 + [True]
    assert not is_in
    assert re.search(r"Too many wrong passwords: for \d+ s nobody is let in", words)
    assert "manage.py lift_login_pauses" in words


def test_four_wrong_passwords_and_the_right_one_begin_anew(user: User) -> None:
    for _ in range(3):
        assert not any(entered(user.username, "wrong")[0] for _ in range(4))
        assert entered(user.username, RIGHT)[0]


def test_twenty_wrong_passwords_from_an_address_stop_it_for_every_name(user: User) -> None:
    for number in range(20):
        entered(f"somebody{number}", "wrong")

    assert not entered(user.username, RIGHT)[0]
    assert entered(user.username, RIGHT, "198.51.100.7")[0]


def test_each_further_wrong_password_doubles_the_pause() -> None:
    anybody = by_user("anybody")

    pauses = [count_wrong_password(anybody) for _ in range(14)]

    assert pauses == [0] * 4 + [60, 120, 240, 480, 960, 1920, 3600, 3600, 3600, 3600]
    assert seconds_paused(by_user(" ANYBODY")) > 3500


def test_nobody_is_asked_for_a_hash_during_a_pause(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(5):
        count_wrong_password(by_user(user.username))
    asked: list[str] = []
    monkeypatch.setattr("django.contrib.auth.forms.authenticate", lambda *_, **more: asked.append("a hash"))

    entered(user.username, RIGHT)

    assert asked == []


@pytest.mark.parametrize("arguments", [[], ["name"], ["192.0.2.1", "name"]])
def test_operator_at_the_machine_lifts_a_pause(user: User, arguments: list[str]) -> None:
    for _ in range(5):
        entered(user.username, "wrong")

    call_command("lift_login_pauses", *[user.username if each == "name" else each for each in arguments])

    assert entered(user.username, RIGHT)[0]


@pytest.mark.usefixtures("away")
def test_without_redis_the_process_counts_for_itself(user: User) -> None:
    assert entered(user.username, RIGHT)[0]
    for _ in range(5):
        entered(user.username, "wrong")

    assert not entered(user.username, RIGHT)[0]
    assert "Too many wrong passwords" in entered(user.username, RIGHT)[1]


def test_change_of_password_ends_the_sessions(user: User) -> None:
    client = Client()
    client.post(LOGIN, {"username": user.username, "password": RIGHT, "next": "/admin/"})
    assert client.get("/admin/").status_code == 200

    user.set_password("another long one")
    user.save()

    assert client.get("/admin/").status_code == 302


def test_session_ends_within_a_day(user: User) -> None:
    client = Client()
    client.post(LOGIN, {"username": user.username, "password": RIGHT, "next": "/admin/"})

    assert client.cookies["sessionid"]["max-age"] == 24 * 60 * 60
