"""What was changed by whom, when and why, from the log of events: of settings and strategies."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Q

from trading.analysis.strategies import CONTENT, content_of
from trading.domain.words import in_words, without_lines
from trading.models import Event, StrategyVersion

MOST_SHOWN = 50
LATELY_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Difference:
    """A field and what it was and is, in words."""

    name: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Change:
    """One change, of what is called ``name``; ``differences`` is empty where something was only begun."""

    pk: UUID
    name: str
    at: datetime
    actor: str
    reason: str
    differences: tuple[Difference, ...]


def changes_of(aggregate_type: str, aggregate_id: str) -> list[Change]:
    """Return the latest changes of a setting (by its name) or a strategy (by its id), the newest first."""
    events = Event.objects.filter(aggregate_type=aggregate_type, aggregate_id=aggregate_id)
    return [_change(event) for event in events.order_by("-sequence")[:MOST_SHOWN]]


def setting_changes() -> list[Change]:
    """Return the latest changes of all settings, the newest first."""
    events = Event.objects.filter(type="setting.changed", aggregate_type="setting")
    return [_change(event) for event in events.order_by("-occurred_at", "-position")[:LATELY_SHOWN]]


def _change(event: Event) -> Change:
    payload = event.payload
    return Change(
        event.pk,
        event.aggregate_id,
        event.occurred_at,
        payload.get("actor", ""),
        payload.get("reason", ""),
        tuple(_differences(payload)),
    )


def differences_of(version: StrategyVersion) -> list[Difference]:
    """Return what a version of a strategy changed of the one before; nothing where that is not kept."""
    before = StrategyVersion.objects.filter(strategy=version.strategy_id, version=version.version - 1).first()
    return _between(before.content if before else version.content, version)


def differences_to_now(version: StrategyVersion) -> list[Difference]:
    """Return what a version has otherwise than its strategy in force, in words; read it with its strategy."""
    return _between(content_of(version.strategy), version)


def changed_names(
    versions: Sequence[StrategyVersion],
) -> Iterator[tuple[StrategyVersion, list[str] | None]]:
    """Yield each version with the names of what it changed of the one before; None where that is not kept."""
    wanted = Q.create(
        [Q(strategy=row.strategy_id, version=row.version - 1) for row in versions], connector=Q.OR
    )
    found = StrategyVersion.objects.filter(wanted) if versions else ()
    earlier = {(row.strategy_id, row.version + 1): row.content for row in found}
    for row in versions:
        was = earlier.get((row.strategy_id, row.version))
        yield row, None if was is None else [one.name for one in _between(was, row)]


def _between(was: Mapping[str, Any], version: StrategyVersion) -> list[Difference]:
    return [
        Difference(name.replace("_", " "), _said(was.get(name)), _said(value))
        for name, value in _in_order(version.content)
        if was.get(name) != value
    ]


def all_of(version: StrategyVersion) -> list[Difference]:
    """Return every field of a version of a strategy, in words."""
    return [
        Difference(name.replace("_", " "), "", _said(value)) for name, value in _in_order(version.content)
    ]


def _said(value: object) -> str:
    return without_lines(in_words(value))


def _in_order(fields: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Return the fields of a strategy as its form has them: the database keeps no order."""
    place = {name: number for number, name in enumerate((*CONTENT, "is_active"))}
    return sorted(fields.items(), key=lambda item: place.get(item[0], len(place)))


def _differences(payload: Mapping[str, Any]) -> Iterator[Difference]:
    if "to" in payload:
        yield Difference("value", in_words(payload["from"]), in_words(payload["to"]))
    for name, (before, after) in _in_order(payload.get("changes", {})):
        yield Difference(name.replace("_", " "), in_words(before), in_words(after))
