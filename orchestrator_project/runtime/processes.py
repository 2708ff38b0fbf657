"""Which processes make up a running system, and with which arguments."""

import os
import sys
from datetime import datetime
from pathlib import Path

from django.conf import settings

from orchestrator_project.runtime import image
from orchestrator_project.runtime.connection_count import IO_THREADS
from orchestrator_project.runtime.supervisor import ProcessSpec
from trading.core.providers import venue_file

PROJECT = "orchestrator_project"
VENUE = "venue"
FIRST_CYCLE = "first_cycle"
VENUE_REFUSES = 2
UNCHECKED = "--skip-checks"  # who starts them has checked the project, console and all
BASE_DIR = Path(__file__).resolve().parents[2]


def process_specs(*, home: Path, port: int, workers: int, venue: tuple[str, ...] | None) -> list[ProcessSpec]:
    """Return the processes in the order they are started.

    Args:
        workers: child processes of the worker that judges, and orders beside the threads of ``io_worker``, which do
            what mostly waits: orders and fetches. The analysis has a worker of its own with one child, so that one
            process only carries the model library.
        venue: arguments of the venue, None to leave it out.
    """
    manage = (sys.executable, str(BASE_DIR / "manage.py"))
    # It needs nothing of what the others have in common: a third smaller by itself than as their fork.
    commands = {VENUE: (sys.executable, "-m", "connectors.venue", *venue)} if venue is not None else {}
    commands |= _workers(workers)
    commands |= {
        "sweeper": (*manage, "sweeper", UNCHECKED),
        "listener": (*manage, "listen_trade_updates", UNCHECKED),
        "relay": (*manage, "relay_events", UNCHECKED),
        "consumer": (*manage, "consume_events", UNCHECKED),
        "evaluator": (*manage, "evaluator", UNCHECKED),
        "web": _web(port),
    }
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    return [
        ProcessSpec(
            name=name,
            argv=argv,
            env=environment,
            log=home / "logs" / f"{name}.log",
            refusal_code=VENUE_REFUSES if name == VENUE else None,
            main=None if name == VENUE else image.become,
        )
        for name, argv in commands.items()
    ]


def venue_defaults() -> dict[str, str]:
    """Return what the project gives the local venue as arguments of its command line, by their names."""
    environment = settings.ENVIRONMENT
    home = Path(environment.orchestrator_home)
    given = {"data": environment.venue_data, "state": home / "venue", "address_file": venue_file()}
    return {name: str(value) for name, value in given.items() if value}


def terminal_specs(*, home: Path, since: datetime, keep_engines: bool) -> list[ProcessSpec]:
    """Return what ``up`` shows and does itself, in processes of their own: the first cycle, and a line an event.

    Args:
        since: events from then on are printed.
        keep_engines: embedded engines that died are started again.
    """
    manage = (sys.executable, str(BASE_DIR / "manage.py"))
    follow = (*manage, "follow", UNCHECKED, "--since", since.isoformat())
    commands = {
        FIRST_CYCLE: (*manage, "run_cycle", "--first"),
        "follow": (*follow, "--keep-engines") if keep_engines else follow,
    }
    return [
        ProcessSpec(
            name=name,
            argv=argv,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
            log=home / "logs" / "up.log",
            main=image.become,
            is_once=name == FIRST_CYCLE,
            keeps_output=True,
        )
        for name, argv in commands.items()
    ]


def _workers(children: int) -> dict[str, tuple[str, ...]]:
    celery = (sys.executable, "-m", "celery", "--quiet", UNCHECKED, "-A", PROJECT)  # no banner: logs are JSON
    common = ("--loglevel", "INFO", "--without-gossip", "--without-mingle")
    return {
        "worker": (
            *celery,
            "worker",
            "-n",
            "worker@%h",
            "-Q",
            "default,orders",
            "-X",
            "fetch",
            "-c",
            str(children),
            *common,
        ),
        "io_worker": (
            *celery,
            "worker",
            "-n",
            "io_worker@%h",
            "-Q",
            "orders,fetch",
            "-P",
            "threads",
            "-c",
            str(IO_THREADS),
            *common,
        ),
        "analyst": (*celery, "worker", "-n", "analyst@%h", "-Q", "analysis", "-c", "1", *common),
        "beat": (*celery, "beat", "--loglevel", "INFO", "--pidfile", ""),
    }


def _web(port: int) -> tuple[str, ...]:
    server = (sys.executable, "-m", "uvicorn", f"{PROJECT}.asgi:application")
    address = ("--host", "127.0.0.1", "--port", str(port))
    return (
        *server,
        *address,
        "--http",
        f"{PROJECT}.web.connections:BoundedProtocol",
        "--no-proxy-headers",  # asgi.py knows whom to trust
        "--no-access-log",
        "--log-level",
        "warning",
        "--timeout-graceful-shutdown",
        "2",
    )
