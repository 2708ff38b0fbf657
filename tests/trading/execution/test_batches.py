"""A batch is judged as one by one in the stated order: exits, then the surest, then by symbol."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings

from risk.models import RiskCheck, RiskReservation
from tests.factories import make_agent, make_cycle, make_engagement
from tests.risk.threads import at_once, beside
from tests.trading.execution.batches import Plan, World, outcome, plans, undone, worlds, write
from tests.trading.outside import COIN, STOCK, Outside
from tests.trading.scenes import ago, change, events_of, wish
from trading.core.work import Work, WorkKind
from trading.execution import gate_passage
from trading.execution.decision_execution import execute_batch, execute_decision, waiting_decisions
from trading.execution.gate_passage import stated_order
from trading.execution.portfolio import sync_portfolio
from trading.models import AIDecision, Approval, BarHistory, Event, Order, RuntimeSetting, Saga
from trading.work.sweeping import find_work

ROOM = World(5, "50", "autonomous", is_engaged=False, has_equity=True, buying_power="60000")


def plan(symbol: str, action: str = "buy", confidence: str = "0.8", **more: Any) -> Plan:
    usual = {
        "size": "1.7",
        "price": "17.31",
        "price_age": 1,
        "is_known": True,
        "is_held": action == "sell",
        "is_reserved": False,
        "has_own_limits": False,
    }
    return Plan(symbol, action, confidence, **(usual | more))


def keys(decisions: list[AIDecision]) -> list[Any]:
    return [decision.pk for decision in decisions]


def execute_in_order(decisions: list[AIDecision]) -> None:
    for decision in sorted(decisions, key=stated_order):
        execute_decision(decision.pk)


@pytest.mark.timeout(1200)
@pytest.mark.django_db
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(world=worlds(), planned=plans())
def test_batch_gives_what_one_by_one_in_the_stated_order_gives(world: World, planned: list[Plan]) -> None:
    """The same verdicts, checks, reservations, orders, sagas, steps, approvals, events, payloads and reasons."""

    def compare() -> None:
        decisions = write(world, planned)
        one_by_one = undone(lambda: execute_in_order(decisions))

        execute_batch(keys(decisions))

        assert outcome() == one_by_one

    undone(compare)


@pytest.mark.django_db
def test_exits_go_first_then_the_surest_then_by_symbol(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate_passage, "CHUNK", 2)
    decisions = write(
        ROOM,
        [
            plan("ORCL", confidence="0.8"),
            plan("AAPL", confidence="0.8"),
            plan("XOM", confidence="0.95"),
            plan("TSLA", "sell", confidence="0.7"),
            plan("KO", "sell", confidence="0.75"),
        ],
    )
    symbol_of = {decision.pk: decision.symbol for decision in decisions}

    going_on = execute_batch(keys(decisions))

    expected = ["KO", "TSLA", "XOM", "AAPL", "ORCL"]
    assert [symbol_of[saga.decision_id] for saga in going_on] == expected
    created = Event.objects.filter(type="order.created").order_by("position")
    assert [row.payload["symbol"] for row in created] == expected
    assert list(RiskCheck.objects.order_by("pk").values_list("symbol", flat=True)) == expected


@pytest.mark.django_db
def test_orders_of_one_chunk_may_leave_before_the_next_is_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate_passage, "CHUNK", 2)
    symbols = ("AAPL", "KO", "MSFT", "ORCL", "XOM")
    decisions = write(ROOM, [plan(symbol) for symbol in symbols])
    left: list[tuple[list[str], int]] = []

    def leave(sagas: list[Saga]) -> None:
        left.append(([saga.order.symbol for saga in sagas], Order.objects.count()))

    last = execute_batch(keys(decisions), leave)

    assert left == [(["AAPL", "KO"], 2), (["MSFT", "ORCL"], 4)]
    assert [saga.order.symbol for saga in last] == ["XOM"]


@pytest.mark.django_db
def test_the_best_get_the_room() -> None:
    decisions = write(
        World(2, "50", "autonomous", is_engaged=False, has_equity=True, buying_power="60000"),
        [plan(s, confidence=c) for s, c in zip("ABCDE", ("0.71", "0.9", "0.72", "0.9", "0.9"), strict=True)],
    )

    execute_batch(keys(decisions))

    assert set(Order.objects.values_list("symbol", flat=True)) == {"B", "D"}
    denied = AIDecision.objects.filter(status="denied").values_list("reason", flat=True)
    assert list(denied) == ["max_positions_reached"] * 3


@pytest.mark.django_db
def test_sixty_decisions_cost_few_statements_and_one_hold_of_the_lock() -> None:
    decisions = write(ROOM, [plan(f"S{n}", confidence="0.9" if n < 15 else "0.3") for n in range(60)])
    statements: list[str] = []

    def count(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        statements.append(sql)
        return execute(sql, *rest)

    with connection.execute_wrapper(count):
        assert len(execute_batch(keys(decisions))) == 5

    assert len(statements) <= 70, statements
    assert sum("pg_advisory_xact_lock" in sql for sql in statements) == 1
    assert AIDecision.objects.filter(reason="low_confidence").count() == 45


@pytest.mark.django_db
def test_what_is_odd_of_one_decision_takes_no_other_with_it() -> None:
    decisions = write(ROOM, [plan("AAPL"), plan("KO"), plan("XOM")])
    BarHistory.objects.create(symbol="KO", bars=[["no day"]], market_date=ago().date(), fetched_at=ago())

    going_on = execute_batch(keys(decisions))

    assert len(going_on) == 2
    assert set(Order.objects.values_list("symbol", flat=True)) == {"AAPL", "XOM"}
    odd = AIDecision.objects.get(symbol="KO")
    assert (odd.status, RiskReservation.objects.filter(symbol="KO").exists()) == ("claimed", False)
    change(odd, lease_until=ago(seconds=1))
    assert find_work() == [Work(WorkKind.EXECUTE, odd.pk)]


@pytest.mark.django_db
@pytest.mark.parametrize("place", ["_still_claimed", "steps_of"], ids=["before judging", "before the commit"])
def test_batch_that_dies_is_taken_up_together_and_nothing_is_ordered_twice(
    monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    decisions = write(ROOM, [plan("AAPL"), plan("KO"), plan("XOM", confidence="0.3")])
    cycle_id = decisions[0].cycle_id

    def die(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(gate_passage, place, die)
        with pytest.raises(KeyboardInterrupt):
            execute_batch(keys(decisions))

    left = AIDecision.objects.filter(status="claimed")
    assert left.count() == (3 if place == "_still_claimed" else 2)
    assert [model.objects.count() for model in (Order, RiskReservation, Saga)] == [0, 0, 0]
    assert execute_batch(keys(decisions)) == []
    left.update(lease_until=ago(seconds=1))
    assert find_work() == [Work(WorkKind.JUDGE, cycle_id)]
    assert len(execute_batch(waiting_decisions(cycle_id))) == 2
    assert Order.objects.count() == 2
    assert (
        Event.objects.filter(type="decision.claim").count()
        == 3 + left.model.objects.filter(attempts=2).count()
    )


@pytest.mark.django_db(transaction=True)
def test_many_deliveries_of_a_batch_and_of_its_decisions_order_each_once() -> None:
    decisions = write(
        World(30, "50", "autonomous", is_engaged=False, has_equity=True, buying_power="60000"),
        [plan(f"S{n:02}", size="1") for n in range(24)],
    )
    pks: list[Any] = keys(decisions)

    def deliver(number: int) -> None:
        if number % 2:
            execute_batch(pks if number % 4 == 1 else pks[::-1])
        else:
            for pk in pks[number::8]:
                execute_decision(pk)

    at_once(8, deliver)

    assert Order.objects.count() == RiskReservation.objects.count() == RiskCheck.objects.count() == 24
    assert Event.objects.filter(type="decision.claim").count() == 24
    assert not AIDecision.objects.exclude(status="executing").exists()


@pytest.mark.django_db(transaction=True)
def test_switch_and_mode_are_read_again_for_each_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate_passage, "CHUNK", 2)
    decisions = write(ROOM, [plan(symbol) for symbol in ("AAPL", "KO", "MSFT", "ORCL", "XOM")])
    begun = iter((lambda: None, make_engagement, lambda: make_agent(mode="manual")))

    def at_the_lock(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        if "pg_advisory_xact_lock" in sql:
            with beside(next(begun)):
                pass
        return execute(sql, *rest)

    with connection.execute_wrapper(at_the_lock):
        assert len(execute_batch(keys(decisions))) == 2

    told = dict(AIDecision.objects.values_list("symbol", "reason"))
    assert told == {"AAPL": "", "KO": "", "MSFT": "kill_switch", "ORCL": "kill_switch", "XOM": "kill_switch"}


@pytest.mark.django_db
def test_manual_mode_stores_all_at_once() -> None:
    decisions = write(
        World(5, "50", "manual", is_engaged=False, has_equity=True, buying_power="60000"),
        [plan("AAPL"), plan("TSLA", "sell")],
    )

    assert execute_batch(keys(decisions)) == []

    assert set(AIDecision.objects.values_list("status", "reason")) == {("stored", "mode_manual")}


@pytest.mark.django_db
def test_a_person_is_asked_in_the_stated_order_and_not_twice() -> None:
    world = World(5, "50", "semi_auto", is_engaged=False, has_equity=True, buying_power="60000")
    decisions = write(
        world, [plan("ORCL"), plan("AAPL", confidence="0.95"), plan("TSLA", "sell"), plan("KO")]
    )
    strategy = decisions[3].strategy
    earlier = AIDecision.objects.create(
        cycle=make_cycle(), strategy=strategy, symbol="KO", action="buy", confidence=Decimal("0.8")
    )
    change(earlier, status="awaiting_approval")
    Approval.objects.create(decision=earlier, cycle_id=earlier.cycle_id, expires_at=ago(seconds=-300))

    assert execute_batch(keys(decisions)) == []

    asked = (
        Approval.objects.exclude(decision=earlier).order_by("pk").values_list("decision__symbol", flat=True)
    )
    assert list(asked) == ["TSLA", "AAPL", "ORCL"]
    refused = AIDecision.objects.get(symbol="KO", cycle=decisions[0].cycle)
    assert (refused.status, refused.reason) == ("stored", "approval_waits")


@pytest.mark.django_db
def test_decisions_of_a_cycle_that_is_over_expire_together() -> None:
    decisions = write(ROOM, [plan("AAPL"), plan("KO")])
    change(decisions[0].cycle, deadline_at=ago(seconds=1))

    assert execute_batch(keys(decisions)) == []

    assert set(AIDecision.objects.values_list("status", "reason")) == {("expired", "cycle_deadline")}
    assert events_of(decisions[0]) == ["decision.claim", "decision.expire"]


@pytest.mark.django_db
def test_decisions_of_a_paused_cycle_wait() -> None:
    decisions = write(ROOM, [plan("AAPL"), plan("KO")])
    change(decisions[0].cycle, status="paused")

    assert execute_batch(keys(decisions)) == []

    assert set(AIDecision.objects.values_list("status", flat=True)) == {"pending"}


def test_setting_that_entries_alone_need_holds_no_exit_back(account: Outside) -> None:
    """An exit must not wait for a figure that only entries are judged by."""
    account.hold(COIN, "0.5")
    sync_portfolio(None)
    entry, sale = wish(STOCK), wish(COIN, "sell")
    RuntimeSetting.objects.update_or_create(name="confidence_threshold", defaults={"value": "much"})

    assert [saga.decision_id for saga in execute_batch([entry.pk, sale.pk])] == [sale.pk]

    entry.refresh_from_db()
    assert entry.status == "claimed"
    assert events_of(entry) == ["decision.claim", "decision.held"]


# With a setting that cannot be read: what becomes of an entry, of a sale, and of an entry that a person has approved.
UNREADABLE = [
    ("confidence_threshold", "send", ("claimed", "executing", "executing")),
    ("exit_confidence_threshold", "send", ("awaiting_approval", "claimed", "executing")),
    ("approval_expiry", "send", ("claimed", "executing", "executing")),
    ("unanswered_pause", "send", ("claimed", "executing", "executing")),
    ("rejection_holds", "send", ("claimed", "executing", "executing")),
    ("approval_valid", "send", ("awaiting_approval", "executing", "claimed")),
    ("semi_auto_exits", "much", ("awaiting_approval", "awaiting_approval", "executing")),
]


@pytest.mark.parametrize(("name", "exits", "fates"), UNREADABLE, ids=[name for name, *_ in UNREADABLE])
def test_in_semi_auto_an_unreadable_setting_holds_only_what_needs_it_and_says_so(
    account: Outside, name: str, exits: str, fates: tuple[str, ...]
) -> None:
    account.hold(COIN, "0.5")
    sync_portfolio(None)
    make_agent(mode="semi_auto")
    decisions = [wish(STOCK), wish(COIN, "sell"), wish("ETH/USD", approved=True)]
    for setting, value in (("semi_auto_exits", exits), (name, "much")):
        RuntimeSetting.objects.update_or_create(name=setting, defaults={"value": value})

    execute_batch(keys(decisions))

    held = {str(pk) for pk, fate in zip(keys(decisions), fates, strict=True) if fate == "claimed"}
    said = Event.objects.filter(type="decision.held")
    assert tuple(AIDecision.objects.get(pk=pk).status for pk in keys(decisions)) == fates
    assert set(said.values_list("aggregate_id", flat=True)) == held
    assert all(f"{name}: was 'much'" in event.payload["detail"] for event in said)


def test_what_an_unreadable_setting_holds_is_taken_up_again_once_it_is_put_right(account: Outside) -> None:
    entry = wish(STOCK)
    RuntimeSetting.objects.update_or_create(name="confidence_threshold", defaults={"value": "much"})
    assert execute_decision(entry.pk) is None

    RuntimeSetting.objects.filter(name="confidence_threshold").update(value="0.6")
    change(entry, lease_until=ago(seconds=1))

    assert find_work() == [Work(WorkKind.EXECUTE, entry.pk)]
    assert execute_decision(entry.pk) is not None
