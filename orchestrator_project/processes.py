"""Which processes make up a running system, and with which arguments."""

import os
import sys
from pathlib import Path

from orchestrator_project.supervisor import ProcessSpec

PROJECT = "orchestrator_project"
VENUE = "venue"
VENUE_REFUSES = 2
BASE_DIR = Path(__file__).resolve().parent.parent


def process_specs(*, home: Path, port: int, workers: int, venue: tuple[str, ...] | None) -> list[ProcessSpec]:
    """Return the processes in the order they are started.

    Args:
        workers: child processes of the worker that fetches and executes; the analysis has a worker of
            its own with one child, so that one process only carries the model library.
        venue: arguments of the venue, None to leave it out.
    """
    logs = home / "logs"
    python = sys.executable
    manage = (python, str(BASE_DIR / "manage.py"))
    unchecked = "--skip-checks"  # who starts them has checked the project, console and all
    celery = (python, "-m", "celery", "--quiet", unchecked, "-A", PROJECT)  # no banner: logs are JSON lines
    common = ("--loglevel", "INFO", "--without-gossip", "--without-mingle")
    commands: dict[str, tuple[str, ...]] = {}
    if venue is not None:
        commands[VENUE] = (*manage, "venue", *venue)
    commands["worker"] = (*celery, "worker", "-n", "worker@%h", "-Q", "default", "-c", str(workers), *common)
    commands["analyst"] = (*celery, "worker", "-n", "analyst@%h", "-Q", "analysis", "-c", "1", *common)
    commands["beat"] = (*celery, "beat", "--loglevel", "INFO", "--pidfile", "")
    commands["sweeper"] = (*manage, "sweeper", unchecked)
    commands["listener"] = (*manage, "listen_trade_updates", unchecked)
    commands["relay"] = (*manage, "relay_events", unchecked)
    commands["consumer"] = (*manage, "consume_events", unchecked)
    commands["web"] = (
        *(python, "-m", "uvicorn", f"{PROJECT}.asgi:application", "--host", "127.0.0.1"),
        *(
            "--port",
            str(port),
            "--no-access-log",
            "--log-level",
            "warning",
            "--timeout-graceful-shutdown",
            "2",
        ),
    )
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    return [
        ProcessSpec(
            name=name,
            argv=argv,
            env=environment,
            log=logs / f"{name}.log",
            refusal_code=VENUE_REFUSES if name == VENUE else None,
        )
        for name, argv in commands.items()
    ]
