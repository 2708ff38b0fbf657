"""The broker's word on account and positions replaces ours; older words and other accounts do not."""

from dataclasses import replace
from decimal import ROUND_HALF_UP, Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from connectors.errors import ConnectorError
from tests.factories import make_agent, make_position
from tests.trading.outside import COIN, OTHER_STOCK, STOCK, WHOLE_STOCK, Outside
from tests.trading.scenes import ago, change
from tests.waiting import wait_until
from trading.core.providers import current_providers
from trading.errors import NotConfiguredError, WorldMismatchError
from trading.execution import gate_inputs, portfolio
from trading.execution.portfolio import sync_portfolio
from trading.market.market_time import market_now, stocks_trade_now
from trading.models import AgentStatus, EquitySnapshot, Event, Position
from trading.queries.live_state import LiveState, Source, account_state, positions_state

pytestmark = pytest.mark.django_db


def position_events() -> list[tuple[str, str, str, str]]:
    rows = Event.objects.filter(aggregate_type="position").order_by("occurred_at", "id")
    return [(e.type, e.aggregate_id, e.payload["from"], e.payload["to"]) for e in rows]


def stored(money: Decimal) -> Decimal:
    """PostgreSQL rounds a half away from zero."""
    return money.quantize(Decimal("0.0001"), ROUND_HALF_UP)


def test_sync_stores_money_clock_and_positions_with_source_and_time(account: Outside) -> None:
    """docs/lessons.md#lesson-24: every figure says where it is from and of when."""
    account.hold(STOCK, "2")
    account.hold(COIN, "0.5")

    truth = sync_portfolio(None)

    money = EquitySnapshot.objects.get()
    assert (money.equity, money.source) == (stored(truth.account.equity), "broker_live")
    assert money.market_time == truth.clock.now
    positions = {p.symbol: p for p in Position.objects.all()}
    assert set(positions) == {STOCK, COIN}
    assert positions[STOCK].quantity == positions[STOCK].quantity_available == 2
    assert Decimal("0.49") < positions[COIN].quantity < Decimal("0.5")
    assert positions[COIN].synced_at == truth.asked_at
    agent = AgentStatus.objects.get()
    assert (agent.position_count, agent.account_id) == (2, truth.account.account_id)
    assert agent.daily_pnl == stored(truth.account.equity - truth.account.last_equity)
    assert agent.world == "local venue, synthetic prices"


def test_open_positions_have_their_profit(account: Outside) -> None:
    """docs/lessons.md#lesson-15."""
    account.hold(COIN, "2")

    sync_portfolio(None)

    row = Position.objects.get()
    cost = row.average_entry_price * row.quantity
    assert row.unrealised_pnl == pytest.approx(row.market_value - cost, abs=Decimal("0.0001"))
    assert row.unrealised_pnl != 0


def test_positions_opened_changed_and_closed_are_events(account: Outside) -> None:
    account.hold(STOCK, "2")
    sync_portfolio(None)
    opened_at = Position.objects.get().opened_at
    sync_portfolio(None)
    account.place(STOCK, "1", side="sell")
    wait_until(lambda: account.positions()[STOCK] == 1, what="one share is sold")
    sync_portfolio(None)
    assert Position.objects.get().opened_at == opened_at
    account.sell_everything()
    sync_portfolio(None)

    assert not Position.objects.exists()
    assert position_events() == [
        ("position.opened", STOCK, "0", "2"),
        ("position.changed", STOCK, "2", "1"),
        ("position.closed", STOCK, "1", "0"),
    ]


def test_sync_costs_as_many_statements_for_many_positions_as_for_one(account: Outside) -> None:
    """An order ends with a sync: its cost must not grow with the book."""
    account.hold(STOCK, "2")
    sync_portfolio(None)
    with CaptureQueriesContext(connection) as for_one:
        sync_portfolio(None)
    for symbol in (OTHER_STOCK, WHOLE_STOCK, COIN):
        account.hold(symbol, "1")
    sync_portfolio(None)
    with CaptureQueriesContext(connection) as for_four:
        sync_portfolio(None)

    assert Position.objects.count() == 4
    assert len(for_four) == len(for_one)


def test_older_answer_never_overwrites_a_newer_one(account: Outside, monkeypatch: pytest.MonkeyPatch) -> None:
    account.hold(STOCK, "2")
    truth = portfolio.ask(current_providers().broker, 1)
    assert sync_portfolio(None).is_stored
    before = AgentStatus.objects.get()
    newest = EquitySnapshot.objects.newest()
    poorer = replace(truth.account, equity=Decimal(1), buying_power=Decimal(1))
    late = replace(truth, positions=(), account=poorer)
    monkeypatch.setattr(portfolio, "ask", lambda *_: late)

    assert not sync_portfolio(None).is_stored

    after = AgentStatus.objects.get()
    assert Position.objects.get().quantity == 2
    assert EquitySnapshot.objects.newest() == newest
    assert (after.positions_as_of, after.daily_pnl) == (before.positions_as_of, before.daily_pnl)
    assert after.market_time_read_at == before.market_time_read_at


