"""What is known about the embedded engines between commands: HOME/engines.json, mode 0600."""

import dataclasses
import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from orchestrator_project.runtime.engines.privileges import keep_owner

STOPPED = 0


@dataclass(frozen=True, slots=True)
class PostgresRecord:
    """Where PostgreSQL is; ``pid`` is ``STOPPED`` while it is not meant to run."""

    pid: int
    socket_folder: str
    url: str


@dataclass(frozen=True, slots=True)
class ValkeyRecord:
    """Where Valkey is; port and password are kept across restarts so that its URL stays true."""

    pid: int
    port: int
    password: str
    url: str


@dataclass(frozen=True, slots=True)
class EngineState:
    """Both records; None: that engine was never started here."""

    postgres: PostgresRecord | None = None
    valkey: ValkeyRecord | None = None


def read_state(home: Path) -> EngineState:
    """Return the recorded state; an absent or unreadable record counts as never started."""
    try:
        stored = json.loads((home / "engines.json").read_text())
        return EngineState(
            postgres=PostgresRecord(**stored["postgres"]) if stored["postgres"] else None,
            valkey=ValkeyRecord(**stored["valkey"]) if stored["valkey"] else None,
        )
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return EngineState()


def write_state(home: Path, state: EngineState) -> None:
    """Replace the record in one step: a reader sees the old one or the new one, never half of one."""
    handle, name = tempfile.mkstemp(dir=home, prefix=".engines-")  # mkstemp makes it 0600
    try:
        with os.fdopen(handle, "w") as file:
            json.dump(dataclasses.asdict(state), file, indent=2)
        keep_owner(Path(name))
        os.replace(name, home / "engines.json")
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
