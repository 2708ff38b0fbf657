"""Read and change the runtime settings: what an operator may set while the system runs."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple, TypeVar
from uuid import UUID

import structlog
from django.db import transaction
from django.db.models import JSONField, Model, QuerySet
from django.db.models.expressions import RawSQL
from django.db.models.functions import Cast
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from trading.core import transitions
from trading.domain.runtime_settings import NUMBERS, SETTINGS, WORDS
from trading.domain.setting_combinations import TOGETHER, check_together
from trading.errors import SettingError
from trading.models import Event, RuntimeSetting

log = structlog.get_logger(__name__)
_kept: ContextVar["_Kept | None"] = ContextVar("settings_kept", default=None)
M = TypeVar("M", bound=Model)
_BESIDE = "settings_beside"
CYCLE_SCHEDULE = "Trading cycle"
MAINTENANCE_SCHEDULE = "Maintenance cycle"


@dataclass(slots=True)
class _Kept:
    """What is stored, by name; None: not read yet."""

    stored: Mapping[str, str] | None = None


@contextmanager
def read_once(rows: Iterable[RuntimeSetting] | None = None) -> Iterator[None]:
    """Read the settings once, when one is first needed, for the whole block: what is changed meanwhile counts after it.

    For work of some seconds that needs many of them, in this thread; not where what was set meanwhile must be obeyed.

    Args:
        rows: all that are stored, where the caller has just read them with something else.
    """
    token = _kept.set(_Kept(None if rows is None else {row.name: row.value for row in rows}))
    try:
        yield
    finally:
        _kept.reset(token)


def with_all(rows: "QuerySet[M]") -> "QuerySet[M]":
    """Return a query that reads all settings beside each of its few rows; see ``keep_read_with``."""
    read = RawSQL("(SELECT jsonb_object_agg(name, value) FROM runtime_settings)", ())
    found: QuerySet[M] = rows.annotate(**{_BESIDE: Cast(read, JSONField())})
    return found


def keep_read_with(row: Model) -> None:
    """Take the settings that were read with a row for the block of ``read_once`` that is open and has read none."""
    kept = _kept.get()
    if kept is not None and kept.stored is None:
        kept.stored = getattr(row, _BESIDE) or {}


def _stored(names: Collection[str]) -> dict[str, str]:
    """Return what is stored of these settings, by name, in one query at most."""
    kept = _kept.get()
    if kept is None:
        return dict(RuntimeSetting.objects.filter(pk__in=names).values_list("name", "value"))
    if kept.stored is None:
        kept.stored = dict(RuntimeSetting.objects.values_list("name", "value"))
    return {name: kept.stored[name] for name in names if name in kept.stored}


def runtime_value(name: str) -> Decimal:
    """Return a setting's value in the unit of its spec.

    Raises:
        KeyError: no such setting, or one that is no number.
    """
    return several(name)[name]


def word(name: str) -> str:
    """Return a setting that is a word.

    Raises:
        KeyError: no such setting, or one that is a number.
    """
    stored = _stored((name,)).get(name)
    return WORDS[name].parse(stored) if stored is not None else WORDS[name].default


def check(name: str) -> None:
    """Read a setting as its users do.

    Raises:
        SettingError: what is stored is none of its values.
    """
    if name in WORDS:
        word(name)
    else:
        runtime_value(name)


def check_combination() -> None:
    """Check the settings that bound each other, as they are stored.

    Raises:
        SettingError: they do not go together, or one is none of its values.
    """
    check_together(several(*TOGETHER), changed=TOGETHER[0])


def parsed_change(name: str, value: str) -> Decimal | str:
    """Return what a setting would be changed to.

    Raises:
        SettingError: no such setting, a value it cannot take, or one that does not go with another setting.
    """
    spec = SETTINGS.get(name)
    if spec is None:
        raise SettingError(f"{name}: no such setting, expected one of {', '.join(SETTINGS)}")
    parsed = spec.parse(value)
    if name in TOGETHER and isinstance(parsed, Decimal):
        try:
            others = several(*(other for other in TOGETHER if other != name))
        except SettingError:  # what is stored there cannot be read, and says so itself: put right one by one
            return parsed
        check_together({**others, name: parsed}, changed=name)
    return parsed


@lru_cache(maxsize=512)
def _number(name: str, stored: str) -> Decimal:
    """Return what is stored of a number as it is understood: of each text once, for an order asks for forty."""
    return NUMBERS[name].parse(stored)


def several(*names: str) -> dict[str, Decimal]:
    """Return settings by name, in one query.

    Raises:
        KeyError: no such setting, or one that is no number.
    """
    stored = _stored(names)
    return {name: _number(name, stored[name]) if name in stored else NUMBERS[name].default for name in names}


class AsNeeded(Mapping[str, Decimal]):
    """Settings read in one query, each understood when it is looked up: one that cannot be stops who needs it alone.

    A mapping of those that are numbers; ``word`` has the others.

    A look-up raises ``SettingError`` where what is stored is none of its values.
    """

    def __init__(self, *names: str) -> None:
        self._names = names
        self._stored = _stored(names)

    def __getitem__(self, name: str) -> Decimal:
        if name not in self._names:
            raise KeyError(name)
        spec = NUMBERS[name]
        return _number(name, self._stored[name]) if name in self._stored else spec.default

    def word(self, name: str) -> str:
        """Return a setting that is a word.

        Raises:
            KeyError: it was not asked for, or is a number.
            SettingError: what is stored is none of its words.
        """
        if name not in self._names:
            raise KeyError(name)
        spec = WORDS[name]
        return spec.parse(self._stored[name]) if name in self._stored else spec.default

    def __iter__(self) -> Iterator[str]:
        return (name for name in self._names if name in NUMBERS)

    def __len__(self) -> int:
        return sum(1 for _ in self)


class Retries(NamedTuple):
    """How often a read is made in all, and the pauses between tries of orders and reads, in seconds.

    The first is ``base``, each ``factor`` times the one before, at most ``cap``.
    """

    attempts: int
    base: float
    factor: float
    cap: float


def retries() -> Retries:
    """Return ``read_attempts`` and the ``retry_*`` settings, in one query."""
    names = ("read_attempts", "retry_base", "retry_factor", "retry_cap")
    chosen = several(*names)
    attempts, *pauses = (chosen[name] for name in names)
    return Retries(int(attempts), *map(float, pauses))


def seconds(name: str) -> float:
    """Return a setting whose unit is seconds."""
    return float(runtime_value(name))


def count(name: str) -> int:
    """Return a setting whose unit is a whole count."""
    return int(runtime_value(name))


def set_runtime_setting(*, name: str, value: str, actor: str, reason: str = "") -> RuntimeSetting:
    """Store a value, with an event that says the old and the new one; the beat schedule follows the cycle interval.

    Args:
        actor: who sets it, and ``reason`` why; both are kept with the event. The same value again is none.

    Raises:
        SettingError: no such setting, a value it cannot take, or one that does not go with another setting.
    """
    with transaction.atomic():
        if name in TOGETHER:  # of two who change two of them at once the second sees what the first has set
            list(RuntimeSetting.objects.select_for_update().filter(pk__in=TOGETHER).order_by("pk"))
        parsed = parsed_change(name, value)
        spec = SETTINGS[name]
        columns = {"unit": spec.unit, "description": spec.description}
        RuntimeSetting.objects.get_or_create(name=name, defaults={"value": str(spec.default), **columns})
        row = RuntimeSetting.objects.select_for_update().get(pk=name)
        before, row.value, row.updated_by = row.value, str(parsed), actor
        row.unit, row.description = spec.unit, spec.description
        row.save()
        if before != row.value:
            _record_change(row, before=before, reason=reason)
        if name == "cycle_interval":
            schedule_cycles(int(parsed))
    return row


def take_back(*, name: str, change_id: UUID, actor: str) -> RuntimeSetting:
    """Set a setting to what it was before a change; that is a change of its own, with its event.

    Args:
        change_id: of the event ``setting.changed``.

    Raises:
        SettingError: no such change, the value was changed since, or what was before cannot be set any more.
    """
    with transaction.atomic():
        row = RuntimeSetting.objects.select_for_update().filter(pk=name).first()
        change = Event.objects.filter(
            pk=change_id, aggregate_type="setting", aggregate_id=name, type="setting.changed"
        ).first()
        if row is None or change is None:
            raise SettingError(f"{name}: has no change {change_id}, expected one of its own")
        said = change.payload
        if row.value != said["to"]:
            raise SettingError(f"{name}: is {row.value} by now, expected {said['to']}: it was changed since")
        reason = f"taken back: the change of {change.occurred_at:%Y-%m-%d %H:%M:%S} UTC by {said['actor']}"
        return set_runtime_setting(name=name, value=said["from"], actor=actor, reason=reason)


def _record_change(row: RuntimeSetting, *, before: str, reason: str) -> None:
    facts = {"name": row.name, "from": before, "to": row.value, "unit": row.unit}
    log.info(
        "setting_changed",
        setting=row.name,
        before=before,
        after=row.value,
        actor=row.updated_by,
        reason=reason,
    )
    transitions.append_event(
        aggregate_type="setting",
        aggregate_id=row.name,
        event_type="setting.changed",
        payload={**facts, "actor": row.updated_by, "reason": reason},
        cycle_id=None,
    )


def schedule_cycles(interval_seconds: int) -> None:
    """Make beat start a cycle every ``interval_seconds``; a late message is worth nothing and expires."""
    interval, _ = IntervalSchedule.objects.get_or_create(
        every=interval_seconds, period=IntervalSchedule.SECONDS
    )
    PeriodicTask.objects.update_or_create(
        name=CYCLE_SCHEDULE,
        defaults={
            "task": "trading.start_cycle",
            "interval": interval,
            "expire_seconds": max(5, interval_seconds // 2),
        },
    )
