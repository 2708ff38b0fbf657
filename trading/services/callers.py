"""Who asks, and what they may: two prepared statements, because every request of the API begins with them.

Django's own ways take four times as long: they build the queries anew, and read all permissions to find one.
"""

from django.contrib.auth.models import User

from trading.services.prepared import Prepared

_FIELDS = [field.attname for field in User._meta.concrete_fields]
BY_TOKEN = Prepared(
    "user_by_token",
    "varchar",
    f"SELECT {', '.join(f'person.{field}' for field in _FIELDS)} FROM authtoken_token token"  # noqa: S608 - names of columns
    " JOIN auth_user person ON person.id = token.user_id WHERE token.key = $1",
)
MAY = Prepared(
    "user_may",
    "integer, varchar, varchar",
    """
    SELECT 1 FROM auth_permission permission JOIN django_content_type type ON type.id = permission.content_type_id
    WHERE type.app_label = $2 AND permission.codename = $3 AND (
        EXISTS (
            SELECT 1 FROM auth_user_user_permissions own
            WHERE own.user_id = $1 AND own.permission_id = permission.id)
        OR EXISTS (
            SELECT 1 FROM auth_user_groups member
            JOIN auth_group_permissions granted ON granted.group_id = member.group_id
            WHERE member.user_id = $1 AND granted.permission_id = permission.id))
    LIMIT 1
    """,
)


def user_of_token(key: str) -> User | None:
    """Return whose token it is, None where it is nobody's."""
    found = BY_TOKEN.rows([key])
    return User.from_db("default", _FIELDS, found[0]) if found else None


def may(user: User, permission: str) -> bool:
    """Return whether the user has a permission (``app.codename``) themselves or by a group, as Django would say."""
    if not user.is_active:
        return False
    return user.is_superuser or bool(MAY.rows([user.pk, *permission.split(".", 1)]))
