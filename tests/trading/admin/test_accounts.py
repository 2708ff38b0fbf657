"""A new user: a name, a password and a group, and they can log in."""

from collections.abc import Callable

from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import reverse

from trading.models import ConsoleVisit

Login = Callable[..., Client]
PASSWORD = "correct horse battery"


def add(client: Client, **more: str) -> object:
    form = {"username": "dora", "usable_password": "true", "password1": PASSWORD, "password2": PASSWORD}
    return client.post(reverse("admin:auth_user_add"), form | more)


def test_new_user_has_a_group_and_may_log_in(login: Login) -> None:
    add(login(), group=str(Group.objects.get(name="viewer").pk))

    dora = User.objects.get(username="dora")
    assert (dora.is_staff, [group.name for group in dora.groups.all()]) == (True, ["viewer"])
    theirs = Client()
    assert theirs.login(username="dora", password=PASSWORD)
    assert b'id="standing"' in theirs.get(reverse("admin:index")).content
    assert ConsoleVisit.objects.filter(user=dora).exists()


def test_user_without_a_group_is_not_made(login: Login) -> None:
    page = add(login()).content.decode()  # type: ignore[attr-defined]  # a response

    assert "group: was not chosen, expected one" in page
    assert not User.objects.filter(username="dora").exists()
