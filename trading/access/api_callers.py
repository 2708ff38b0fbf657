"""Look up a token's user and check one permission, by prepared statements: every API request begins with them.

With Django's own ways a request took about twice the CPU: they build the queries anew, and read all permissions to find
one. Where another authentication backend than Django's model backend is configured, Django is asked all the same.
"""

from time import monotonic

import structlog
from django.conf import settings
from django.contrib.auth.models import User
from django.db import DatabaseError

from trading.access.api_tokens import digest_of
from trading.core.statements.prepared_statements import Prepared

log = structlog.get_logger(__name__)
USE_NOTED_SECONDS = 3600.0
ANSWERED_HERE = ["django.contrib.auth.backends.ModelBackend"]
_noted: dict[str, float] = {}  # by digest, for the tokens in force
_FIELDS = [field.attname for field in User._meta.concrete_fields]
BY_TOKEN = Prepared(
    "user_by_token",
    "varchar",
    f"SELECT {', '.join(f'person.{field}' for field in _FIELDS)} FROM api_tokens token"  # noqa: S608 - names of columns
    " JOIN auth_user person ON person.id = token.user_id WHERE token.digest = $1"
    " AND token.revoked_at IS NULL AND (token.expires_at IS NULL OR token.expires_at > clock_timestamp())",
)
# Passes over a row that somebody else holds: who asks for the kill switch waits for nobody.
NOTE_USE = Prepared(
    "note_token_use",
    "varchar",
    "UPDATE api_tokens SET last_used_at = now() WHERE id IN"
    " (SELECT id FROM api_tokens WHERE digest = $1 FOR UPDATE SKIP LOCKED) RETURNING id",
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
    """Return whose token it is, None where it is nobody's, has expired or was revoked."""
    digest = digest_of(key)
    found = BY_TOKEN.rows([digest])
    if not found:
        return None
    _note_use(digest)
    return User.from_db("default", _FIELDS, found[0])


def _note_use(digest: str) -> None:
    """Write down that a token was used, once an hour for each process."""
    now = monotonic()
    if now - _noted.get(digest, -USE_NOTED_SECONDS) < USE_NOTED_SECONDS:
        return
    _noted[digest] = now
    try:
        NOTE_USE.rows([digest])
    except DatabaseError as error:  # a full disk: what is only nice to know keeps nobody out
        log.warning("token_use_not_noted", error_type=type(error).__name__)


def may(user: User, permission: str) -> bool:
    """Return whether the user has a permission (``app.codename``) themselves or by a group, as Django would say."""
    if list(settings.AUTHENTICATION_BACKENDS) != ANSWERED_HERE:
        return user.has_perm(permission)
    if not user.is_active:
        return False
    return user.is_superuser or bool(MAY.rows([user.pk, *permission.split(".", 1)]))
