"""A decision's way to its order: claimed once, judged, and committed before anything leaves."""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from risk.models import RiskCheck, RiskReservation
from tests.factories import make_agent, make_engagement, make_strategy
from tests.risk.threads import at_once, beside
from tests.trading.outside import COIN, OTHER_STOCK, STOCK, WHOLE_STOCK, Outside
from tests.trading.scenes import ago, change, events_of, open_cycle, price_of, wish
from trading.core.settings import set_runtime_setting
from trading.cycle import cycles
from trading.execution import gate_passage
from trading.execution.decision_execution import execute_decision
from trading.execution.portfolio import sync_portfolio
from trading.execution.reconciliation import reconcile
from trading.models import (
    AgentStatus,
    AIDecision,
    Approval,
    Asset,
    EquitySnapshot,
    MarketSnapshot,
    Order,
    Saga,
)

SESSION, NIGHT = datetime(2020, 10, 15, 15, tzinfo=UTC), datetime(2020, 10, 15, 22, tzinfo=UTC)


def fate(decision: AIDecision) -> tuple[str, str]:
    decision.refresh_from_db()
    return decision.status, decision.reason


def nothing_was_ordered(outside: Outside) -> bool:
    return not (Order.objects.exists() or RiskReservation.objects.exists() or outside.posts())


def test_passed_decision_has_check_reservation_order_and_saga(account: Outside) -> None:
    """docs/lessons.md#lesson-17: every row points at the decision, by keys the database holds."""
    decision = wish(strategy=make_strategy(size_percent=Decimal(2)))

    saga_id = execute_decision(decision.pk)

    assert fate(decision) == ("executing", "")
    order, saga = Order.objects.get(), Saga.objects.get()
    reservation, check = RiskReservation.objects.get(), RiskCheck.objects.get()
    assert saga.pk == saga_id
    assert (order.decision, order.reservation, saga.order) == (decision, reservation, order)
    assert decision.risk_check == check
    assert order.client_order_id == f"{decision.pk}-entry-0"
    assert (order.side, order.purpose, order.time_in_force, order.status) == (
        "buy",
        "entry",
        "day",
        "created",
    )
    equity = Decimal(check.figures["equity"])
    assert order.quantity == pytest.approx(equity * 2 / 100 / price_of(STOCK), abs=Decimal("1e-8"))
    assert order.quantity == reservation.quantity == check.quantity
    assert [step.status for step in saga.steps.all()] == ["completed", "pending", "pending", "pending"]
    assert events_of(decision) == ["decision.claim", "decision.pass"]
    assert events_of(order) == ["order.created"]
    assert account.posts() == []


def test_coin_order_is_good_till_cancelled(account: Outside) -> None:
    execute_decision(wish(COIN).pk)

    assert Order.objects.get().time_in_force == "gtc"


def test_stock_that_cannot_be_split_is_ordered_in_whole_shares(account: Outside) -> None:
    decision = wish(WHOLE_STOCK)
    Asset.objects.update(fractionable=False)

    execute_decision(decision.pk)

    quantity = Order.objects.get().quantity
    equity = EquitySnapshot.objects.latest("created_at").equity
    assert quantity == int(equity * decision.strategy.size_percent / 100 / price_of(WHOLE_STOCK))


