"""Do something in a process that ends with it, so that neither its memory nor its connections stay."""

import ctypes
import itertools
import os
import pickle
import select
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress

from orchestrator_project.runtime.supervisor.forked import TASKS, flush_output, require_fitness

PR_SET_PDEATHSIG = 1


class EndedApartError(Exception):
    """The process ended without a word, or raised what cannot be handed over."""


class Apart:
    """What is done in a fork, whose output is this process's, while this process goes on.

    Where forks are not told apart (see ``supervisor.identity``) it is done here, at once.
    """

    def __init__(self, act: Callable[[], None]) -> None:
        self._pid: int | None = None
        if not TASKS.exists():
            act()
            return
        require_fitness()
        self._reading, writing = os.pipe()
        flush_output()
        self._pid = os.fork()
        if self._pid == 0:
            os.close(self._reading)
            _act_and_end(act, writing)
        os.close(writing)

    @property
    def is_over(self) -> bool:
        """Whether ``finish`` would return at once."""
        return self._pid is None or bool(select.select([self._reading], [], [], 0)[0])

    def finish(self) -> None:
        """Wait until it is done.

        Raises:
            Exception: what ``act`` raised, with its causes.
            EndedApartError: the fork was killed.
        """
        if self._pid is None:
            return
        try:
            with os.fdopen(self._reading, "rb") as answer:
                said = answer.read()
        except BaseException:  # a stop signal; what is half done the database undoes
            self.end()
            raise
        pid, self._pid = self._pid, None
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        if not said:
            raise EndedApartError(f"the process that was to do it ended with exit code {code}")
        if errors := pickle.loads(said):  # noqa: S301  (written by our own fork)
            for error, cause in itertools.pairwise(errors):
                error.__cause__ = cause
            raise errors[0]

    def end(self) -> None:
        """End it, done or not."""
        if self._pid is not None:
            pid, self._pid = self._pid, None
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            with suppress(OSError):  # closed already where somebody waited for it
                os.close(self._reading)


def _act_and_end(act: Callable[[], None], writing: int) -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # as if it were a part of its parent
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    answer = b""
    try:
        act()
        flush_output()
        answer = pickle.dumps([])
    except KeyboardInterrupt:
        pass
    except BaseException as error:  # noqa: BLE001 - handed over, whatever it is
        answer = pickle.dumps([_sendable(each) for each in _chain(error)])
    finally:
        os.write(writing, answer)
        os._exit(0)


def _chain(error: BaseException) -> Iterator[BaseException]:
    following: BaseException | None = error
    while following is not None:
        yield following
        following = following.__cause__ or following.__context__


def _sendable(error: BaseException) -> BaseException:
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301  (of this very process)
    except Exception:  # noqa: BLE001 - any class may refuse
        return EndedApartError(f"{type(error).__name__}: {error}")
    return error
