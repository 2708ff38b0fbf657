"""JSON logs on standard error: one shape for every process, with ids and without secrets."""

import logging
import os
import sys
import threading
from collections.abc import Iterable, MutableMapping
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import structlog
from opentelemetry import trace

from connectors.redaction import redact, redact_value, register_secret
from connectors.text import storable_value
from orchestrator_project.observability.process_name import process_name

Event = MutableMapping[str, Any]
SECRET_ENDINGS = ("_KEY", "_TOKEN", "_SECRET", "_PASSWORD")


def _add_process(_: Any, __: str, event: Event) -> Event:
    """Say which process speaks; the pid tells a worker's children apart."""
    return {**event, "process": process_name(sys.argv), "pid": os.getpid()}


def _add_trace(_: Any, __: str, event: Event) -> Event:
    """Name the trace and span the line belongs to, where one is recorded."""
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        event["trace_id"] = trace.format_trace_id(context.trace_id)
        event["span_id"] = trace.format_span_id(context.span_id)
    return event


def _clean_values(_: Any, __: str, event: Event) -> Event:
    """Take out keys, and what no terminal and no store takes: half characters, and what steers the screen."""
    return {
        key: value if key.startswith("_") else storable_value(redact_value(value, name=key))
        for key, value in event.items()
    }


def _as_text(value: object) -> str:
    """Render what JSON has no form for; its words may hold a key as any other."""
    return redact(repr(value))


SHARED_PROCESSORS: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.PositionalArgumentsFormatter(),
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    _add_process,
    _add_trace,
    structlog.processors.StackInfoRenderer(),
    structlog.processors.format_exc_info,
    _clean_values,
]


def configure_structlog() -> None:
    """Send structlog through the standard library, whose handlers Django configures."""
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *SHARED_PROCESSORS,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def logging_config(level: str) -> dict[str, Any]:
    """Return Django's LOGGING: one JSON line per record, whoever wrote it.

    uvicorn and Django bring handlers of their own; here their records go to the one handler, too.
    """
    theirs: dict[str, Any] = {"handlers": [], "propagate": True}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "json": {
                "()": structlog.stdlib.ProcessorFormatter,
                "processors": [
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    structlog.processors.JSONRenderer(default=_as_text),
                ],
                "foreign_pre_chain": SHARED_PROCESSORS,
            }
        },
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            "celery.app.trace": {"level": "WARNING"},
            "celery.worker.strategy": {"level": "WARNING"},
            "django": theirs,
            "django.server": theirs,
            "uvicorn": theirs,
            "uvicorn.error": theirs,
            "uvicorn.access": {**theirs, "level": "WARNING"},
            # At debug level it logs the paths of requests, which are the keys of some who take notices.
            "urllib3": {"level": "INFO"},
            # tracing.py says itself, once in a while, that the collector is away.
            "opentelemetry": {"level": "CRITICAL"},
        },
    }


def register_secrets(environ: MutableMapping[str, str], urls: Iterable[str | None]) -> None:
    """Have every key of the environment, and every password of an address, removed wherever it appears."""
    for name, value in environ.items():
        if name.endswith(SECRET_ENDINGS):
            register_secret(value)
    for url in urls:
        parts = urlsplit(url or "")
        for password in (parts.password, *parse_qs(parts.query).get("password", [])):
            register_secret(unquote(password or ""))


def log_what_nobody_catches() -> None:
    """Log uncaught exceptions and warnings as everything else: else they are printed, keys included."""
    logging.captureWarnings(capture=True)
    log = structlog.get_logger("uncaught")

    def uncaught(
        kind: type[BaseException], error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if issubclass(kind, KeyboardInterrupt | SystemExit):
            return
        log.critical("uncaught_exception", exc_info=(kind, error, traceback), error_type=kind.__name__)

    def uncaught_in_thread(hooked: threading.ExceptHookArgs) -> None:
        uncaught(hooked.exc_type, hooked.exc_value, hooked.exc_traceback)

    sys.excepthook = uncaught
    threading.excepthook = uncaught_in_thread