def test_exit_sells_what_the_position_has_available(account: Outside) -> None:
    """docs/lessons.md#lesson-38: what the position says, not what was once ordered."""
    account.hold(COIN, "0.5")
    open_cycle()

    execute_decision(wish(COIN, "sell").pk)

    order = Order.objects.get()
    assert (order.side, order.purpose, order.quantity) == ("sell", "exit", account.positions()[COIN])
    assert order.quantity < Decimal("0.5")
    assert order.client_order_id.endswith("-exit-0")
    noted = Saga.objects.get().steps.last()
    assert noted is not None
    assert Decimal(noted.input["average_entry_price"]) > 0


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda: make_engagement(), "kill_switch"),
        (lambda: make_agent(trading_state="reducing"), "trading_state_reducing"),
        (lambda: make_agent(market_open=False), "market_closed"),
        (lambda: Asset.objects.all().delete(), "unknown_asset"),
        (lambda: Asset.objects.update(tradable=False), "asset_not_tradable"),
        (lambda: MarketSnapshot.objects.all().delete(), "no_price"),
        (lambda: make_agent(market_time=SESSION, market_time_read_at=ago(minutes=6)), "stale_price"),
        (lambda: make_agent(market_time=NIGHT, market_time_read_at=ago(minutes=6)), "market_closed"),
    ],
    ids=[
        "switch",
        "reducing",
        "closed",
        "unknown",
        "not tradable",
        "no price",
        "no clock",
        "no clock, night",
    ],
)
def test_denied_decision_says_why_and_sends_nothing(account: Outside, spoil: Any, reason: str) -> None:
    """docs/lessons.md#lesson-28, #lesson-29."""
    decision = wish()
    spoil()

    assert execute_decision(decision.pk) is None

    assert fate(decision) == ("denied", reason)
    assert decision.settled_at is not None
    assert RiskCheck.objects.get().reason == reason
    assert decision.risk_check == RiskCheck.objects.get()
    assert nothing_was_ordered(account)


def test_price_is_checked_again_at_the_gate(account: Outside) -> None:
    decision = wish(COIN)
    MarketSnapshot.objects.update(quoted_at=ago(days=3000))

    execute_decision(decision.pk)

    assert fate(decision) == ("denied", "stale_price")


def test_low_confidence_is_denied_not_put_before_a_person(account: Outside) -> None:
    make_agent(mode="semi_auto")
    decision = wish(confidence=Decimal("0.69"))

    execute_decision(decision.pk)

    assert fate(decision) == ("denied", "low_confidence")
    assert not Approval.objects.exists()


def test_second_entry_into_a_symbol_under_way_is_denied(account: Outside) -> None:
    """docs/lessons.md#lesson-9."""
    first = wish()
    execute_decision(first.pk)
    second = wish_again(first)

    assert execute_decision(second.pk) is None

    assert fate(second) == ("denied", "pending_order")
    assert Order.objects.count() == 1


def test_order_of_somebody_else_keeps_no_exit_back(account: Outside) -> None:
    """It rests for as long as it likes; what it holds is its own, the rest is ours to sell."""
    account.hold(STOCK, "7")
    account.fill_never(times=1)
    account.place(STOCK, "2", side="sell")
    reconcile()
    open_cycle()

    assert execute_decision(wish(action="sell").pk) is not None
    assert Order.objects.get(purpose="exit").quantity == 5


def test_order_of_somebody_else_keeps_an_entry_back(account: Outside) -> None:
    account.fill_never(times=1)
    account.place(STOCK, "2")
    reconcile()
    decision = wish()

    assert execute_decision(decision.pk) is None

    assert fate(decision) == ("denied", "pending_order")


def test_second_exit_waits_for_the_first(account: Outside) -> None:
    """docs/lessons.md#lesson-9."""
    account.hold(STOCK, "7")
    open_cycle()
    first = wish(action="sell")
    execute_decision(first.pk)
    second = wish_again(first)

    assert execute_decision(second.pk) is None

    assert fate(second) == ("denied", "pending_order")


def wish_again(first: AIDecision) -> AIDecision:
    """Return the same wish of another strategy."""
    return AIDecision.objects.create(
        cycle=first.cycle,
        strategy=make_strategy(),
        symbol=first.symbol,
        action=first.action,
        confidence=first.confidence,
    )


@pytest.mark.parametrize("action", ["buy", "sell"])
def test_manual_mode_stores_everything(account: Outside, action: str) -> None:
    make_agent(mode="manual")
    decision = wish(action=action)

    assert execute_decision(decision.pk) is None

    assert fate(decision) == ("stored", "mode_manual")
    assert nothing_was_ordered(account)


