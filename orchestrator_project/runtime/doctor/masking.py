"""No secret leaves the doctor, whatever an error message quotes."""

import os
from collections.abc import Iterator
from urllib.parse import unquote, urlsplit

from django.conf import settings

from connectors.redaction import redact
from orchestrator_project.environment_values import SECRETS

SHORTEST_SECRET = 4
MASK = "***"


def masked(text: str) -> str:
    """Return the text on one line without keys and passwords."""
    for secret in sorted(set(_secrets()), key=len, reverse=True):
        text = text.replace(secret, MASK)
    return " ".join(redact(text).split())


def _secrets() -> Iterator[str]:
    values = [os.environ.get(name, "").strip() for name in SECRETS]
    for url in (settings.DATABASE_URL, settings.REDIS_URL, settings.ENVIRONMENT.events_url):
        password = urlsplit(url or "").password or ""
        values += [password, unquote(password)]
    return (value for value in values if len(value) >= SHORTEST_SECRET)
