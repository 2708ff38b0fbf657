"""Idempotency: a request that says its key is done once, and answered the same each time."""

import enum
import hashlib
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import uuid4

from django.contrib.auth.models import User
from django.utils import timezone

from trading.core.waits import is_over
from trading.models import RequestKey

LEASE = timedelta(minutes=5)  # longer than engaging and flattening may take
KEPT = timedelta(hours=24)


class Claim(enum.StrEnum):
    """What a key says of a request that carries it."""

    TAKEN = "taken"
    DONE = "done"
    UNDER_WAY = "under_way"
    OTHER_REQUEST = "other_request"


@dataclass(frozen=True, slots=True)
class Claimed:
    """The row of a key, and whether this call may do the work (``Claim.TAKEN``)."""

    claim: Claim
    row: RequestKey


def fingerprint(method: str, path: str, body: bytes) -> str:
    """Return what two requests must have in common to be the same."""
    head = f"{method} {path}\n".encode()
    return hashlib.sha256(head + body).hexdigest()


def claim(*, user: User, key: str, fingerprint: str) -> Claimed:
    """Take the key for this request, or say what became of it; of many at once one takes it.

    A request whose process died is taken over when its lease has run out: what it started stands by its own
    rules (one cycle runs at a time, an approval is answered once), so doing it again is safe.
    """
    now, holder = timezone.now(), uuid4()
    fresh = RequestKey(user=user, key=key, fingerprint=fingerprint, holder=holder, lease_until=now + LEASE)
    row = None
    while row is None:  # given back between our insert and our look: once more
        RequestKey.objects.bulk_create([fresh], ignore_conflicts=True)
        row = RequestKey.objects.filter(user=user, key=key).first()
    if row.fingerprint != fingerprint:
        return Claimed(Claim.OTHER_REQUEST, row)
    if row.status is not None:
        return Claimed(Claim.DONE, row)
    if row.holder == holder:
        return Claimed(Claim.TAKEN, row)
    held = RequestKey.objects.filter(pk=row.pk, status__isnull=True, holder=row.holder)
    died = held.filter(is_over("lease_until", now, LEASE))
    if died.update(holder=holder, lease_until=fresh.lease_until):
        row.holder = holder
        return Claimed(Claim.TAKEN, row)
    return Claimed(Claim.UNDER_WAY, row)


def record_answer(row: RequestKey, *, status: int, answer: Any) -> None:
    """Keep the answer, for whoever asks again."""
    mine = RequestKey.objects.filter(pk=row.pk, status__isnull=True, holder=row.holder)
    mine.update(status=status, answer=answer)


def give_back(row: RequestKey) -> None:
    """Forget a request that failed in a way that may be tried again."""
    RequestKey.objects.filter(pk=row.pk, status__isnull=True, holder=row.holder).delete()


def prune_keys() -> int:
    """Delete keys older than a day; return how many."""
    deleted, _ = RequestKey.objects.filter(created_at__lt=timezone.now() - KEPT).delete()
    return deleted
