"""Keeps the processes of one ``manage.py up`` running, and leaves none behind."""

from orchestrator_project.supervisor.child import ProcessSpec, Timing
from orchestrator_project.supervisor.lock import AlreadyRunningError, only_one
from orchestrator_project.supervisor.run import Supervisor

__all__ = ["AlreadyRunningError", "ProcessSpec", "Supervisor", "Timing", "only_one"]
