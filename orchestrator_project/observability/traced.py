"""The switch of tracing: on where a collector is named, and never in the way of the process itself."""

import structlog
from django.conf import settings

log = structlog.get_logger(__name__)


def is_traced() -> bool:
    """Return whether OTEL_EXPORTER_OTLP_ENDPOINT names a collector."""
    return bool(settings.ENVIRONMENT.otel_exporter_otlp_endpoint)


def trace_process(process: str) -> None:
    """Start tracing where it is wanted; a process whose tracing cannot start says so and works on."""
    endpoint = settings.ENVIRONMENT.otel_exporter_otlp_endpoint
    if endpoint is None:
        return
    try:
        from orchestrator_project.observability.tracing import start_tracing  # late: imports the SDK

        start_tracing(endpoint, process)
    except Exception:
        log.exception("tracing_not_started", operation="start_tracing")
