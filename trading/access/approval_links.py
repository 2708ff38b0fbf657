"""Signed links in notices: each leads to one decision, for ten minutes, and answers once.

A link is made when a message is sent, for each address anew: what is stored of a message bears none, so that whoever
may read notices in the console cannot answer by them. Opening a link changes nothing, as mail programs open what they
are sent; it is used up by the answer.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.conf import settings as django_settings
from django.contrib.auth.models import User
from django.core import signing
from django.db import IntegrityError, transaction
from django.utils import timezone
from uuid6 import uuid7

from trading.core import settings
from trading.errors import LinkError
from trading.models import UsedLink

SALT = "trading.approval-link"
GOOD_FOR = timedelta(minutes=10)
REMEMBERED = timedelta(days=1)
PATH = "admin/answer/"  # written here: the notifier would load every page of the console to look it up
NOBODYS = "signed link"  # who answers by a link where no login is needed
MARK = re.compile(r" ?\[decision ([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\]")


@dataclass(frozen=True, slots=True)
class ApprovalLink:
    """What a link says: the decision it leads to, and its own number."""

    number: UUID
    decision_id: UUID


def with_links(text: str) -> str:
    """Return a message with a new link in place of each decision it names; without, where no address is set."""
    base = django_settings.PUBLIC_URL
    return MARK.sub(lambda found: f": {base}{path_of(UUID(found[1]))}" if base else "", text)


def path_of(decision_id: UUID) -> str:
    """Return the path of a new link."""
    said = {"number": str(uuid7()), "decision": str(decision_id)}
    return f"/{PATH}{signing.dumps(said, salt=SALT)}/"


def read_link(token: str) -> ApprovalLink:
    """Return what a link says, while it is good for something.

    Raises:
        LinkError: it is not ours, too old, or was answered by.
    """
    try:
        said = signing.loads(token, salt=SALT, max_age=GOOD_FOR)
        link = ApprovalLink(UUID(said["number"]), UUID(said["decision"]))
    except signing.SignatureExpired:
        raise LinkError("the link is older than ten minutes") from None
    except (signing.BadSignature, KeyError, TypeError, ValueError):
        raise LinkError("the link is not one of this system's, or was cut") from None
    if UsedLink.objects.filter(pk=link.number).exists():
        raise LinkError("the link was used already; each answers once")
    return link


def needs_login() -> bool:
    """Return whether only who is logged in may answer by a link."""
    return settings.word("approval_link_login") != "off"


def whose_link() -> User:
    """Return the user in whose name is answered where no login is needed: nobody can log in as it."""
    user, is_new = User.objects.get_or_create(username=NOBODYS, defaults={"is_active": False})
    if is_new:
        user.set_unusable_password()
        user.save(update_fields=["password"])
    return user


@contextmanager
def used(link: ApprovalLink, user: User) -> Iterator[None]:
    """Use a link up; where the block fails it is good again.

    Raises:
        LinkError: somebody else was quicker.
    """
    UsedLink.objects.filter(used_at__lt=timezone.now() - REMEMBERED).delete()
    try:
        with transaction.atomic():
            UsedLink.objects.create(id=link.number, decision_id=link.decision_id, used_by=user)
    except IntegrityError:
        raise LinkError("the link was used already; each answers once") from None
    try:
        yield
    except BaseException:
        UsedLink.objects.filter(pk=link.number).delete()
        raise
