"""A look that fails is said, and does not end the watching."""

import threading

from orchestrator_project.runtime.watching import keep_watching


def test_a_failing_watch_is_said_once_and_goes_on() -> None:
    stop, said, looks = threading.Event(), [], []

    def look() -> None:
        looks.append(len(looks))
        if len(looks) == 5:
            stop.set()
        raise RuntimeError("the watch failed")

    keep_watching(look, said.append, stop, interval_seconds=0.01)

    assert len(looks) == 5
    assert said == ["Watching failed, it goes on: RuntimeError: the watch failed"]