def test_semi_auto_mode_puts_entries_before_a_person(account: Outside) -> None:
    make_agent(mode="semi_auto")
    set_runtime_setting(name="approval_expiry", value="60", actor="test")
    decision = wish()

    assert execute_decision(decision.pk) is None

    assert fate(decision) == ("awaiting_approval", "")
    approval = Approval.objects.get()
    assert (approval.decision, approval.status) == (decision, "requested")
    assert 55 < (approval.expires_at - timezone.now()).total_seconds() <= 60
    assert nothing_was_ordered(account)


def test_sales_wait_for_a_person_as_entries_do(account: Outside) -> None:
    account.hold(STOCK, "2")
    make_agent(mode="semi_auto")
    open_cycle()
    decision = wish(action="sell", confidence=Decimal("0.7"))

    assert execute_decision(decision.pk) is None

    assert fate(decision) == ("awaiting_approval", "")
    assert nothing_was_ordered(account)


def test_a_sale_is_asked_for_although_a_purchase_of_the_symbol_waits(account: Outside) -> None:
    account.hold(STOCK, "2")
    make_agent(mode="semi_auto")
    purchase = wish()
    execute_decision(purchase.pk)
    change(purchase.cycle, status="completed", ended_at=ago(seconds=1))
    sale = wish(cycle=open_cycle(), strategy=purchase.strategy, action="sell")

    execute_decision(sale.pk)

    assert fate(sale) == ("awaiting_approval", "")


def test_sales_need_no_person_where_the_setting_says_so(account: Outside) -> None:
    """docs/lessons.md#lesson-31."""
    account.hold(STOCK, "2")
    make_agent(mode="semi_auto")
    set_runtime_setting(name="semi_auto_exits", value="send", actor="test")
    open_cycle()

    assert execute_decision(wish(action="sell", confidence=Decimal("0.7")).pk) is not None

    assert Order.objects.get().side == "sell"


@pytest.mark.parametrize("mode", ["autonomous", "semi_auto"])
def test_sale_that_nobody_is_sure_of_is_denied(account: Outside, mode: str) -> None:
    """A publisher that says "sell" at 0.01 sold everything."""
    account.hold(STOCK, "2")
    make_agent(mode=mode)
    open_cycle()
    decision = wish(action="sell", confidence=Decimal("0.01"))

    assert execute_decision(decision.pk) is None

    assert fate(decision) == ("denied", "low_confidence")
    assert RiskCheck.objects.get().figures["min_confidence"] == "0.7"
    assert nothing_was_ordered(account)


def test_persons_word_lifts_the_threshold_of_a_sale(account: Outside) -> None:
    account.hold(STOCK, "2")
    open_cycle()

    assert execute_decision(wish(action="sell", confidence=Decimal("0.01"), approved=True).pk) is not None


@pytest.mark.parametrize("mode", ["manual", "semi_auto"])
def test_approved_decision_passes_the_gate_in_every_mode(account: Outside, mode: str) -> None:
    make_agent(mode=mode)

    assert execute_decision(wish(approved=True, confidence=Decimal("0.1")).pk) is not None


def test_approved_decision_is_judged_anew(account: Outside) -> None:
    """docs/lessons.md#lesson-33: an approval is no way around the gate."""
    decision = wish(approved=True)
    MarketSnapshot.objects.all().delete()

    execute_decision(decision.pk)

    assert fate(decision) == ("denied", "no_price")


def test_approved_decision_outlives_its_cycle(account: Outside) -> None:
    cycle = open_cycle()
    decision = wish(cycle=cycle, approved=True)
    cycles.complete_cycle(cycle)

    assert execute_decision(decision.pk) is not None


