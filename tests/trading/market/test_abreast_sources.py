"""Sources that are compared are asked at the same time, and judged in their order."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import pytest

from connectors.base import Quote
from connectors.errors import UnavailableError
from connectors.rows import BySymbol
from tests.factories import make_cycle
from tests.trading.outside import COIN, Outside
from trading.core.providers import current_providers
from trading.execution.portfolio import sync_portfolio
from trading.market.market_time import market_now
from trading.market.prices import Chain, MarketClockReader, Prices, collect
from trading.models import Event

pytestmark = pytest.mark.django_db
GENEROUS_SECONDS = 9


@dataclass
class Source:
    """Answers once all of its fellows are asked."""

    name: str
    price: int
    fellows: threading.Barrier
    quoted_at: datetime
    is_away: bool = False

    def quotes(self, symbols: Sequence[str], *, within_seconds: float | None = None) -> BySymbol[Quote]:
        self.fellows.wait(GENEROUS_SECONDS)
        if self.is_away:
            raise UnavailableError(self.name, "quotes", "away", retry_after_seconds=GENEROUS_SECONDS * 2)
        quotes = {name: Quote(name, Decimal(self.price), self.quoted_at, self.name) for name in symbols}
        return BySymbol(quotes, ())


def collected(account: Outside, **away: bool) -> Prices:
    sync_portfolio(None)
    now, fellows = market_now(), threading.Barrier(2)
    assert now is not None
    sources = [
        Source(name, price, fellows, now, away.get(name, False))
        for name, price in (("one", 100), ("two", 90))
    ]
    chain = Chain(sources, compare=True, limited=False, fallback_share=0)
    clock = MarketClockReader(current_providers().broker)
    return collect(make_cycle(status="running").pk, [COIN], chain, clock, GENEROUS_SECONDS)


def test_compared_sources_are_asked_at_once_and_the_first_one_counts(account: Outside) -> None:
    prices = collected(account)

    assert (prices.usable[COIN].source, prices.second[COIN].source) == ("one", "two")


def test_one_that_is_away_is_said_and_the_other_counts(account: Outside) -> None:
    prices = collected(account, one=True)

    assert prices.usable[COIN].source == "two"
    assert not prices.second
    assert [e.payload["operation"] for e in Event.objects.filter(type="cycle.error")] == ["quotes one"]
