"""Where the project lies, and where tests put what they write."""

import os
import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DISK, MEMORY = "/tmp", "/dev/shm"  # noqa: S108 - mkdtemp makes private folders there
ROOMY = 8 * 2**30  # bytes: what all processes of a run write at once is far less


def quick_place() -> str:
    """Return a folder for the databases of engines and venues: in memory, where files cost a fraction, if it has room.

    Its path is short: sockets lie in it.
    """
    return MEMORY if os.path.isdir(MEMORY) and shutil.disk_usage(MEMORY).free > ROOMY else DISK
