"""Cycles one after the other, each at its own prices, and shadows that look at them."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import F
from uuid6 import uuid7

from ai.domain.indicators import Indicators
from evaluation.domain.shadow_book import Holding, Priced, ShadowBook
from evaluation.domain.shadow_state import ShadowState
from evaluation.models import ShadowDecision, ShadowFill, ShadowPoint
from evaluation.services.shadow.books import open_book
from evaluation.services.shadow.ledger import to_json
from tests.ai.factories import make_indicators
from tests.factories import make_cycle, make_snapshot, make_strategy
from tests.trading.outside import COIN, OTHER_STOCK, STOCK
from tests.trading.scenes import change
from trading.analysis.cycle_analysis import analyse_cycle
from trading.execution.portfolio import sync_portfolio
from trading.market.market_time import market_now
from trading.models import AgentStatus, Cycle, Strategy

MINUTE = timedelta(minutes=1)
ALL = [STOCK, OTHER_STOCK, COIN]


def next_cycle(prices: Mapping[str, Any], *, indicators: Indicators | None = None) -> Cycle:
    """Return a cycle that was analysed at these prices and has ended, a minute after the one before.

    Its quotes are of its own moment.
    """
    cycle = make_cycle(status="running", symbols=list(prices))
    sync_portfolio(cycle.pk)
    passed = MINUTE * Cycle.objects.count()  # the venue's clock stands still
    AgentStatus.objects.update(market_time=F("market_time") + passed)
    moment = market_now()
    assert moment is not None
    for symbol, price in prices.items():
        make_snapshot(
            cycle=cycle,
            symbol=symbol,
            quoted_at=moment,
            price=Decimal(price),
            previous_close=Decimal(price) * Decimal("0.99"),
            indicators=(indicators or make_indicators()).to_dict(),
        )
    analyse_cycle(cycle.pk)
    change(
        cycle,
        market_time=moment,
        status="completed",
        stage="ended",
        ended_at=cycle.started_at + timedelta(seconds=1),
    )
    cycle.refresh_from_db()
    return cycle


def traded_shadow() -> Strategy:
    """Return a shadow that bought at 100 and holds: rows alone, without a cycle."""
    strategy = make_strategy(name="Bold one", is_shadow=True)
    book = open_book(strategy, Decimal(10_000))
    at = datetime(2026, 3, 2, 15, tzinfo=UTC)
    decision = ShadowDecision.objects.create(
        book=book,
        cycle_id=uuid7(),
        strategy_version=1,
        symbol="AAPL",
        action="buy",
        confidence=Decimal("0.9"),
        reasoning="It rose.",
        model="openai/shadow",
        prompt_version="v",
        as_of=at,
        decided_at=at,
        price=Decimal(100),
        status="filled",
        quantity=Decimal(10),
    )
    held = {"AAPL": Holding(Decimal(10), Decimal(1000))}
    later = at + MINUTE
    state = ShadowState(ShadowBook(Decimal(9000), held), marks={"AAPL": Priced(Decimal(110), later)})
    ShadowFill.objects.create(
        book=book,
        decision=decision,
        cause="decision",
        cycle_id=uuid7(),
        cycle_number=2,
        symbol="AAPL",
        side="buy",
        quantity=Decimal(10),
        price=Decimal(100),
        snapshot_price=Decimal("99.98"),
        fees=Decimal(0),
        realised=Decimal(0),
        at=later,
    )
    for number, equity, outcome in ((1, 10_000, "decided"), (2, 10_050, "missed"), (3, 10_100, "decided")):
        ShadowPoint.objects.create(
            book=book,
            cycle_id=uuid7(),
            cycle_number=number,
            at=at + number * MINUTE,
            equity=Decimal(equity),
            cash=Decimal(9000),
            exposure=Decimal(1100),
            positions=1,
            account_equity=Decimal(100_000 - 50 * number),
            outcome=outcome,
            reason="too slow" if outcome == "missed" else "",
        )
    change(
        book,
        ledger=to_json(state),
        start_account_equity=Decimal(100_000),
        cycle_number=3,
        opened_at=at,
        decided=2,
        missed=1,
        passed_over=4,
        cost_usd=Decimal("0.25"),
    )
    return strategy
