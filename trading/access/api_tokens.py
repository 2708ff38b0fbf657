"""API tokens: made, listed by their beginning, revoked; the text itself is stored nowhere."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import timedelta

import structlog
from django.contrib.auth.models import User
from django.db.models import Q
from django.utils import timezone

from trading.models import ApiToken

log = structlog.get_logger(__name__)
LIFE_DAYS = 90
PREFIX_LENGTH = 8
KEPT_AFTER_END = timedelta(days=90)


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A new token; ``text`` is to be shown once."""

    text: str
    row: ApiToken


def digest_of(text: str) -> str:
    """Return what is stored of a token's text."""
    return hashlib.sha256(text.encode()).hexdigest()


def issue_token(*, user: User, days: int = LIFE_DAYS) -> IssuedToken:
    """Make a further token of a user; those they have stay.

    Args:
        days: after how many it expires; 0 for never.
    """
    text = secrets.token_hex(20)
    row = ApiToken.objects.create(
        user=user,
        digest=digest_of(text),
        prefix=text[:PREFIX_LENGTH],
        expires_at=timezone.now() + timedelta(days=days) if days else None,
    )
    return IssuedToken(text, row)


def revoke_token(*, token: ApiToken, actor: str) -> bool:
    """End a token at once; return whether it was this call that did."""
    changed = ApiToken.objects.filter(pk=token.pk, revoked_at=None).update(
        revoked_at=timezone.now(), revoked_by=actor
    )
    if changed:
        log.warning("api_token_revoked", prefix=token.prefix, user_id=token.user_id, actor=actor)
    return bool(changed)


def forget_old_tokens() -> int:
    """Delete tokens that ended long ago; return how many."""
    before = timezone.now() - KEPT_AFTER_END
    deleted, _ = ApiToken.objects.filter(Q(expires_at__lt=before) | Q(revoked_at__lt=before)).delete()
    return deleted
