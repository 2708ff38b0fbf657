"""A person's session ends when nobody has used it for a while; a page that renews itself is no use."""

from datetime import UTC, datetime, timedelta
from typing import Any

from django.contrib.sessions.backends.base import SessionBase

from trading.core.settings import seconds
from trading.domain.ages import is_fresh
from trading.domain.runtime_settings import NUMBERS
from trading.errors import SettingError

LAST_USED = "last_used"
WRITTEN_EVERY = timedelta(minutes=1)  # not at each request: a session is a row
LIMIT = "console_idle_limit"


def idle_limit() -> timedelta:
    """Return for how long a session lasts without use; what is stored unreadably must not keep people out."""
    try:
        return timedelta(seconds=seconds(LIMIT))
    except SettingError:
        return timedelta(seconds=float(NUMBERS[LIMIT].default))


def is_idle(session: SessionBase, *, now: datetime, limit: timedelta) -> bool:
    """Return whether nobody has used the session for longer than ``limit``; one never used yet is not idle.

    A last use in the future, before a clock stepped back, proves nothing: idle.
    """
    used = _last_used(session.get(LAST_USED))
    return used is not None and not is_fresh(used, now, limit)


def note_use(session: SessionBase, *, now: datetime) -> None:
    """Write down that the session is used, to the minute."""
    used = _last_used(session.get(LAST_USED))
    if used is None or abs(now - used) >= WRITTEN_EVERY:
        session[LAST_USED] = now.timestamp()


def _last_used(stored: Any) -> datetime | None:
    return None if stored is None else datetime.fromtimestamp(stored, UTC)
