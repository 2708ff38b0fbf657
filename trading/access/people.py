"""Who runs a command: the name that is written beside what it does."""

import getpass
import os

from connectors.text import storable

LONGEST_NAME = 120  # the columns hold 150 characters, with what commands add


def operator_name() -> str:
    """Return the name of the user who runs this process, ``uid 12345`` where the machine knows no name for it.

    A container may run with any user id, without an entry in its passwd file; nothing that stops trading may
    fail for want of a name.
    """
    try:
        name = getpass.getuser()
    except (KeyError, OSError, ImportError):  # KeyError until Python 3.12, OSError from 3.13 on
        name = ""
    words = " ".join(storable(name).split())
    return words[:LONGEST_NAME] or f"uid {os.getuid()}"
