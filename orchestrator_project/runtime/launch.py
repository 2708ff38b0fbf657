"""Start a management command with the engines it needs, or say in one line why it cannot start."""

import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from connectors import proxies
from orchestrator_project.environment import BadEnvironmentError, load_environment, near_misses
from orchestrator_project.runtime.engines import EngineError, disk, joined_engines
from orchestrator_project.runtime.supervisor.warden import MARK

BASE_DIR = Path(__file__).resolve().parents[2]
WITHOUT_ENGINES = frozenset(
    {
        "help",
        "version",
        "venue",
        "makemigrations",
        "collectstatic",
        "event_schemas",
        "openapi",
    }
)
WITHOUT_REDIS = frozenset({"kill_switch"})
FORKING = "up"
HELP = ((), ("help",), ("--help",), ("-h",))
FAILED = 1
BAD_START = 2
NO_DATABASE = (
    "The database did not do it ({words}): what you asked for may not have been done. Once it answers, look with"
    " `manage.py kill_switch status`. To stop trading without it, end the processes (stop `manage.py up`)."
)
embedded_engines: set[str] = set()  # what this process joined, for whoever supervises
SIGNALLED = 128
INTERRUPTED = SIGNALLED + signal.SIGINT


def main(argv: Sequence[str]) -> int:
    """Run ``manage.py`` with these arguments; return the exit code."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "orchestrator_project.settings")
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _leave)  # so that engines started for this command are stopped again
    command = argv[1] if len(argv) > 1 else "help"
    try:
        environment = load_environment(os.environ)
        _warn()
        if command in WITHOUT_ENGINES or command.startswith("-") or {"-h", "--help"} & set(argv):
            return _execute(argv)
        needs = {
            "need_database": environment.database_url is None,
            "need_redis": environment.redis_url is None and command not in WITHOUT_REDIS,
        }
        embedded_engines.update(name for name, needed in needs.items() if needed)
        loading = threading.Thread(target=_load_what_is_forked, args=(command,), daemon=True)
        loading.start()
        with joined_engines(environment.orchestrator_home, **needs) as urls:
            found = {
                "DATABASE_URL": urls.database_url,
                "DATABASE_RESERVE_USER": urls.reserve_user,
                "REDIS_URL": urls.redis_url,
            }
            os.environ.update({name: value for name, value in found.items() if value is not None})
            loading.join()
            return _execute_in_plain_words(argv, environment.orchestrator_home)
    except (BadEnvironmentError, EngineError) as error:
        sys.stderr.write(f"{error}\n")
        return BAD_START
    except KeyboardInterrupt:
        return INTERRUPTED


def _load_what_is_forked(command: str) -> None:
    """Load the libraries of ``up``'s processes while its engines start."""
    if command == FORKING:
        from orchestrator_project.runtime import image

        image.load_libraries()


def _warn() -> None:
    """Say once, in the command a person started, which names look like ours, and which proxy is of no use."""
    if MARK not in os.environ:
        for line in [*near_misses(os.environ), *proxies.current().lines()]:
            sys.stderr.write(f"warning: {line}\n")


def _leave(number: int, _: FrameType | None) -> None:
    raise SystemExit(SIGNALLED + number)


def _execute_in_plain_words(argv: Sequence[str], home: Path) -> int:
    """Execute; a full disk, and a database that does not do what the switch asks, are said in a sentence."""
    try:
        return _execute(argv)
    except Exception as error:
        words = disk.why_it_failed(home, error) or _why_no_switch(argv, error)
        if words is None:
            raise
        sys.stderr.write(f"{words}\n")
        return FAILED


def _why_no_switch(argv: Sequence[str], error: Exception) -> str | None:
    from django.db import OperationalError

    if argv[1:2] != ["kill_switch"] or not isinstance(error, OperationalError):
        return None
    return NO_DATABASE.format(words=" ".join(str(error).split()))


def _execute(argv: Sequence[str]) -> int:
    from django.core.management import execute_from_command_line

    from orchestrator_project.db import reserve

    if argv[1:2] in (["kill_switch"], ["sweeper"]):
        reserve.use_always()
    try:
        if unknown := _why_unknown(argv):
            sys.stderr.write(f"{unknown}\n")
            return BAD_START
        if tuple(argv[1:]) in HELP:
            return _help()
        execute_from_command_line(list(argv))
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read has enough, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return SIGNALLED + signal.SIGPIPE
    return 0


def _help() -> int:
    from orchestrator_project.runtime.help import lines

    sys.stdout.write("\n".join([*lines(), ""]))
    sys.stdout.flush()
    return 0


def _why_unknown(argv: Sequence[str]) -> str | None:
    """Return a sentence where there is no such command."""
    import difflib

    import django
    from django.core.management import get_commands

    django.setup()
    name = argv[1] if len(argv) > 1 else "help"
    known = {*get_commands(), "help", "version"}
    if name in known or name.startswith("-"):
        return None
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    return f"there is no command {name!r}: {hint}`manage.py help` lists them"
