"""The state folder."""

import os
from pathlib import Path

from orchestrator_project.runtime.engines.errors import EngineError


def prepare_home(home: Path) -> Path:
    """Make the state folder where it is missing; return its real path.

    Raises:
        EngineError: it cannot be used; one sentence with the remedy.
    """
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        home = home.resolve()
        if not os.access(home, os.W_OK | os.X_OK) or not home.is_dir():
            raise PermissionError(13, "no permission to write there")
    except OSError as error:
        raise EngineError(
            f"The state folder {home} cannot be used ({error.strerror}): set ORCHESTRATOR_HOME to a folder "
            "that you may write to."
        ) from None
    return home
