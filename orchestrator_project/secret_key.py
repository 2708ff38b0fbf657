"""The signing key of sessions: from the environment, or generated once and kept beside the state."""

import os
from pathlib import Path

from django.core.management.utils import get_random_secret_key


def stored_secret_key(home: Path) -> str:
    """Return the key kept in ``home``, creating it at the first call (mode 0600).

    Kept rather than made anew, so that a restart does not log the operator out.
    """
    path = home / "secret_key"
    home.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError:
        return _read(path)
    with os.fdopen(descriptor, "w") as file:
        file.write(get_random_secret_key())
    return _read(path)


def _read(path: Path) -> str:
    """Read the key; a writer that was just started may not have written yet, so never return ''."""
    key = path.read_text()
    if not key:
        raise RuntimeError(f"{path} is empty: remove it and start again")
    return key
