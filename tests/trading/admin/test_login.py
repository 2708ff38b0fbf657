"""The console's login does not let anybody guess, and lets its operator in again."""

import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

import pytest
import redis
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from risk.services import switch
from tests.factories import make_agent, make_user
from trading.access import login_limits
from trading.access.login_limits import by_user, count_wrong_password, seconds_paused
from trading.core.settings import set_runtime_setting

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


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[timedelta], None]:
    """Return a function that moves the clock by which sessions are judged."""
    moved = timedelta(0)

    def now() -> datetime:
        return timezone.now() + moved

    def move(by: timedelta) -> None:
        nonlocal moved
        moved += by

    monkeypatch.setattr("orchestrator_project.web.idle.timezone", Moved(now))
    return move


class Moved:
    """A clock that a test moves."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self.now = now


def logged_in(user: User) -> Client:
    client = Client()
    client.post(LOGIN, {"username": user.username, "password": RIGHT, "next": "/admin/"})
    assert client.get("/admin/").status_code == 200
    return client


def test_session_that_nobody_uses_ends(user: User, later: Callable[[timedelta], None]) -> None:
    client = logged_in(user)

    for _ in range(3):
        later(timedelta(minutes=50))
        assert client.get("/admin/").status_code == 200
    later(timedelta(minutes=61))
    gone = client.post("/admin/trading/agentstatus/mode/", {"mode": "autonomous"}, follow=True)

    assert gone.redirect_chain == [("/admin/login/?next=/admin/trading/agentstatus/mode/", 302)]
    assert (
        "Your session ended after 60 minutes without use. What you sent was not done."
        in gone.content.decode()
    )
    assert client.get("/api/positions").status_code in (401, 403)


def test_page_that_renews_itself_keeps_no_session_alive(
    user: User, later: Callable[[timedelta], None]
) -> None:
    client = logged_in(user)

    for _ in range(6):
        later(timedelta(minutes=9, seconds=50))
        assert client.get("/admin/", headers={"HX-Request": "true"}).status_code == 200
    later(timedelta(minutes=2))

    assert client.get("/admin/", headers={"HX-Request": "true"}).status_code == 302
    assert client.get("/admin/").status_code == 302


def test_idle_limit_is_a_setting(user: User, later: Callable[[timedelta], None]) -> None:
    set_runtime_setting(name="console_idle_limit", value="300", actor="test")
    client = logged_in(user)

    later(timedelta(minutes=6))

    assert client.get("/admin/").status_code == 302


def test_clock_that_stepped_back_ends_the_sessions(user: User, later: Callable[[timedelta], None]) -> None:
    client = logged_in(user)

    later(timedelta(hours=-1))

    assert client.get("/admin/").status_code == 302


def test_who_was_away_may_still_stop_trading_and_nothing_else(
    user: User, later: Callable[[timedelta], None]
) -> None:
    make_agent()
    client = logged_in(user)
    later(timedelta(hours=3))

    page = client.get("/admin/risk/killswitch/engage/")
    client.post("/admin/risk/killswitch/engage/", {"reason": "it looks wrong"})

    assert page.status_code == 200
    assert switch.current_engagement() is not None
    assert client.post("/admin/risk/killswitch/release/", {"reason": "x"}).status_code == 302
    assert switch.current_engagement() is not None
