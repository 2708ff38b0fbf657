"""Who calls and what they may, asked in statements of our own: the same answers as Django's."""

import pytest
from django.contrib.auth.backends import BaseBackend
from django.contrib.auth.models import Permission, User
from pytest_django import Settings

from tests.factories import make_user
from tests.seeding import seed_again
from trading.access.api_callers import ANSWERED_HERE, may, user_of_token
from trading.access.api_tokens import issue_token

pytestmark = pytest.mark.usefixtures("groups")
GRANTED = "set_mode"


@pytest.fixture
def groups(db: None) -> None:
    """The groups and what a first start adds."""
    seed_again()


def granted() -> User:
    user = make_user(group="viewer")
    user.user_permissions.add(Permission.objects.get(codename=GRANTED))
    return user


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: make_user(group="viewer"), id="viewer"),
        pytest.param(lambda: make_user(group="operator"), id="operator"),
        pytest.param(lambda: make_user(group="risk officer"), id="risk officer"),
        pytest.param(lambda: make_user(), id="in no group"),
        pytest.param(granted, id="one granted to the person"),
        pytest.param(lambda: make_user(is_superuser=True), id="superuser"),
        pytest.param(lambda: make_user(is_superuser=True, is_active=False), id="inactive superuser"),
        pytest.param(lambda: make_user(group="operator", is_active=False), id="inactive operator"),
    ],
)
def test_permissions_are_as_django_says(make: object) -> None:
    user = make()  # type: ignore[operator]  # a callable of the parameters above
    kinds = Permission.objects.select_related("content_type")
    names = [f"{kind.content_type.app_label}.{kind.codename}" for kind in kinds]
    names += ["trading.no_such_permission", "nothing.view_order"]
    as_django_says = User.objects.get(pk=user.pk)

    assert len(names) > 100
    assert {name: may(user, name) for name in names} == {
        name: as_django_says.has_perm(name) for name in names
    }


class Generous(BaseBackend):
    """A backend that lets everybody set the mode, and knows nothing else."""

    def has_perm(self, user_obj: User, perm: str, obj: object = None) -> bool:
        """Return whether it is about the mode."""
        return perm == "trading.set_mode"


@pytest.mark.parametrize(
    "backends", [[f"{__name__}.Generous"], [*ANSWERED_HERE, f"{__name__}.Generous"]], ids=["alone", "second"]
)
def test_other_backends_are_asked_where_they_are_configured(backends: list[str], settings: Settings) -> None:
    user = make_user(group="viewer")
    assert not may(user, "trading.set_mode")

    settings.AUTHENTICATION_BACKENDS = backends

    assert may(user, "trading.set_mode")
    assert may(user, "trading.view_order") == (len(backends) == 2)


def test_token_is_its_users_and_no_other_is_anybodys() -> None:
    user = make_user(group="viewer")
    key = issue_token(user=user).text

    assert user_of_token(key) == user
    assert [user_of_token(other) for other in ("", key[:-1], f"{key}0", "0" * 40)] == [None] * 4
