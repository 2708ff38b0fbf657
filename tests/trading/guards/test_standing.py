"""Guards at the gate: each denies an entry with its reason and lets go in time, and none stands before an exit."""

import json
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.e2e.system import manage
from tests.factories import make_agent, make_symbol_lock, switch_guards_off
from tests.trading.guards.scenes import bought, fell, market_ago, sold
from tests.trading.outside import OTHER_STOCK, STOCK, Outside
from tests.trading.scenes import advanced_to_its_end, ago, open_cycle, order_of, passed, wish
from trading.core import settings
from trading.core.settings import set_runtime_setting
from trading.domain.guards import rules
from trading.domain.order_ids import Purpose
from trading.execution import decision_execution
from trading.execution.decision_execution import execute_batch
from trading.execution.operator_stop import stop_trading
from trading.guards.pause import pause_entries
from trading.guards.standing import read_guards
from trading.market.market_time import fresh_reading
from trading.models import AIDecision, Cycle, EquitySnapshot, Order, RuntimeSetting, SymbolLock, Trade
from trading.queries.guard_report import guard_report


def judged(symbol: str = STOCK, action: str = "buy", **overrides: object) -> tuple[str, str]:
    """Return the status and the reason of a wish at the gate."""
    decision = wish(symbol, action, **overrides)
    decision_execution.execute_decision(decision.pk)
    decision.refresh_from_db()
    return decision.status, decision.reason


def next_cycle() -> None:
    """End the open cycle: a symbol is decided about once in each."""
    Cycle.objects.open().update(status="completed", stage="ended", ended_at=ago(seconds=0))


def set_to(**values: object) -> None:
    for name, value in values.items():
        set_runtime_setting(name=name, value=str(value), actor="test")


def cooled() -> None:
    sold(market_ago(minutes=29), pnl="5")


def stopped() -> None:
    set_to(stoploss_guard_limit=2, cooldown_period=0)
    for minutes in (119, 118):
        sold(market_ago(minutes=minutes), OTHER_STOCK, purpose=Purpose.STOP_LOSS)


def fallen() -> None:
    fell(market_ago(hours=23), 11)


def unprofitable() -> None:
    set_to(cooldown_period=0)
    for minutes in (300, 260, 230):
        sold(market_ago(minutes=minutes))


def locked() -> None:
    make_symbol_lock(STOCK, until=market_ago(hours=-2))


def busy() -> None:
    set_to(entries_per_hour=2)
    for minutes in (59, 58):
        bought(market_ago(minutes=minutes), OTHER_STOCK)


def busy_all_day() -> None:
    set_to(entries_per_day=2)
    for hours in (23, 22):
        bought(market_ago(hours=hours), OTHER_STOCK)


def paused() -> None:
    pause_entries(actor="ada", reason="earnings")


BLOCKED: dict[str, Callable[[], None]] = {
    "cooldown_period": cooled,
    "stoploss_guard": stopped,
    "max_drawdown_guard": fallen,
    "low_profit_symbol": unprofitable,
    "symbol_locked": locked,
    "entries_per_hour": busy,
    "entries_per_day": busy_all_day,
    "entries_paused": paused,
}


def let_time_pass() -> None:
    """Let what was written have happened, and end, two hours earlier: as if two hours had passed."""
    for trade in Trade.objects.all():
        Trade.objects.filter(pk=trade.pk).update(traded_at=trade.traded_at - timedelta(hours=2))
    for row in EquitySnapshot.objects.filter(sync_sequence=None):
        EquitySnapshot.objects.filter(pk=row.pk).update(market_time=row.market_time - timedelta(hours=2))
    for lock in SymbolLock.objects.exclude(until=None):
        SymbolLock.objects.filter(pk=lock.pk).update(until=lock.until - timedelta(hours=2))


@pytest.mark.parametrize("reason", BLOCKED)
def test_guard_denies_an_entry_with_its_reason_is_shown_and_ends(reason: str, account: Outside) -> None:
    open_cycle()
    BLOCKED[reason]()

    denied = judged()

    assert denied == ("denied", reason)
    decision = AIDecision.objects.get(reason=reason)
    assert decision.reason_detail
    assert decision.risk_check is not None
    assert decision.risk_check.reason == reason
    if reason == "entries_paused":
        assert guard_report().pause.is_paused
        return
    (line,) = [line for line in guard_report().lines if line.guard == reason]
    assert (line.blocks, line.symbol in ("", STOCK)) == ("entries", True)
    assert line.until is not None
    let_time_pass()
    next_cycle()
    assert judged() == ("executing", "")
    assert account.posts() == []


