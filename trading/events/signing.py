"""Sign our own events with the secret key, so that a forged one is told from them.

Whoever has the transport's password can publish anything, under any ``source``. Nobody without ``DJANGO_SECRET_KEY``
can sign: it is a message authentication code, which no subscriber elsewhere can check, and none needs to.
"""

import json
from collections.abc import Mapping
from typing import Any

from django.core.signing import BadSignature, Signer

ATTRIBUTE = "signature"
SALT = "trading.events"


def signed(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return the event with its signature, an extension attribute of the envelope."""
    return {**event, ATTRIBUTE: _signer().signature(_canonical(event))}


def is_genuine(text: str) -> bool:
    """Return whether a message is an event that an installation with our secret key has published, unchanged."""
    try:
        event = json.loads(text)
        _signer().unsign(f"{_canonical(event)}:{event[ATTRIBUTE]}")
    except (BadSignature, ValueError, TypeError, KeyError, RecursionError):
        return False
    return True


def _signer() -> Signer:
    return Signer(salt=SALT)  # takes the keys of before, SECRET_KEY_FALLBACKS, too


def _canonical(event: Mapping[str, Any]) -> str:
    """Return the event as text that is the same however it was sent: keys in order, no blanks, no signature."""
    rest = {name: value for name, value in event.items() if name != ATTRIBUTE}
    return json.dumps(rest, sort_keys=True, separators=(",", ":"))
