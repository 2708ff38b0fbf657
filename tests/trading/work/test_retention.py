"""Old cycles that led to no order are forgotten whole; whatever led to one stays, and so does its story."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.apps import apps
from django.db import DatabaseError
from django.db.models.query import QuerySet
from django.utils import timezone

from ai.models import ModelCall
from tests.factories import (
    make_approval,
    make_cycle,
    make_decision,
    make_event,
    make_order,
    make_proposal,
    make_reservation,
    make_snapshot,
    make_strategy,
)
from tests.trading.outside import COIN, OTHER_STOCK, STOCK, Outside
from tests.trading.rebuilding import rebuilt_statuses, stored_statuses
from tests.trading.scenes import advanced_to_its_end, ago, open_cycle, passed
from trading.analysis.cycle_analysis import analyse_cycle
from trading.core.settings import set_runtime_setting
from trading.cycle import cycles, fetching
from trading.cycle.finishing import finish_cycle
from trading.execution.decision_execution import execute_decision
from trading.models import AIDecision, Cycle, DecisionRecord, EquitySnapshot, Event, MarketSnapshot
from trading.work import retention
from trading.work.maintenance import prune
from trading.work.retention import forget_idle_cycles


def published(cycle: Cycle) -> Cycle:
    """End a cycle as the task does, and publish what it says."""
    assert finish_cycle(cycle.pk)
    Event.objects.update(published_at=timezone.now())
    return cycle


def idle_cycle() -> Cycle:
    """Run a cycle from its start to its end as the tasks do, in which nothing is certain enough to trade."""
    set_runtime_setting(name="confidence_threshold", value="1", actor="test")
    cycle = cycles.start_cycle(trigger="test", symbols=[STOCK, OTHER_STOCK, COIN])
    fetching.fetch_account(cycle.pk)
    fetching.fetch_stocks(cycle.pk, [STOCK, OTHER_STOCK], batch_count=1)
    fetching.fetch_coins(cycle.pk, [COIN])
    for decision_id in analyse_cycle(cycle.pk) or []:
        execute_decision(decision_id)
    return published(cycle)


def trading_cycle() -> Cycle:
    """Run a cycle in which one decision becomes an order and a trade."""
    cycle = open_cycle()
    advanced_to_its_end(passed().pk)
    make_decision(cycle=cycle, symbol=OTHER_STOCK, action="hold", status="held")
    return published(cycle)


def aged(cycle: Cycle, *, days: float = 31) -> Cycle:
    """Move a cycle into the past."""
    started = timezone.now() - timedelta(days=days)
    Cycle.objects.filter(pk=cycle.pk).update(started_at=started, ended_at=started + timedelta(seconds=5))
    return cycle


def naming(cycle: Cycle) -> set[str]:
    """Return the tables that name a cycle or a decision of it."""
    decisions = list(AIDecision.objects.filter(cycle=cycle).values_list("pk", flat=True))
    found = set()
    for model in apps.get_models():
        columns = {column.attname for column in model._meta.concrete_fields}
        rows = model._default_manager.all()
        if "cycle_id" in columns and rows.filter(cycle_id=cycle.pk).exists():
            found.add(model._meta.db_table)
        if "decision_id" in columns and rows.filter(decision_id__in=decisions).exists():
            found.add(model._meta.db_table)
    return found


def test_idle_cycle_goes_with_all_that_only_it_has(account: Outside) -> None:
    make_strategy()
    cycle = aged(idle_cycle())
    assert {"ai_decisions", "model_calls", "market_snapshots", "events"} <= naming(cycle)
    seen = list(AIDecision.objects.values_list("record", flat=True))
    assert DecisionRecord.objects.filter(pk__in=seen).exists()
    money = EquitySnapshot.objects.filter(cycle_id=cycle.pk).count()

    assert forget_idle_cycles() == 1

    assert not Cycle.objects.exists()
    assert not DecisionRecord.objects.filter(pk__in=seen).exists()
    assert naming(cycle) == {"equity_snapshots"}, "what the account was worth stays"
    assert EquitySnapshot.objects.filter(cycle_id=cycle.pk).count() == money > 0
    assert rebuilt_statuses() == stored_statuses()


def test_cycle_that_traded_stays_whole_however_old(account: Outside) -> None:
    idle, traded = aged(make_cycle(), days=400), aged(trading_cycle(), days=399)
    assert AIDecision.objects.filter(cycle=traded, trades__isnull=False).exists()
    told, tables = Event.objects.filter(cycle_id=traded.pk).count(), naming(traded)

    assert forget_idle_cycles() == 1

    assert not Cycle.objects.filter(pk=idle.pk).exists()
    assert AIDecision.objects.filter(cycle=traded).count() == 2
    assert (Event.objects.filter(cycle_id=traded.pk).count(), naming(traded)) == (told, tables)


REASONS_TO_STAY: dict[str, Callable[[AIDecision], object]] = {
    "it ended a day too late": lambda d: aged(d.cycle, days=29.9),
    "it runs": lambda d: Cycle.objects.filter(pk=d.cycle_id).update(status="running", ended_at=None),
    "it led to an order": lambda d: make_order(decision=d, cycle_id=d.cycle_id),
    "an order without a decision is part of it": lambda d: make_order(purpose="flatten", cycle_id=d.cycle_id),
    "a person was asked": lambda d: make_approval(decision=d, status="rejected", answered_at=timezone.now()),
    "another service proposed it": lambda d: make_proposal(decision=d, status="taken"),
    "it holds room in the book": lambda d: make_reservation(cycle_id=d.cycle_id, decision_id=d.pk),
    "it is not settled": lambda d: AIDecision.objects.filter(pk=d.pk).update(status="pending"),
    "an event waits in the outbox": lambda d: make_event(cycle_id=d.cycle_id, public_sequence=1),
}


@pytest.mark.django_db
@pytest.mark.parametrize("reason", REASONS_TO_STAY)
def test_cycle_stays_when(reason: str) -> None:
    decision = make_decision(status="stored", cycle=aged(make_cycle()))
    make_decision(status="stored", cycle=aged(make_cycle()))
    REASONS_TO_STAY[reason](decision)

    assert forget_idle_cycles() == 1

    assert AIDecision.objects.get() == decision


@pytest.mark.django_db
@pytest.mark.parametrize(("days", "left"), [("0", 3), ("100", 2), ("365", 3), ("1", 0)])
def test_operator_says_how_long_they_are_kept(days: str, left: int) -> None:
    for age in (31, 32, 101):
        make_decision(status="stored", cycle=aged(make_cycle(), days=age))
    set_runtime_setting(name="idle_cycles_kept", value=days, actor="test")

    prune()

    assert Cycle.objects.count() == left


@pytest.mark.django_db
def test_record_that_another_cycle_saw_too_stays() -> None:
    record = DecisionRecord.objects.create(sha256="a" * 64, body=b"", size=0)
    make_decision(status="stored", cycle=aged(make_cycle()), record=record)
    make_decision(status="stored", cycle=make_cycle(), record=record)

    assert forget_idle_cycles() == 1

    assert DecisionRecord.objects.exists()


@pytest.mark.django_db
def test_events_of_what_goes_on_stay() -> None:
    cycle = aged(make_cycle())
    make_event(cycle_id=cycle.pk, aggregate_type="cycle")
    make_event(cycle_id=cycle.pk, aggregate_type="risk_limit", aggregate_id="daily_loss:2026-10-01")

    forget_idle_cycles()

    assert list(Event.objects.values_list("aggregate_type", flat=True)) == ["risk_limit"]


@pytest.mark.django_db
def test_what_fails_in_the_middle_has_deleted_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    decision = make_decision(status="stored", cycle=aged(make_cycle()))
    make_event(cycle_id=decision.cycle_id)
    delete = QuerySet.delete

    def break_at_the_cycle(rows: "QuerySet[Cycle]") -> object:
        if rows.model is Cycle:
            raise DatabaseError("the disk is gone")
        return delete(rows)

    monkeypatch.setattr(QuerySet, "delete", break_at_the_cycle)

    with pytest.raises(DatabaseError):
        forget_idle_cycles()

    assert AIDecision.objects.exists()
    assert Event.objects.exists()


@pytest.mark.django_db
def test_order_made_in_the_last_moment_keeps_its_cycle(monkeypatch: pytest.MonkeyPatch) -> None:
    """The look at what is idle and the deletion are two statements; the database has the last word."""
    order = make_order(decision=make_decision(status="stored", cycle=aged(make_cycle())))
    monkeypatch.setattr(retention, "_idle_cycles", lambda before: [order.decision.cycle_id])

    assert forget_idle_cycles() == 0

    assert AIDecision.objects.exists()


@pytest.mark.django_db
def test_maintenance_takes_a_moment_and_leaves_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """No cycle starts while maintenance is under way."""
    monkeypatch.setattr(retention, "SECONDS", 0.0)
    for days in (33, 32, 31):
        aged(make_cycle(), days=days)
    monkeypatch.setattr(retention, "CYCLES_AT_ONCE", 2)

    assert forget_idle_cycles() == 2

    assert Cycle.objects.get().started_at > ago(days=31, hours=1), "the oldest go first"
    assert forget_idle_cycles() == 1


NOON = datetime(2020, 10, 15, 16, tzinfo=UTC)


def analysed(*, days: float, minutes: int = 0, **overrides: Any) -> Cycle:
    """Write an analysis of so many days ago, so many minutes after noon of a market day, with all it is judged by."""
    cycle = aged(make_cycle(market_time=NOON + timedelta(minutes=minutes), **overrides), days=days)
    cycle.refresh_from_db()
    snapshot = make_snapshot(cycle=cycle)
    MarketSnapshot.objects.filter(pk=snapshot.pk).update(fetched_at=cycle.started_at)
    record = DecisionRecord.objects.create(sha256=f"{cycle.number:064}", body=b"", size=0)
    call = ModelCall.objects.create(
        cycle_id=cycle.pk, model="m", provider="p", prompt_version="1", prompt_hash="h", prompt=[], symbols=[],
        status="succeeded", prompt_tokens=0, completion_tokens=0, latency_ms=1, started_at=cycle.started_at,
    )  # fmt: skip
    make_decision(status="held", action="hold", cycle=cycle, record=record, model_call=call)
    return cycle


def left() -> list[Cycle]:
    """Return the cycles that are left, oldest first; each still has its record, its call and its price."""
    found = list(Cycle.objects.order_by("started_at"))
    for cycle in found:
        decision = AIDecision.objects.select_related("record", "model_call").get(cycle=cycle)
        assert decision.record is not None
        assert decision.model_call is not None
    return found


@pytest.mark.django_db
@pytest.mark.parametrize("days", ["1", "30"])
def test_outcome_twenty_sessions_later_finds_its_decision_and_all_it_is_judged_by(days: str) -> None:
    """20 sessions are 32 days over the holidays; one analysis an hour is enough, and how long others stay is set."""
    set_runtime_setting(name="idle_cycles_kept", value=days, actor="test")
    first = analysed(days=32)
    analysed(days=32, minutes=1)
    next_hour = analysed(days=31.9, minutes=60)

    prune()

    assert left() == [first, next_hour]
    assert set(MarketSnapshot.objects.values_list("cycle", flat=True)) == {first.pk, next_hour.pk}


@pytest.mark.django_db
def test_evidence_goes_when_its_time_is_over() -> None:
    analysed(days=45.1)
    kept = analysed(days=44.9, minutes=60)

    prune()

    assert left() == [kept]
    assert MarketSnapshot.objects.get().cycle == kept


@pytest.mark.django_db
@pytest.mark.parametrize(
    "other", [{"status": "failed"}, {"status": "aborted"}, {"cycle_type": "maintenance"}]
)
def test_cycle_in_which_nothing_was_analysed_is_no_evidence(other: dict[str, str]) -> None:
    analysed(days=32, **other)
    first = analysed(days=31.9, minutes=1)

    prune()

    assert left() == [first]


@pytest.mark.django_db
def test_prices_of_other_cycles_go_after_a_week() -> None:
    analysed(days=8)
    later = analysed(days=8, minutes=1)
    young = analysed(days=6, minutes=2)

    prune()

    assert len(left()) == 3
    assert not MarketSnapshot.objects.filter(cycle=later).exists()
    assert MarketSnapshot.objects.filter(cycle=young).exists()