@pytest.mark.parametrize("how", ["deadline", "aborted"])
def test_decision_of_a_cycle_that_is_over_expires_and_sends_nothing(account: Outside, how: str) -> None:
    cycle = open_cycle()
    decision = wish(cycle=cycle)
    if how == "deadline":
        change(cycle, deadline_at=ago(seconds=1))
    else:
        change(cycle, status="aborted", reason="deadline", ended_at=ago())

    assert execute_decision(decision.pk) is None

    assert fate(decision) == ("expired", "cycle_deadline")
    assert nothing_was_ordered(account)


def test_second_delivery_returns_the_open_saga_and_orders_nothing_more(account: Outside) -> None:
    decision = wish()

    first, second = execute_decision(decision.pk), execute_decision(decision.pk)

    assert first == second
    assert (Order.objects.count(), RiskCheck.objects.count()) == (1, 1)


def test_settled_decision_is_left_alone(account: Outside) -> None:
    decision = wish(status="skipped")

    assert execute_decision(decision.pk) is None

    assert events_of(decision) == []


def test_claim_under_way_is_left_alone_until_its_lease_runs_out(account: Outside) -> None:
    decision = wish(status="claimed", lease_until=ago(seconds=-40))

    assert execute_decision(decision.pk) is None
    assert fate(decision) == ("claimed", "")

    change(decision, lease_until=ago(seconds=1))
    assert execute_decision(decision.pk) is not None


def test_crash_while_passing_leaves_nothing_behind(account: Outside, monkeypatch: pytest.MonkeyPatch) -> None:
    decision = wish()

    def crash(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(gate_passage, "steps_of", crash)
        with pytest.raises(KeyboardInterrupt):
            execute_decision(decision.pk)

    assert fate(decision) == ("claimed", "")
    assert nothing_was_ordered(account)
    change(decision, lease_until=ago(seconds=1))
    assert execute_decision(decision.pk) is not None


def test_claim_that_is_lost_while_passing_reserves_nothing(threaded_account: Outside) -> None:
    decision = wish()

    def expire() -> None:
        AIDecision.objects.filter(pk=decision.pk).update(status="expired", reason="test")

    def expire_at_the_gate(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        if "pg_advisory_xact_lock" in sql:
            with beside(expire):
                pass
        return execute(sql, *rest)

    with connection.execute_wrapper(expire_at_the_gate):
        assert execute_decision(decision.pk) is None

    assert fate(decision) == ("expired", "test")
    assert nothing_was_ordered(threaded_account)
    assert not RiskCheck.objects.exists()


def test_many_deliveries_at_once_make_one_order(threaded_account: Outside) -> None:
    decision = wish()

    at_once(12, lambda _: execute_decision(decision.pk))

    assert Order.objects.count() == Saga.objects.count() == RiskReservation.objects.count() == 1
    assert events_of(decision) == ["decision.claim", "decision.pass"]


def test_parallel_decisions_hold_the_exposure_limit(threaded_account: Outside) -> None:
    """Invariant 2, through the whole of the execution."""
    set_runtime_setting(name="confidence_threshold", value="0", actor="test")
    strategy = make_strategy(size_percent=Decimal(9))
    cycle = open_cycle()
    symbols = [STOCK, OTHER_STOCK, *(f"{coin}/USD" for coin in ("BTC", "ETH", "SOL", "LTC", "BCH", "UNI"))]
    decisions = [wish(symbol, cycle=cycle, strategy=strategy) for symbol in symbols]

    at_once(len(decisions), lambda number: execute_decision(decisions[number].pk))

    reserved = sum(row.notional for row in RiskReservation.objects.all())
    half = sync_portfolio(None).account.equity / 2
    assert half * Decimal("0.99") < reserved < half + Decimal("0.001")  # the columns' last digits
    reasons = sorted(RiskCheck.objects.filter(allowed=False).values_list("reason", flat=True))
    assert set(reasons) == {"exposure_limit_exceeded"}
    assert AgentStatus.objects.get().mode == "autonomous"
