"""Maintenance does each part on its own; and a cycle's last sync never keeps it from its end."""

from typing import Any

import pytest

from tests.factories import make_agent, make_cycle, make_decision, make_order, make_snapshot
from tests.trading.outside import STOCK, Outside
from tests.trading.scenes import ago, change, events_of
from trading.cycle.finishing import finish_cycle
from trading.execution.portfolio import sync_portfolio
from trading.models import AgentStatus, Asset, Cycle, EquitySnapshot, Event, MarketSnapshot
from trading.work.maintenance import maintain, prune


@pytest.fixture
def cycle(account: Outside) -> Cycle:
    return make_cycle(status="running", cycle_type="maintenance", symbols=[])


def test_maintenance_does_its_parts_and_completes(account: Outside, cycle: Cycle) -> None:
    assert maintain(cycle.pk)

    cycle.refresh_from_db()
    assert (cycle.status, cycle.errors) == ("completed", [])
    parts = ["sync_account", "reconcile", "refresh_assets", "prune"]
    assert [name for name in events_of(cycle) if "step" in name] == [f"cycle.step.{p}" for p in parts]
    assert Asset.objects.filter(pk=STOCK).exists()
    assert EquitySnapshot.objects.exists()


def test_part_that_fails_is_recorded_and_the_others_are_done(account: Outside, cycle: Cycle) -> None:
    """docs/lessons.md#lesson-13."""
    account.venue.fault(kind="error", route="GET /v2/orders")

    assert maintain(cycle.pk)

    cycle.refresh_from_db()
    assert cycle.status == "completed"
    assert [error["operation"] for error in cycle.errors] == ["reconcile"]
    assert Asset.objects.filter(pk=STOCK).exists()


def test_what_was_left_out_of_the_brokers_lists_is_a_warning(account: Outside, cycle: Cycle) -> None:
    account.venue.fault(kind="alter", route="GET /v2/assets", rows=[STOCK], body={"exchange": ""})

    assert maintain(cycle.pk)

    told = Event.objects.get(type="cycle.warning", aggregate_id=str(cycle.pk)).payload
    assert (told["operation"], told["message"]) == ("assets", f"1 row left out: {STOCK}: exchange is ''")
    assert Asset.objects.filter(tradable=True).count() == 169


def test_second_delivery_of_maintenance_does_nothing(account: Outside, cycle: Cycle) -> None:
    maintain(cycle.pk)
    asked = len(account.requests())

    assert not maintain(cycle.pk)

    assert len(account.requests()) == asked


def test_maintenance_whose_worker_died_is_taken_over(account: Outside, cycle: Cycle) -> None:
    change(cycle, stage="finishing", lease_until=ago(seconds=1))

    assert maintain(cycle.pk)


@pytest.mark.django_db
def test_maintenance_without_a_broker_records_what_it_could_not_do() -> None:
    make_agent()
    cycle = make_cycle(status="running", cycle_type="maintenance")

    assert maintain(cycle.pk)

    cycle.refresh_from_db()
    assert {error["type"] for error in cycle.errors} == {"NotConfiguredError"}
    assert "cycle.step.prune" in events_of(cycle)


@pytest.mark.django_db
def test_prices_older_than_a_week_are_pruned() -> None:
    """docs/lessons.md#lesson-16."""
    make_snapshot(fetched_at=ago(days=7, seconds=1))
    kept = make_snapshot(fetched_at=ago(days=6))

    assert prune() == 1

    assert list(MarketSnapshot.objects.all()) == [kept]


def test_cycle_is_finished_after_a_last_sync(account: Outside) -> None:
    cycle = make_cycle(status="running", stage="executing")
    make_decision(cycle=cycle, status="executed")

    assert finish_cycle(cycle.pk)
    assert not finish_cycle(cycle.pk)

    cycle.refresh_from_db()
    assert (cycle.status, cycle.metrics["decisions_count"]) == ("completed", 1)
    assert EquitySnapshot.objects.get().cycle_id == cycle.pk


@pytest.mark.parametrize(
    ("order", "is_asked"),
    [
        ({"status": "filled", "ended_sequence": 1}, False),
        ({"status": "filled", "ended_sequence": 10**9}, True),  # the stored sync was asked for before its end
        ({"status": "accepted"}, True),
        (None, True),
    ],
)
def test_sync_that_settled_the_orders_is_the_last_one(
    account: Outside, order: dict[str, Any] | None, is_asked: bool
) -> None:
    cycle = make_cycle(status="running", stage="executing")
    sync_portfolio(cycle.pk)
    while AgentStatus.objects.get().positions_sequence <= 1:
        sync_portfolio(cycle.pk)
    if order is not None:
        make_order(symbol="A", cycle_id=cycle.pk, **order)
    before = len(account.requests())

    assert finish_cycle(cycle.pk)

    assert bool(account.requests()[before:]) is is_asked


def test_sync_of_some_seconds_ago_is_not_the_last_one(account: Outside) -> None:
    cycle = make_cycle(status="running", stage="executing")
    sync_portfolio(cycle.pk)
    sync_portfolio(cycle.pk)
    make_order(symbol="A", cycle_id=cycle.pk, status="filled", ended_sequence=1)
    AgentStatus.objects.update(positions_as_of=ago(seconds=9))
    before = len(account.requests())

    assert finish_cycle(cycle.pk)

    assert account.requests()[before:]


def test_last_sync_that_fails_goes_to_the_errors_and_the_cycle_completes(account: Outside) -> None:
    cycle = make_cycle(status="running", stage="executing")
    account.venue.fault(kind="error", route="GET /v2/account")

    assert finish_cycle(cycle.pk)

    cycle.refresh_from_db()
    assert cycle.status == "completed"
    assert [error["operation"] for error in cycle.errors] == ["final_sync"]
    assert cycle.metrics["decisions_count"] == 0


@pytest.mark.django_db
def test_cycle_that_is_not_ready_is_not_finished() -> None:
    cycle = make_cycle(status="running", stage="executing")
    make_decision(cycle=cycle)

    assert not finish_cycle(cycle.pk)
