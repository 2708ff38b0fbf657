"""Turns an engine's last words into one sentence; a full disk is told apart, its remedy differs."""

import shutil
from pathlib import Path

from orchestrator_project.engines.errors import EngineError

NEEDED_BYTES = 100 * 1024 * 1024
FULL_DISK_WORDS = ("No space left on device", "Disk quota exceeded")


def require_space(home: Path, needed_bytes: int = NEEDED_BYTES) -> None:
    """Refuse to start engines on a disk that is about to be full.

    Raises:
        EngineError: fewer than ``needed_bytes`` are free where ``home`` lies.
    """
    if shutil.disk_usage(home).free < needed_bytes:
        raise EngineError(_full_disk(home, needed_bytes))


def explain(home: Path, what: str, output: str, log: Path | None = None) -> str:
    """Return one sentence for the operator from an engine's output."""
    if any(words in output for words in FULL_DISK_WORDS):
        return _full_disk(home)
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    fatal = [line for line in lines if any(word in line for word in ("FATAL", "error:", "PANIC"))]
    reason = (fatal or lines[-1:] or ["it said nothing"])[0]
    return f"{what}: {reason}" + (f" (log: {log})" if log is not None else "")


def _full_disk(home: Path, needed_bytes: int = NEEDED_BYTES) -> str:
    free = shutil.disk_usage(home).free // (1024 * 1024)
    return (
        f"The disk that holds {home} is full ({free} MB free, {needed_bytes // (1024 * 1024)} MB needed): "
        "free some space, or set ORCHESTRATOR_HOME to a folder on another disk."
    )
