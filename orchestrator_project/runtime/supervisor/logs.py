"""Children's output, kept in files that do not grow without end."""

import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

LIMIT_BYTES = 10 * 1024 * 1024
FILES = 3
LINE_LIMIT_BYTES = 64 * 1024


class RotatingLog:
    """A log file of at most ``limit_bytes``, with older parts beside it as ``.1`` and ``.2``.

    A full disk loses lines, which are counted and said later, and never blocks or ends the child.
    """

    def __init__(self, path: Path, limit_bytes: int = LIMIT_BYTES) -> None:
        self.path = path
        self._limit_bytes = limit_bytes
        self._lock = threading.Lock()
        self._lost = 0

    def write(self, line: bytes) -> None:
        """Append one line."""
        with self._lock:
            try:
                self._rotate_before(len(line))
                with self.path.open("ab") as file:
                    if self._lost:
                        file.write(f"--- {self._lost} lines could not be written here ---\n".encode())
                    file.write(line)
                self._lost = 0
            except OSError:
                self._lost += 1

    def mark(self, text: str) -> None:
        """Append a line of our own, with the time."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        self.write(f"--- {now} {text} ---\n".encode())

    def follow(self, stream: IO[bytes], name: str) -> None:
        """Copy a child's output until it ends, in a thread of its own."""
        threading.Thread(target=self._copy, args=(stream,), name=f"log-{name}", daemon=True).start()

    def _copy(self, stream: IO[bytes]) -> None:
        with stream:
            while line := stream.readline(LINE_LIMIT_BYTES):
                self.write(line)

    def _rotate_before(self, more_bytes: int) -> None:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not self.path.exists() or self.path.stat().st_size + more_bytes <= self._limit_bytes:
            return
        for number in range(FILES - 1, 0, -1):
            older = self.path if number == 1 else self._part(number - 1)
            if older.exists():
                older.replace(self._part(number))

    def _part(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}")
