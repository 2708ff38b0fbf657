"""One supervised process: started, watched, started again with growing pauses."""

import signal
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from orchestrator_project.runtime.engines import disk
from orchestrator_project.runtime.supervisor import forked, identity, warden
from orchestrator_project.runtime.supervisor.logs import LogPump, RotatingLog


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """What to run: ``env`` is the whole environment, ``log`` takes stdout and stderr.

    Args:
        main: where given, the process is forked from the supervisor and calls this with ``argv``; where not, or where
            the system cannot tell forks apart, ``argv`` is executed.
        refusal_code: the exit code by which the process says that it cannot run on what it was given: starting it again
            would not help, so everything is stopped.
        is_once: it ends by itself and is not started again.
        keeps_output: what it prints goes where the supervisor's goes, not to ``log``.
    """

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    log: Path
    refusal_code: int | None = None
    main: Callable[[tuple[str, ...]], None] | None = None
    is_once: bool = False
    keeps_output: bool = False


@dataclass(frozen=True, slots=True)
class Timing:
    """When the supervisor does what, in seconds."""

    first_pause: float = 1.0
    longest_pause: float = 30.0
    healthy_after: float = 60.0
    grace: float = 4.0
    poll_interval: float = 0.1


class Child:
    """The process of one spec, in the supervisor's own process group."""

    def __init__(
        self,
        spec: ProcessSpec,
        mark: str,
        timing: Timing,
        say: Callable[[str], None],
        *,
        pump: LogPump,
        area: identity.Area | None,
    ) -> None:
        self.spec = spec
        self.process: subprocess.Popen[bytes] | forked.Forked | None = None
        self.has_refused = False
        self._has_ended = False
        self._mark = mark
        self._pump = pump
        self._area = area
        self._timing = timing
        self._say = say
        self._log = RotatingLog(spec.log)
        self._pause = timing.first_pause
        self._started_at = 0.0
        self._start_at = 0.0

    def tick(self, now: float) -> None:
        """Start the process when its time has come, and notice when it has ended.

        Args:
            now: monotonic seconds.
        """
        if self.process is None:
            if now >= self._start_at and not self._has_ended:
                self._start(now)
        elif (code := self.process.poll()) is not None:
            self.process = None
            warden.kill_marked(self._mark, self.spec.name)  # what it started must not outlive it
            if code == self.spec.refusal_code:
                self.has_refused = True
            elif self.spec.is_once:
                self._end(code)
            else:
                self._plan_restart(now, how_it_ended(code))

    def is_running(self) -> bool:
        """Tell whether the process runs right now."""
        return self.process is not None and self.process.poll() is None

    def terminate(self) -> None:
        """Ask the process to end."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()

    def _start(self, now: float) -> None:
        try:
            self.process = self._forked() or self._executed()
        except OSError as error:
            self._plan_restart(now, f"could not be started ({error.strerror}: {self.spec.argv[0]})")
            return
        self._started_at = now
        self._log.mark(f"{self.spec.name} started as process {self.process.pid}")
        if self.process.stdout is not None:
            self._pump.follow(self.process.stdout, self._log)

    @property
    def _marks(self) -> dict[str, str]:
        return {warden.MARK: self._mark, warden.NAME_MARK: self.spec.name}

    def _executed(self) -> "subprocess.Popen[bytes]":
        keeps = self.spec.keeps_output
        return subprocess.Popen(  # noqa: S603  (the project's own commands)
            self.spec.argv,
            env={**self.spec.env, **self._marks},
            stdin=subprocess.DEVNULL,
            stdout=None if keeps else subprocess.PIPE,
            stderr=None if keeps else subprocess.STDOUT,
        )

    def _forked(self) -> forked.Forked | None:
        if self.spec.main is None or self._area is None:
            return None
        program = forked.Program(
            self.spec.name,
            self.spec.argv,
            self.spec.main,
            {**self._marks, **_short_first(self.spec.env)},  # the marks before all: they must have room
            keeps_output=self.spec.keeps_output,
        )
        try:
            return forked.start(program, self._area)
        except forked.UnfitToForkError as error:  # slower and larger, but it runs
            self._log.mark(f"{self.spec.name} is executed, not forked: {error}")
            return None

    def _end(self, code: int) -> None:
        self._has_ended = True
        self._log.mark(f"{self.spec.name} {how_it_ended(code)}")
        if code:
            self._say(f"{self.spec.name} {how_it_ended(code)} (log: {self.spec.log})")

    def _plan_restart(self, now: float, what_happened: str) -> None:
        if self._started_at and now - self._started_at >= self._timing.healthy_after:
            self._pause = self._timing.first_pause
        self._start_at = now + self._pause
        self._log.mark(f"{self.spec.name} {what_happened}")
        folder = self.spec.log.parent
        why = f" ({disk.full_words(folder.parent)})" if disk.is_full(folder) else ""
        again = f"it is started again in {self._pause:g} s"
        self._say(f"{self.spec.name} {what_happened}{why}; {again} (log: {self.spec.log})")
        self._pause = min(self._pause * 2, self._timing.longest_pause)


def _short_first(environment: Mapping[str, str]) -> dict[str, str]:
    """Order an environment so that of the part which is shown as much as possible has room."""
    return dict(sorted(environment.items(), key=lambda item: len(item[0]) + len(item[1])))


def how_it_ended(code: int) -> str:
    """Say an exit code as ``subprocess`` gives it: negative numbers are signals."""
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"
