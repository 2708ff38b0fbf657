"""Market time at a replay's own speed: how old a price is, and what the gate makes of it."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from time import monotonic

import pytest
from django.utils import timezone

from risk.models import RiskCheck
from tests.factories import make_agent, make_decision, make_snapshot
from tests.trading.outside import COIN, Outside
from tests.trading.scenes import ago, change, open_cycle, wish
from trading.core.providers import current_providers
from trading.execution import decision_execution, gate_inputs
from trading.execution.portfolio import sync_portfolio
from trading.execution.portfolio_truth import submitted_after
from trading.market import prices
from trading.market.market_time import CLOCK_MAX_AGE, latest_market_time, market_now, stocks_trade_now
from trading.market.prices import MarketClockReader
from trading.models import AgentStatus, MarketSnapshot

SPEED = 60


@pytest.fixture
def fast(account: Outside) -> Iterator[Outside]:
    """The account at a venue whose time runs at sixty seconds a second."""
    account.venue.clock(paused=False, speed=SPEED)
    yield account
    account.venue.clock(paused=True, speed=1)


def let_pass(**span: float) -> None:
    """Let wall time pass since the clock was read and the prices were fetched."""
    agent = AgentStatus.objects.get(pk=1)
    assert agent.market_time_read_at is not None
    change(agent, market_time_read_at=agent.market_time_read_at - timedelta(**span))
    for row in MarketSnapshot.objects.all():
        change(row, fetched_at=row.fetched_at - timedelta(**span))


@pytest.mark.django_db
def test_sync_reads_the_rate_of_the_market(account: Outside) -> None:
    rates = []
    for command in ({"paused": True}, {"paused": False}, {"speed": SPEED}, {"paused": True, "speed": 1}):
        account.venue.clock(**command)
        sync_portfolio(None)
        rates.append(AgentStatus.objects.get(pk=1).market_rate)

    assert rates == [0, 1, SPEED, 0]


@pytest.mark.django_db
def test_price_that_is_old_by_market_time_is_denied(fast: Outside) -> None:
    """Two seconds of the wall's are two minutes of the market's: more than ninety seconds."""
    cycle = open_cycle()
    decision = wish(COIN, cycle=cycle)
    let_pass(seconds=2)

    decision_execution.execute_decision(decision.pk)

    decision.refresh_from_db()
    assert (decision.status, decision.reason) == ("denied", "stale_price")
    assert RiskCheck.objects.get(decision_id=decision.pk).reason == "stale_price"
    assert fast.posts() == []


@pytest.mark.django_db
def test_price_of_the_same_moment_has_no_age_while_time_stands_still(account: Outside) -> None:
    cycle = open_cycle()
    decision = wish(COIN, cycle=cycle)
    snapshot = MarketSnapshot.objects.get(cycle=cycle)
    let_pass(minutes=4)
    snapshot.refresh_from_db()

    assert gate_inputs.order_intent(decision, snapshot).price_age_seconds == 0
    assert market_now() == snapshot.quoted_at


@pytest.mark.django_db
@pytest.mark.parametrize("rate", [0, 1, 60])
def test_price_fetched_before_a_step_back_has_no_age_at_any_rate(rate: int) -> None:
    make_agent(market_time=timezone.now(), market_time_read_at=timezone.now(), market_rate=rate)
    ahead = make_snapshot(fetched_at=ago(seconds=-5))

    assert gate_inputs.order_intent(make_decision(), ahead).price_age_seconds is None


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("rate", "minutes", "passed"),
    [("1", 3, 3), ("0", 3, 0), ("60", 3, 180), ("0.5", 4, 2), ("60", 65, 360), ("1", 65, 65), ("0", 65, 0)],
)
def test_market_time_is_carried_forward_at_its_rate(rate: str, minutes: int, passed: int) -> None:
    """Beyond the five minutes for which a reading counts, no faster than the world."""
    read_at = ago(minutes=minutes)
    make_agent(market_time=read_at, market_time_read_at=read_at, market_rate=Decimal(rate))

    now = latest_market_time()

    assert now is not None
    assert (now - read_at).total_seconds() == pytest.approx(passed * 60, abs=60)
    assert (market_now() is None) == (timedelta(minutes=minutes) > CLOCK_MAX_AGE)


@pytest.mark.django_db
def test_time_runs_on_at_its_rate_while_prices_are_fetched(
    fast: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync_portfolio(None)
    clock = MarketClockReader(current_providers().broker)
    passed = [monotonic()]
    monkeypatch.setattr(prices, "monotonic", lambda: passed[0])
    assert clock.refresh()
    read = clock.now
    assert read is not None

    passed[0] += 2

    assert clock.now == read + timedelta(seconds=2 * SPEED)


@pytest.mark.parametrize(("rate", "minutes"), [("0", 5 + 10), ("1", 5 + 10), ("60", 5 + 600)])
def test_order_was_submitted_within_the_market_time_that_passed(rate: str, minutes: int) -> None:
    """What a bound by wall time would miss at a high speed is asked for alone, a request an order."""
    now = timezone.now()

    assert submitted_after(now, float(rate), now - timedelta(minutes=10), now) == now - timedelta(
        minutes=minutes
    )


@pytest.mark.django_db
def test_clock_that_went_back_is_as_it_was_read_at_any_rate() -> None:
    read_at = ago(seconds=-1)
    make_agent(market_time=read_at, market_time_read_at=read_at, market_rate=60, market_open=True)

    assert (market_now(), stocks_trade_now()) == (read_at, True)
