"""The project's settings without a line of log: the other half of ``benchmarks.observability``."""

from orchestrator_project.settings import *  # noqa: F403 - settings are one namespace

# The workers' "ready" is what a start waits for; nothing else is written.
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"stderr": {"class": "logging.StreamHandler"}},
    "root": {"handlers": [], "level": "CRITICAL"},
    "loggers": {"celery.apps.worker": {"handlers": ["stderr"], "level": "INFO", "propagate": False}},
}
