"""Children's output, kept in files that do not grow without end."""

import os
import selectors
import time
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
        self._lost = 0

    def write(self, line: bytes) -> None:
        """Append one line."""
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


class LogPump:
    """Copies what children write into their logs, in the one thread of the supervisor."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._begun: dict[int, bytes] = {}  # lines whose end has not come yet

    def follow(self, stream: IO[bytes], log: RotatingLog) -> None:
        """Copy a child's output from now on, until it ends."""
        os.set_blocking(stream.fileno(), False)
        self._begun[stream.fileno()] = b""
        self._selector.register(stream, selectors.EVENT_READ, log)

    def run(self, seconds: float) -> None:
        """Copy for so long: what is there already, and what comes meanwhile."""
        deadline = time.monotonic() + seconds
        while True:
            left = deadline - time.monotonic()
            if self._selector.get_map():
                for key, _ in self._selector.select(max(left, 0)):
                    self._copy(key)
            elif left > 0:
                time.sleep(left)
            if left <= 0:
                return

    def close(self) -> None:
        """Copy what is still there, and let go of every stream."""
        self.run(0)
        for key in list(self._selector.get_map().values()):
            self._leave(key)
        self._selector.close()

    def _copy(self, key: selectors.SelectorKey) -> None:
        try:
            read = os.read(key.fd, LINE_LIMIT_BYTES)
        except BlockingIOError:
            return
        if not read:
            self._leave(key)
            return
        *lines, rest = (self._begun[key.fd] + read).split(b"\n")
        for line in lines:
            key.data.write(line + b"\n")
        if len(rest) > LINE_LIMIT_BYTES:
            key.data.write(rest)
            rest = b""
        self._begun[key.fd] = rest

    def _leave(self, key: selectors.SelectorKey) -> None:
        self._selector.unregister(key.fileobj)
        if rest := self._begun.pop(key.fd):
            key.data.write(rest)
        stream = key.fileobj
        if not isinstance(stream, int):
            stream.close()  # type: ignore[attr-defined]  # a pipe's end