@pytest.mark.parametrize("reason", BLOCKED)
def test_no_guard_of_entries_stands_before_a_models_sale(reason: str, account: Outside) -> None:
    account.hold(STOCK, 3)
    open_cycle()
    BLOCKED[reason]()

    assert judged(action="sell") == ("executing", "")


def test_everything_blocked_and_the_switch_sells_everything(account: Outside) -> None:
    account.hold(STOCK, 3)
    open_cycle()
    for block in BLOCKED.values():
        block()
    bought(market_ago(minutes=1))

    report = stop_trading(actor="ada", reason="enough", flatten=True)

    assert report.flattening is not None
    assert report.flattening.is_done
    assert STOCK not in account.positions()


def test_minimum_hold_denies_a_models_sale_and_not_what_a_person_approved(account: Outside) -> None:
    account.hold(STOCK, 3)
    open_cycle()
    bought(market_ago(minutes=14))

    denied = judged(action="sell")

    assert denied == ("denied", "minimum_hold")
    (line,) = guard_report().lines
    assert (line.symbol, line.blocks) == (STOCK, "the model's own sale")
    next_cycle()
    assert judged(action="sell", approved=True) == ("executing", "")


def test_minimum_hold_ends(account: Outside) -> None:
    account.hold(STOCK, 3)
    open_cycle()
    bought(market_ago(minutes=16))

    assert judged(action="sell") == ("executing", "")


def test_entries_of_one_batch_count_for_those_after_them(account: Outside) -> None:
    switch_guards_off()
    set_to(entries_per_hour=1)
    cycle = open_cycle()
    best = wish(STOCK, cycle=cycle, confidence=Decimal("0.9"))
    other = wish(OTHER_STOCK, cycle=cycle, confidence=Decimal("0.8"))

    assert [saga.decision_id for saga in execute_batch([other.pk, best.pk])] == [best.pk]

    other.refresh_from_db()
    assert (other.status, other.reason) == ("denied", "entries_per_hour")
    assert Order.objects.get().symbol == STOCK


def test_an_own_round_trip_is_held_and_then_cools_down(account: Outside) -> None:
    """By real orders: bought, not to be sold by the model yet; sold by a person's word, not bought again yet."""
    entry = advanced_to_its_end(passed(STOCK).pk)
    assert order_of(entry).status == "filled"
    next_cycle()

    held = judged(action="sell")
    next_cycle()
    advanced_to_its_end(passed(STOCK, "sell", approved=True).pk)
    next_cycle()

    assert held == ("denied", "minimum_hold")
    assert judged() == ("denied", "cooldown_period")


def test_semi_auto_asks_nobody_about_what_a_guard_would_deny(account: Outside) -> None:
    make_agent(mode="semi_auto")
    open_cycle()
    cooled()

    assert judged() == ("stored", "cooldown_period")
    assert judged(OTHER_STOCK) == ("awaiting_approval", "")


def test_guards_are_read_in_the_same_few_statements_whatever_there_is(account: Outside) -> None:
    open_cycle()
    values, market = settings.AsNeeded(*rules.SETTINGS), fresh_reading()
    counts = []
    for name in ("few", "many"):
        with CaptureQueriesContext(connection) as seen:
            read_guards(values, market, None)
        counts.append(len(seen))
        for n in range(5):
            sold(market_ago(minutes=n), f"S{n}")
            make_symbol_lock(f"{name}{n}")

    assert counts == [2, 2]


def test_setting_that_cannot_be_read_blocks_entries_and_no_exit(account: Outside) -> None:
    account.hold(STOCK, 3)
    open_cycle()
    switch_guards_off()
    RuntimeSetting.objects.filter(pk="cooldown_period").update(value="soon")

    assert judged(OTHER_STOCK) == ("denied", "invalid_figures")
    assert judged(action="sell") == ("executing", "")
    (line,) = guard_report().lines
    assert line.detail.startswith("cooldown_period: was 'soon'")


@pytest.mark.system
def test_a_new_process_finds_the_same_blocks(threaded_account: Outside) -> None:
    """docs/lessons.md: nothing that stops is kept in memory."""
    open_cycle()
    for block in BLOCKED.values():
        block()
    set_to(cooldown_period=1800)  # other scenes have switched it off
    bought(market_ago(minutes=1))
    here = guard_report()

    done = manage("guards", "--json")

    assert done.returncode == 0, done.stderr
    there = json.loads(done.stdout)
    expected = [(line.guard, line.symbol, line.detail) for line in here.lines]
    assert [(line["guard"], line["symbol"], line["detail"]) for line in there["lines"]] == expected
    assert {line.guard for line in here.lines} >= set(BLOCKED) - {"entries_paused"}
    assert there["pause"]["reason"] == "earnings"