@pytest.mark.parametrize("seconds", [-7200, -85, -1, 85, 7200])
def test_newer_answer_is_stored_whatever_the_clocks_did(account: Outside, seconds: int) -> None:
    """The stored times lie ahead where a clock stepped back since, and far behind where it stepped forward."""
    sync_portfolio(None)
    at = ago(seconds=seconds)
    EquitySnapshot.objects.update(created_at=at, equity=Decimal(1))
    change(AgentStatus.objects.get(), positions_as_of=at, market_time_read_at=at)
    account.hold(STOCK, "2")

    assert sync_portfolio(None).is_stored

    assert Position.objects.get().quantity == 2
    newest = EquitySnapshot.objects.newest()
    assert newest is not None
    assert newest.equity > 1
    assert positions_state().is_stale is False
    assert account_state().is_stale is False
    assert market_now() is not None


@pytest.mark.parametrize("seconds", [85, 7200])
def test_what_was_told_before_a_step_back_is_not_fresh(account: Outside, seconds: int) -> None:
    sync_portfolio(None)
    at = ago(seconds=-seconds)
    EquitySnapshot.objects.update(created_at=at)
    change(AgentStatus.objects.get(), positions_as_of=at, market_time_read_at=at)

    assert market_now() is None
    assert positions_state() == LiveState(Source.CACHE_STALE, at, is_stale=True)
    assert account_state().is_stale
    assert gate_inputs.risk_book_for(STOCK).equity is None


@pytest.mark.parametrize("first", [0, 1])
def test_of_two_syncs_under_way_the_later_asked_counts(account: Outside, first: int) -> None:
    providers = current_providers()
    earlier = portfolio.ask(providers.broker, 1)
    account.hold(STOCK, "2")
    truths = [earlier, portfolio.ask(providers.broker, 1)]

    stored = [portfolio.store_truth(truths[n], None, world=providers.world) for n in (first, 1 - first)]

    assert stored == [True, first == 0]
    assert Position.objects.get().quantity == 2


def test_order_of_syncs_catches_up_with_what_is_stored(account: Outside) -> None:
    """A database restored from a copy gives places out again that were stored before."""
    sync_portfolio(None)
    ahead = AgentStatus.objects.get().positions_sequence + 1000
    change(AgentStatus.objects.get(), positions_sequence=ahead)

    assert not sync_portfolio(None).is_stored
    assert sync_portfolio(None).is_stored
    assert AgentStatus.objects.get().positions_sequence == ahead + 1


def test_another_account_is_refused_and_nothing_is_stored(account: Outside) -> None:
    account.hold(STOCK, "2")
    make_agent(account_id="another", world="Alpaca paper account")

    with pytest.raises(WorldMismatchError, match=r"belongs to account another \(Alpaca paper account\)"):
        sync_portfolio(None)

    assert not EquitySnapshot.objects.exists()
    assert not Position.objects.exists()
    assert AgentStatus.objects.get().market_time is None


@pytest.mark.parametrize("path", ["/v2/clock", "/v2/account", "/v2/positions"])
def test_part_that_fails_leaves_everything_as_it_was(account: Outside, path: str) -> None:
    make_position(STOCK)
    account.venue.fault(kind="error", route=f"GET {path}", times=1)

    with pytest.raises(ConnectorError):
        sync_portfolio(None)

    assert not EquitySnapshot.objects.exists()
    assert Position.objects.get().quantity == 1


def test_venue_that_does_not_run_is_said_so() -> None:
    make_agent()

    with pytest.raises(NotConfiguredError, match=r"manage\.py up"):
        sync_portfolio(None)


def test_market_time_runs_on_from_the_last_reading_for_five_minutes(account: Outside) -> None:
    assert market_now() is None
    assert not stocks_trade_now()
    truth = sync_portfolio(None)

    now = market_now()
    assert now is not None
    assert 0 <= (now - truth.clock.now).total_seconds() < 5
    assert stocks_trade_now()

    change(AgentStatus.objects.get(), market_time_read_at=ago(minutes=5, seconds=1))
    assert market_now() is None


def test_closed_market_is_closed(account: Outside) -> None:
    sync_portfolio(None)
    change(AgentStatus.objects.get(), market_open=False)

    assert market_now() is not None
    assert not stocks_trade_now()
