"""Each piece of work is done in a child that ends with it, once, and comes back where it failed or was killed."""

import json
import sys
from collections.abc import Iterator
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import psutil
import pytest

from orchestrator_project.runtime.doctor import processes as processes_of_doctor
from tests import forked
from tests.e2e.system import environment, held
from tests.waiting import wait_until
from trading.models import Heartbeat

pytestmark = [
    pytest.mark.system,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing is forked"),
]
PROGRAM = (sys.executable, "-m", "tests.orchestrator_project.runtime.evaluating")
GOOD, FAILS, IS_KILLED, HANGS = "", "fail", "kill", "hang"


class Evaluators:
    """Evaluators on the pieces of a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._running: list[ForkServerProcess] = []

    def put(self, job: str, key: str, does: str = GOOD) -> Path:
        """Make a piece due."""
        place = self.folder / job
        place.mkdir(exist_ok=True)
        (place / key).write_text(does)
        return place / key

    def once(self) -> int:
        """Have an evaluator do what is due; return its exit code."""
        done = forked.run([*PROGRAM, str(self.folder), "once"], env=environment(), seconds=120)
        self.said = done.stdout + done.stderr
        return done.returncode

    def start(self) -> psutil.Process:
        """Start one that goes on."""
        log = self.folder / f"evaluator{len(self._running)}.log"
        self._running.append(forked.start([*PROGRAM, str(self.folder)], env=environment(), log=log))
        return psutil.Process(self._running[-1].pid)

    def stop(self) -> None:
        """Kill those that go on."""
        for process in self._running:
            process.kill()
            process.join(60)

    def lines(self, event: str) -> list[dict[str, object]]:
        """Return the log lines of an event."""
        texts = (log.read_text().splitlines() for log in self.folder.glob("*.log"))
        return [json.loads(text) for lines in texts for text in lines if f'"event": "{event}"' in text]


@pytest.fixture
def evaluators(tmp_path: Path) -> Iterator[Evaluators]:
    started = Evaluators(tmp_path)
    yield started
    started.stop()


def tries(piece: Path) -> list[str]:
    file = piece.with_name(f"{piece.name}.tries")
    return file.read_text().split() if file.exists() else []


def is_done(piece: Path) -> bool:
    return piece.with_name(f"{piece.name}.done").exists()


def test_what_is_due_is_done_once_each_in_a_process_of_its_own(evaluators: Evaluators) -> None:
    pieces = [evaluators.put("first", "a"), evaluators.put("first", "b"), evaluators.put("second", "a")]

    code = evaluators.once()

    assert code == 0, evaluators.said
    assert all(map(is_done, pieces))
    assert [len(tries(piece)) for piece in pieces] == [1, 1, 1]
    assert len({pid for piece in pieces for pid in tries(piece)}) == 3
    assert Heartbeat.objects.get(process="evaluator").detail == (
        "3 pieces of work done, 0 failed since its start"
    )


@pytest.mark.parametrize(
    ("job", "does", "said"),
    [
        ("first", FAILS, "ValueError: this piece cannot be done"),
        ("first", IS_KILLED, "EndedApartError: the process that was to do it ended with exit code -9"),
        ("hasty", HANGS, "PieceError: it took more than 0.2 s"),
    ],
)
def test_a_piece_that_fails_is_said_and_keeps_no_other_from_its_turn(
    evaluators: Evaluators, job: str, does: str, said: str
) -> None:
    bad, good = evaluators.put(job, "a", does), [evaluators.put(job, "b"), evaluators.put("second", "a")]

    code = evaluators.once()

    assert code == 1
    assert not is_done(bad)
    assert all(map(is_done, good))
    assert len(tries(bad)) == 1
    assert Heartbeat.objects.get(process="evaluator").detail == (
        f"2 pieces of work done, 1 failed since its start; {job} a failed 1 times: {said}"
    )


def test_a_kind_that_cannot_say_what_is_due_keeps_no_other_from_its_turn(evaluators: Evaluators) -> None:
    evaluators.put("first", "broken")
    good = evaluators.put("second", "a")

    code = evaluators.once()

    assert code == 1
    assert is_done(good)


def test_a_kind_that_another_evaluator_does_is_left_to_it(evaluators: Evaluators) -> None:
    piece, other = evaluators.put("first", "a"), evaluators.put("second", "a")

    with held("SELECT pg_advisory_lock(17750, hashtext('evaluation first'))"):
        code = evaluators.once()

    assert (code, tries(piece), is_done(other)) == (0, [], True)
    assert evaluators.once() == 0
    assert is_done(piece)


def test_a_piece_that_hangs_leaves_the_other_place_of_its_kind_to_the_rest(evaluators: Evaluators) -> None:
    hangs = evaluators.put("pairs", "a", HANGS)
    others = [evaluators.put("pairs", key) for key in "bcd"]
    evaluators.start()
    evaluators.start()

    wait_until(lambda: all(map(is_done, others)), what="the others are done")

    assert not is_done(hangs)
    hangs.with_name("a.go").touch()
    wait_until(lambda: is_done(hangs), what="it is done")
    assert [len(tries(piece)) for piece in (hangs, *others)] == [1, 1, 1, 1]


def test_a_killed_evaluator_takes_its_child_along_and_the_next_does_the_piece(evaluators: Evaluators) -> None:
    piece = evaluators.put("first", "a", HANGS)
    killed = evaluators.start()
    wait_until(lambda: tries(piece), what="the piece is begun")

    killed.kill()

    (child,) = tries(piece)
    wait_until(lambda: not psutil.pid_exists(int(child)), what="its child is gone")
    evaluators.start()
    wait_until(lambda: len(tries(piece)) == 2, what="it is begun again")
    piece.with_name("a.go").touch()
    wait_until(lambda: is_done(piece), what="it is done")


def test_a_failed_piece_is_tried_again_after_a_pause(evaluators: Evaluators) -> None:
    piece = evaluators.put("first", "a", FAILS)
    evaluators.start()
    wait_until(lambda: evaluators.lines("evaluation_failed"), what="it has failed")

    piece.write_text(GOOD)

    wait_until(lambda: is_done(piece), seconds=120, what="it is done")
    (line,) = evaluators.lines("evaluation_failed")
    assert (line["job"], line["failures"], line["again_in_seconds"]) == ("first", 1, 10.0)
    assert processes_of_doctor.evaluator().status == "ok"


def test_doctor_says_that_it_has_never_run() -> None:
    answer = processes_of_doctor.evaluator()

    assert (answer.status, answer.found) == ("warning", "it has never run here")
