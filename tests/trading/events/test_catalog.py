"""The catalog of published events, and its schemas in docs/events/."""

import json
from uuid import UUID

import pytest
from django.utils import timezone

from tests.trading.events.validity import FOLDER, problems, validators
from trading.domain.events.public_events import CATALOG, LogRow, cloud_event, public_type
from trading.domain.events.schemas import files

PK = UUID("01900000-0000-7000-8000-000000000001")
PROMISED = """
    orchestrator.cycle.started orchestrator.cycle.completed orchestrator.cycle.paused orchestrator.cycle.resumed
    orchestrator.cycle.failed orchestrator.cycle.aborted orchestrator.saga.started orchestrator.saga.completed
    orchestrator.saga.compensated orchestrator.saga.failed ai-decision.decision.generated ai.model.switched
    trading-engine.order.submitted trading-engine.order.filled trading-engine.order.failed
    trading-engine.order.canceled trading-engine.position.opened trading-engine.position.closed
    risk.kill-switch.engaged risk.kill-switch.released risk.limit.breached risk.entries.paused
    risk.entries.resumed risk.symbol.locked risk.symbol.unlocked
    risk.safe-mode.entered risk.safe-mode.left risk.kill-switch.sender-fenced
    orchestrator.schedule.disabled orchestrator.schedule.enabled orchestrator.sync.overdue
    orchestrator.sync.recovered orchestrator.lock.stuck orchestrator.lock.freed orchestrator.disk.low
    orchestrator.disk.recovered trading-engine.books.differed
    approval.requested approval.granted approval.rejected approval.expired
    orchestrator.clock.stepped evaluation.trust.published
"""


def row(kind: str, aggregate_type: str, **payload: object) -> LogRow:
    return LogRow(PK, kind, payload, aggregate_type, "1", 7, PK, "task:3", timezone.now())


def test_the_catalog_has_the_types_of_the_contract() -> None:
    assert sorted(CATALOG) == sorted(PROMISED.split())


def test_files_of_the_schemas_are_those_of_the_catalog() -> None:
    written = {file.name: json.loads(file.read_text()) for file in FOLDER.glob("*.json")}

    assert written == files(), "run manage.py event_schemas"
    assert len(validators()) == len(written)


def test_the_index_names_every_file() -> None:
    index = (FOLDER / "README.md").read_text()

    assert [name for name in files() if f"({name})" not in index] == []


def test_event_has_correlation_causation_and_its_place_in_the_aggregate() -> None:
    told = row("kill_switch.engaged", "kill_switch", actor="ann", reason="drill", trigger="operator")

    event = cloud_event(told, source="urn:test")

    assert problems(event) == []
    assert (event["correlationid"], event["causationid"], event["sequence"]) == (
        str(PK),
        "task:3",
        "0000000007",
    )
    assert event["data"] == {"actor": "ann", "reason": "drill", "trigger": "operator"}


@pytest.mark.parametrize(("order", "told"), [("", None), ("x-entry-0", "x-entry-0")])
def test_a_sender_that_was_cut_off_is_published(order: str, told: str | None) -> None:
    fenced = row(
        "kill_switch.sender_fenced",
        "sender",
        pid=7,
        application="orchestrator worker 9",
        held_seconds=12.5,
        client_order_id=order,
    )

    event = cloud_event(fenced, source="urn:test")

    assert problems(event) == []
    assert (event["type"], event["data"]["clientOrderId"]) == ("risk.kill-switch.sender-fenced", told)


@pytest.mark.parametrize(
    ("kind", "payload", "expected"),
    [
        ("decision.reject", {"from": "awaiting_approval"}, "approval.rejected"),
        ("decision.reject", {"from": "executing"}, None),
        ("decision.expire", {"from": "awaiting_approval"}, "approval.expired"),
        ("decision.expire", {"from": "pending"}, None),
        ("order.submit", {"from": "created"}, "trading-engine.order.submitted"),
        ("order.submit", {"from": "unknown"}, None),
        ("decision.deny", {"reason": "exposure_limit_exceeded"}, "risk.limit.breached"),
        ("decision.deny", {"reason": "low_confidence"}, None),
        ("cycle.step.stocks", {}, None),
    ],
)
def test_the_same_transition_means_what_it_came_from(
    kind: str, payload: dict[str, str], expected: str | None
) -> None:
    assert public_type(kind, payload) == expected


def test_a_row_that_lacks_a_fact_is_named_and_never_half_published() -> None:
    with pytest.raises(ValueError, match="trigger: was not given"):
        cloud_event(row("kill_switch.engaged", "kill_switch", actor="a", reason="b"), source="urn:test")


def test_exponents_of_quantities_stay_inside() -> None:
    event = cloud_event(
        row("position.opened", "position", symbol="AAPL", **{"from": "0", "to": "1E+2"}), source="urn:test"
    )

    assert event["data"]["quantity"] == "100"
