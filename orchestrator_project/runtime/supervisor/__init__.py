"""Keeps the processes of one ``manage.py up`` running, and leaves none behind."""

from orchestrator_project.runtime.supervisor.child import ProcessSpec, Timing
from orchestrator_project.runtime.supervisor.lock import AlreadyRunningError, only_one
from orchestrator_project.runtime.supervisor.run import Supervisor

__all__ = ["AlreadyRunningError", "ProcessSpec", "Supervisor", "Timing", "only_one"]
