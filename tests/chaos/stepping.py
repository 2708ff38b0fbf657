"""Wall clocks that step while processes run: a library for LD_PRELOAD, compiled for the run, and a file per group."""

import mmap
import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

SOURCE = Path(__file__).with_name("stepped_clock.c")
MICROS = 1_000_000
DATABASE, MACHINE, BROKER = "database", "machine", "broker"
GROUPS = (DATABASE, MACHINE, BROKER)
STEPS = (-7_200.0, -85.0, -1.0, 85.0, 7_200.0)


def why_not() -> str:
    """Say why clocks cannot be stepped here; empty where they can."""
    if os.uname().sysname != "Linux":
        return "clocks are stepped by LD_PRELOAD, on Linux only"
    return "" if shutil.which("cc") else "clocks are stepped by a small C library: there is no compiler (cc)"


def compiled(folder: Path) -> Path:
    """Compile the library into a folder and return it.

    Raises:
        RuntimeError: the compiler refused; its words are in the message.
    """
    library = folder / "stepped_clock.so"
    argv = ["cc", "-shared", "-fPIC", "-O2", "-o", str(library), str(SOURCE), "-ldl", "-lpthread"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"the clock library could not be compiled: {done.stderr}")
    library.chmod(0o755)
    return library


@dataclass(slots=True)
class SteppedClock:
    """The wall clock of one group of processes; ``seconds`` is how far it is from the machine's."""

    library: Path
    path: Path
    seconds: float = 0.0
    _mapped: mmap.mmap = field(init=False)

    def __post_init__(self) -> None:
        self.path.write_bytes(bytes(8))
        self.path.chmod(0o644)
        with self.path.open("r+b") as file:
            self._mapped = mmap.mmap(file.fileno(), 8)

    def environment(self) -> dict[str, str]:
        """Return what the processes need in theirs."""
        return {"LD_PRELOAD": str(self.library), "STEPPED_CLOCK": str(self.path)}

    def step(self, seconds: float) -> None:
        """Step the clock by so many seconds, back where negative, for all who have it, at once."""
        self.seconds += seconds
        self._mapped[:8] = int(self.seconds * MICROS).to_bytes(8, "little", signed=True)


def clocks(folder: Path) -> dict[str, SteppedClock]:
    """Give each group a clock of its own; the folder must be readable by the database's user."""
    library = compiled(folder)
    return {name: SteppedClock(library, folder / f"{name}.clock") for name in GROUPS}
