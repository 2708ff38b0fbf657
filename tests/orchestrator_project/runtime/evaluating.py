"""An evaluator with jobs that write down what they do, as a process of its own: FOLDER, and `once` or nothing."""

import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import django


@dataclass(frozen=True)
class Noted:
    """A job whose pieces are files: FOLDER/NAME/KEY is due until KEY.done stands beside it.

    What a file says is done: nothing, ``fail``, ``kill`` (the child kills itself), ``hang`` until KEY.go is there.
    """

    folder: Path
    name: str
    timeout_seconds: float = 120.0
    at_once: int = 1

    def due(self) -> Sequence[str]:
        """Return the files without their mark."""
        pieces = sorted(each.name for each in self._place.glob("*") if not each.suffix)
        if "broken" in pieces:
            raise RuntimeError("nothing can be said of what is due")
        return [name for name in pieces if not (self._place / f"{name}.done").exists()]

    def run(self, key: str) -> None:
        """Do what the file says, and mark it."""
        with (self._place / f"{key}.tries").open("a") as tries:
            tries.write(f"{os.getpid()}\n")
        told = (self._place / key).read_text()
        if told == "fail":
            raise ValueError("this piece cannot be done")
        if told == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        while told == "hang" and not (self._place / f"{key}.go").exists():
            time.sleep(0.05)
        (self._place / f"{key}.done").touch()

    @property
    def _place(self) -> Path:
        return self.folder / self.name


def main(folder: str, *words: str) -> None:
    """Evaluate with four kinds of jobs: the third has little time, of the fourth two are done side by side."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "orchestrator_project.settings")
    sys.argv = ["manage.py", "evaluator"]  # whose logs it writes
    django.setup()
    from orchestrator_project.runtime.evaluator import Evaluator

    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    place = Path(folder)
    jobs = [Noted(place, "first"), Noted(place, "second"), Noted(place, "hasty", 0.2)]
    evaluator = Evaluator([*jobs, Noted(place, "pairs", at_once=2)])
    if "once" in words:
        evaluator.work_once(stop)
        sys.exit(1 if evaluator.failed else 0)
    evaluator.work(stop)


if __name__ == "__main__":
    main(*sys.argv[1:])
