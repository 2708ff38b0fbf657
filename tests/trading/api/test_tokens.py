"""Tokens of the API: stored as hashes, with an end, revoked in the console, not to be guessed."""

import hashlib
from collections.abc import Iterator
from datetime import timedelta
from importlib import import_module
from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from tests.factories import make_user
from trading.access import api_callers, login_limits
from trading.access.api_tokens import issue_token, revoke_token
from trading.models import ApiToken
from trading.work.maintenance import prune

BEFORE = next(
    name
    for app, name in import_module("trading.migrations.0015_api_tokens").Migration.dependencies
    if app == "trading"
)

pytestmark = pytest.mark.usefixtures("prepared")


@pytest.fixture(autouse=True)
def nothing_counted() -> Iterator[None]:
    login_limits.forget_all()
    yield
    login_limits.forget_all()


def client_with(text: str, address: str = "192.0.2.1") -> APIClient:
    client = APIClient(REMOTE_ADDR=address)
    client.credentials(HTTP_AUTHORIZATION=f"Token {text}")
    return client


def asked(text: str, address: str = "192.0.2.1") -> int:
    """Return the status of a request with a token."""
    return int(client_with(text, address).get("/mode").status_code)


def command(*arguments: str) -> str:
    out = StringIO()
    call_command("api_token", *arguments, stdout=out)
    return out.getvalue()


def test_command_prints_a_token_alone_that_works_and_is_stored_nowhere() -> None:
    make_user("trader", group="viewer")

    text = command("trader").removesuffix("\n")

    assert asked(text) == 200
    row = ApiToken.objects.get()
    assert row.digest == hashlib.sha256(text.encode()).hexdigest()
    assert text not in [str(value) for value in vars(row).values()]
    assert row.expires_at is not None
    assert timedelta(days=89) < row.expires_at - timezone.now() < timedelta(days=90, minutes=1)


def test_token_ends_when_it_expires_and_when_it_is_revoked() -> None:
    user = make_user(group="viewer")
    expired, revoked, other = (issue_token(user=user) for _ in range(3))

    ApiToken.objects.filter(pk=expired.row.pk).update(expires_at=timezone.now())
    assert revoke_token(token=revoked.row, actor="test")
    assert not revoke_token(token=revoked.row, actor="another")

    assert [asked(each.text) for each in (expired, revoked, other)] == [401, 401, 200]


def test_command_lists_and_revokes() -> None:
    make_user("trader", group="viewer")
    first, second = command("trader").strip(), command("trader", "--expires", "0").strip()

    listed = command("trader", "--list").splitlines()
    assert [line.split("…")[0] for line in listed] == [second[:8], first[:8]]
    assert "expires never" in listed[0]
    assert not any(text in "".join(listed) for text in (first, second))

    assert command("trader", "--revoke", first) == "1 revoked\n"
    assert (asked(first), asked(second)) == (401, 200)
    with pytest.raises(CommandError, match="no token in force"):
        command("trader", "--revoke", first[:8])
    assert command("trader", "--revoke") == "1 revoked\n"
    assert asked(second) == 401


@pytest.mark.parametrize("days", ["-1", "x", "4000"])
def test_command_refuses_odd_days(days: str) -> None:
    with pytest.raises(CommandError, match="expected days, 0"):
        command("admin", f"--expires={days}")


def test_use_is_noted() -> None:
    token = issue_token(user=make_user(group="viewer"))
    api_callers._noted.clear()

    asked(token.text)

    token.row.refresh_from_db()
    assert token.row.last_used_at is not None


@pytest.mark.parametrize(
    ("group", "is_revoked"), [("viewer", False), ("operator", False), ("risk officer", True)]
)
def test_only_who_may_revokes_in_the_console(group: str, is_revoked: bool) -> None:
    token = issue_token(user=make_user(group="viewer"))
    console = Client()
    console.force_login(make_user(group=group))

    answer = console.post(
        "/admin/trading/apitoken/", {"action": "revoke_selected", "_selected_action": [str(token.row.pk)]}
    )

    assert answer.status_code in (200, 302)
    assert (asked(token.text) == 401) is is_revoked


def test_wrong_tokens_are_counted_by_address_and_right_ones_go_on() -> None:
    right = issue_token(user=make_user(group="viewer")).text
    api_callers._noted.clear()

    statuses = [
        asked("0" * 40) for _ in range(2 * login_limits.TOKENS_A_MINUTE + 2)
    ]  # a minute may end on the way

    assert statuses[0] == 401
    assert 429 in statuses
    refused = client_with("0" * 40).get("/mode")
    if refused.status_code == 429:
        assert 1 <= int(refused["Retry-After"]) <= 60
        assert refused["Content-Type"] == "application/problem+json"
    assert asked(right) == 200
    assert asked("0" * 40, "198.51.100.7") == 401


def test_maintenance_forgets_what_ended() -> None:
    user = make_user(group="viewer")
    long_ago = timezone.now() - timedelta(days=91)
    kept = issue_token(user=user).row
    ApiToken.objects.filter(pk=issue_token(user=user).row.pk).update(expires_at=long_ago)
    ApiToken.objects.filter(pk=issue_token(user=user, days=0).row.pk).update(revoked_at=long_ago)
    Session.objects.create(
        session_key="old", session_data="", expire_date=timezone.now() - timedelta(minutes=1)
    )
    Session.objects.create(
        session_key="new", session_data="", expire_date=timezone.now() + timedelta(hours=1)
    )

    prune()

    assert list(ApiToken.objects.all()) == [kept]
    assert [session.session_key for session in Session.objects.all()] == ["new"]


@pytest.mark.django_db(transaction=True)
def test_tokens_kept_in_plain_text_go_on_to_work() -> None:
    """The table that was there before, as the version before left it."""
    user = User.objects.get(username="admin")
    call_command("migrate", "trading", BEFORE, verbosity=0)
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE authtoken_token (key varchar(40) PRIMARY KEY, created timestamptz NOT NULL,"
            " user_id integer NOT NULL UNIQUE REFERENCES auth_user (id) DEFERRABLE INITIALLY DEFERRED)"
        )
        cursor.execute("INSERT INTO authtoken_token VALUES (%s, now(), %s)", ["ab" * 20, user.pk])
    call_command("migrate", verbosity=0)

    assert asked("ab" * 20) == 200
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('authtoken_token')")
        assert cursor.fetchone() == (None,)
