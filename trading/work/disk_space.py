"""How much room is left where the state folder lies: the embedded database, its log, the venue, our logs."""

import shutil
from pathlib import Path

from django.conf import settings

LOW_BYTES = 1024**3
LOW_ENDS_BYTES = LOW_BYTES * 11 // 10  # so that it does not come and go with every log line
FULL_BYTES = 100 * 1024**2  # `manage.py up` does not start with less
MEGABYTE = 1024**2


def state_folder() -> Path:
    """Return the state folder."""
    return Path(settings.ENVIRONMENT.orchestrator_home)


def free_bytes(folder: Path | None = None) -> int | None:
    """Return what is left for a new file there, in bytes; None where it cannot be read."""
    try:
        return shutil.disk_usage(folder or state_folder()).free
    except OSError:
        return None
