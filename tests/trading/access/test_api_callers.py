"""Who calls and what they may, asked in statements of our own: the same answers as Django's."""

import pytest
from django.contrib.auth.models import Permission, User

from tests.factories import make_user
from trading.access.api_callers import may, user_of_token
from trading.access.api_tokens import issue_token

pytestmark = pytest.mark.usefixtures("prepared")
GRANTED = "set_mode"


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


def test_token_is_its_users_and_no_other_is_anybodys() -> None:
    user = make_user(group="viewer")
    key = issue_token(user=user).text

    assert user_of_token(key) == user
    assert [user_of_token(other) for other in ("", key[:-1], f"{key}0", "0" * 40)] == [None] * 4
