"""Names and values of the running configuration, secrets masked."""

from collections.abc import Callable
from typing import Any

from django.conf import settings as django_settings
from django.db import DatabaseError
from django_celery_beat.models import PeriodicTask

from orchestrator_project.environment_values import masked
from orchestrator_project.runtime.doctor import locks
from orchestrator_project.runtime.doctor.running import running
from orchestrator_project.runtime.doctor.servers import postgres_is_embedded, valkey_is_embedded
from risk.models import RiskLimits
from risk.services.limits import LIMIT_FIELDS
from trading.models import AgentStatus, RuntimeSetting

TABLES = ("settings", "limits", "agent", "schedule", "locks")


def describe(facts: dict[str, Any]) -> None:
    """Add the environment, then what the database holds; a table that cannot be read is None.

    ``environment`` has every name of the contract as the running system has it, this shell's where none runs; "" where
    it is not set. ``engines``: the addresses that this process works with, given or embedded.
    """
    facts |= {"environment": _environment(), "engines": _engines(), **dict.fromkeys(TABLES)}
    readers: dict[str, Callable[[], Any]] = dict(
        zip(TABLES, (_settings, _limits, _agent, _schedule, locks.described), strict=True)
    )
    for name, read in readers.items():
        try:
            facts[name] = read()
        except DatabaseError:
            continue


def _environment() -> dict[str, str]:
    """Return what the operator set or left at its default; the launcher adds the embedded engines' names."""
    started = running()
    given = dict((started.environment if started else django_settings.ENVIRONMENT).masked())
    if postgres_is_embedded():
        given["DATABASE_URL"] = ""
    if valkey_is_embedded():
        given["REDIS_URL"] = ""
        if django_settings.ENVIRONMENT.events_url == django_settings.REDIS_URL:
            given["EVENTS_URL"] = ""
    return given


def _engines() -> dict[str, str]:
    database = masked("DATABASE_URL", django_settings.DATABASE_URL)
    redis = masked("REDIS_URL", django_settings.REDIS_URL)
    return {
        "database": f"{database} (embedded)" if postgres_is_embedded() else database,
        "queue": f"{redis} (embedded)" if valkey_is_embedded() else redis,
    }


def _settings() -> dict[str, str]:
    return {row.name: f"{row.value} {row.unit}" for row in RuntimeSetting.objects.all()}


def _limits() -> dict[str, str] | None:
    row = RiskLimits.objects.first()
    if row is None:
        return None
    figures = {name: str(getattr(row, name)) for name in LIMIT_FIELDS}
    return {"version": str(row.version), "author": row.author} | figures


def _agent() -> dict[str, str] | None:
    row = AgentStatus.objects.filter(pk=1).first()
    if row is None:
        return None
    names = ("mode", "trading_state", "account_id", "world")
    return {name: str(getattr(row, name)) for name in names}


def _schedule() -> dict[str, str]:
    rows = PeriodicTask.objects.select_related("interval", "crontab", "solar", "clocked").order_by("name")
    return {row.name: str(row.scheduler) if row.enabled else "disabled" for row in rows}
