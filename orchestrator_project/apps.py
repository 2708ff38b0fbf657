import sys

from django.apps import AppConfig
from django.conf import settings

from orchestrator_project.log import log_what_nobody_catches
from orchestrator_project.process_name import is_service, process_name

FORKS = frozenset({"worker", "analyst", "celery"})  # celery.py starts tracing in their children
TRACED_COMMANDS = frozenset({"up", "run_cycle", "kill_switch", "reconcile"})


class OrchestratorConfig(AppConfig):
    name = "orchestrator_project"

    def ready(self) -> None:
        """Set up what a process needs to be seen, before it opens its first connection."""
        process = process_name(sys.argv)
        if is_service(process):
            log_what_nobody_catches()
        endpoint = settings.ENVIRONMENT.otel_exporter_otlp_endpoint
        if endpoint and process not in FORKS and (is_service(process) or process in TRACED_COMMANDS):
            from orchestrator_project.tracing import start_tracing  # late: imports the SDK

            start_tracing(endpoint, process)
