"""Cycles one after the other, each at its own prices, and shadows that look at them."""

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.db.models import F

from ai.domain.indicators import Indicators
from tests.ai.factories import make_indicators
from tests.factories import make_cycle, make_snapshot
from tests.trading.outside import COIN, OTHER_STOCK, STOCK
from tests.trading.scenes import change
from trading.analysis.cycle_analysis import analyse_cycle
from trading.execution.portfolio import sync_portfolio
from trading.market.market_time import market_now
from trading.models import AgentStatus, Cycle

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
