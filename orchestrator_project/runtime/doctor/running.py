"""The environment of the system that runs, which is another than that of the shell the doctor was started in."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil
from django.conf import settings as django_settings

from orchestrator_project.environment import BadEnvironmentError, Environment, load_environment
from orchestrator_project.runtime.doctor.finding import Answer, Check, off, ok, warning
from orchestrator_project.runtime.supervisor.lock import holder

REMEDY = "`manage.py up` has what it was started with: stop it and start it anew, or set here what it has"


@dataclass(frozen=True, slots=True)
class Running:
    """``manage.py up`` on this state folder, with the environment it was started in."""

    pid: int
    environment: Environment


def running() -> Running | None:
    """Return what runs; None where nothing does, or where it is another user's."""
    pid = holder(Path(django_settings.ENVIRONMENT.orchestrator_home))
    if pid is None:
        return None
    try:
        return Running(pid, load_environment(psutil.Process(pid).environ()))
    except (psutil.Error, OSError, BadEnvironmentError):
        return None


def environment() -> Answer:
    """Say whether this shell has the names that the running system has."""
    found = running()
    if found is None:
        return off("no `manage.py up` runs on this state folder: what is said here is by this shell's")
    words = f"of manage.py up, process {found.pid}"
    theirs, ours = given(found.environment), given(django_settings.ENVIRONMENT)
    if different := [name for name in theirs if theirs[name] != ours[name]]:
        told = ", ".join(different)
        return warning(f"{words}; this shell has another {told}: models and markets are tried by it", REMEDY)
    return ok(words)


def given(environment: Environment) -> Mapping[str, str]:
    """Return every name of the contract with its value, less those that the launcher adds by itself."""
    added = {"DATABASE_URL", "DATABASE_RESERVE_USER", "REDIS_URL", "EVENTS_URL"}
    return {name: value for name, value in environment.masked() if name not in added}


CHECKS = (Check("environment", environment),)
