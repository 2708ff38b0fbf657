import sys

from django.apps import AppConfig

from ai import gateway
from connectors import proxies
from orchestrator_project import celery  # noqa: F401 - whoever has Django sends its tasks by our Celery application
from orchestrator_project.observability.connection_names import name_connections
from orchestrator_project.observability.log import log_what_nobody_catches
from orchestrator_project.observability.process_name import is_service, process_name
from orchestrator_project.observability.traced import trace_process

# celery.py starts tracing in the workers' children; a thread that sends would keep the evaluator from forking.
FORKS = frozenset({"worker", "io_worker", "analyst", "celery", "evaluator"})
# Not kill_switch: it waits for nothing. `up` itself forks, and has no thread that would send.
TRACED_COMMANDS = frozenset({"run_cycle", "reconcile"})


class OrchestratorConfig(AppConfig):
    name = "orchestrator_project"

    def ready(self) -> None:
        """Set up what a process needs to be seen, before it opens its first connection."""
        name_connections()
        found = proxies.current()
        gateway.use_proxies(found.apply, found.problem)
        process = process_name(sys.argv)
        if is_service(process):
            log_what_nobody_catches()
        if process not in FORKS and (is_service(process) or process in TRACED_COMMANDS):
            trace_process(process)
