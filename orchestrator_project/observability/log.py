"""Logs on standard error, with ids and without secrets: JSON of the services, sentences in a person's terminal."""

import json
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
from orchestrator_project.observability.process_name import is_service, process_name

Event = MutableMapping[str, Any]
SECRET_ENDINGS = ("_KEY", "_TOKEN", "_SECRET", "_PASSWORD")
NOT_FOR_PEOPLE = frozenset({"event", "level", "logger", "timestamp", "process", "pid", "exception", "stack"})


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


_as_json = structlog.processors.JSONRenderer(default=_as_text)


def _render(logger: Any, method: str, event: Event) -> str | bytes:
    """Render a service's line as JSON; of a command that a person started, as a sentence."""
    if is_service(str(event["process"])):
        return _as_json(logger, method, event)
    facts = ", ".join(
        f"{key.replace('_', ' ')} {_as_word(value)}"
        for key, value in event.items()
        if key not in NOT_FOR_PEOPLE and value not in (None, "")
    )
    words = str(event["event"]).replace("_", " ")
    line = f"{event['level']}: {words}{f' ({facts})' if facts else ''}"
    return "\n".join([line, *(str(event[key]) for key in ("stack", "exception") if key in event)])


def _as_word(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=_as_text)


class _Asked(logging.Filter):
    """What is written at all: everything of a service; of a command that a person started, what it should not miss."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the record is written."""
        return record.levelno >= logging.WARNING or is_service(process_name(sys.argv))


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
    """Return Django's LOGGING: one JSON line per record, whoever wrote it; in a person's terminal a sentence.

    uvicorn and Django bring handlers of their own; here their records go to the one handler, too.
    """
    theirs: dict[str, Any] = {"handlers": [], "propagate": True}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "lines": {
                "()": structlog.stdlib.ProcessorFormatter,
                "processors": [
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    _render,
                ],
                "foreign_pre_chain": SHARED_PROCESSORS,
            }
        },
        "filters": {"asked": {"()": _Asked}},
        "handlers": {
            "stderr": {"class": "logging.StreamHandler", "formatter": "lines", "filters": ["asked"]}
        },
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
