"""Turns an engine's last words into one sentence; a full disk is told apart, its remedy differs."""

import errno
import shutil
from collections.abc import Iterator
from pathlib import Path

from orchestrator_project.runtime.engines.errors import EngineError

NEEDED_BYTES = 100 * 1024 * 1024
FULL_DISK_WORDS = ("No space left on device", "Disk quota exceeded")
FULL_DISK_CODE = "53100"  # PostgreSQL's disk_full
FULL_DISK_NUMBERS = (errno.ENOSPC, errno.EDQUOT)


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


def why_it_failed(home: Path, error: BaseException) -> str | None:
    """Return that the disk is full, in a sentence, where that is why something failed; None where it is not."""
    causes = list(_causes(error))
    says_so = any(
        getattr(cause, "pgcode", None) == FULL_DISK_CODE
        or (isinstance(cause, OSError) and cause.errno in FULL_DISK_NUMBERS)
        or any(words in str(cause) for words in FULL_DISK_WORDS)
        for cause in causes
    )
    # A server that could not write its log is gone, and says nothing more to those it served.
    is_database = any(hasattr(cause, "pgcode") for cause in causes)
    return full_words(home) if says_so or (is_database and is_full(home)) else None


def is_full(folder: Path) -> bool:
    """Return whether so little is left where a folder lies that nothing can be expected to work."""
    try:
        return shutil.disk_usage(folder).free < NEEDED_BYTES
    except OSError:
        return False


def full_words(folder: Path) -> str:
    """Return what a person is told of a full disk."""
    return f"the disk is full: free some space in {folder}"


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    left: BaseException | None = error
    while left is not None and id(left) not in seen:
        seen.add(id(left))
        yield left
        left = left.__cause__ or left.__context__


def _full_disk(home: Path, needed_bytes: int = NEEDED_BYTES) -> str:
    free = shutil.disk_usage(home).free // (1024 * 1024)
    return (
        f"The disk that holds {home} is full ({free} MB free, {needed_bytes // (1024 * 1024)} MB needed): "
        "free some space, or set ORCHESTRATOR_HOME to a folder on another disk."
    )
