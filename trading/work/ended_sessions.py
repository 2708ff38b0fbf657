"""Delete the console's login sessions that have expired."""

from django.contrib.sessions.models import Session
from django.utils import timezone


def forget_old_sessions() -> int:
    """Delete them; return how many."""
    deleted, _ = Session.objects.filter(expire_date__lt=timezone.now()).delete()
    return deleted
