"""What a process is called in logs and traces: by its command line, the same in compose and under `up`."""

from collections.abc import Sequence
from pathlib import PurePath

COMMANDS = {
    "listen_trade_updates": "listener",
    "relay_events": "relay",
    "consume_events": "consumer",
}
SERVICES = frozenset(
    {
        "web",
        "worker",
        "io_worker",
        "analyst",
        "beat",
        "sweeper",
        "listener",
        "relay",
        "consumer",
        "evaluator",
    }
)


def process_name(argv: Sequence[str]) -> str:
    """Return ``web``, ``worker``, ``analyst``, ``beat``, or a management command's name.

    A worker is called by the name it was given (``-n analyst@%h``), ``worker`` without one.
    """
    program = PurePath(argv[0]) if argv else PurePath("python")
    program_name = program.parent.name if program.stem == "__main__" else program.stem
    rest = list(argv[1:])
    if program_name == "uvicorn":
        return "web"
    if program_name == "celery":
        return _celery_name(rest)
    if program_name == "manage":
        command = rest[0] if rest else "help"
        return COMMANDS.get(command, command)
    return program_name


def is_service(name: str) -> bool:
    """Return whether it is one of the long-running processes, whose output nobody but a log reads."""
    return name in SERVICES


def _celery_name(rest: list[str]) -> str:
    if "beat" in rest:
        return "beat"
    if "worker" not in rest:
        return "celery"
    for flag in ("-n", "--hostname"):
        if flag in rest[:-1]:
            return rest[rest.index(flag) + 1].partition("@")[0]
    return "worker"
