"""What a cycle fetches before it decides: prices with indicators, headlines, the account.

Every function records its own failure and returns; a fetch never stops its cycle.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from django.utils import timezone

from ai.domain.indicators import compute_indicators
from connectors.base import Bar, BarSource, Headline, Quote, QuoteSource
from connectors.errors import ConnectorError, UnavailableError
from connectors.retry import call_with_retry
from trading.domain.statuses import CycleStage
from trading.domain.symbols import is_coin
from trading.errors import WorldMismatchError
from trading.models import Cycle, MarketSnapshot
from trading.services import cycles, settings
from trading.services.market_time import market_now
from trading.services.pausing import pause_cycle
from trading.services.portfolio import sync_portfolio
from trading.services.providers import current_providers

STOCKS_PER_REQUEST = 50
FALLBACK_QUOTES_PER_CYCLE = 30
HISTORY_DAYS = 120
NEWS_LOOKBACK = timedelta(hours=24)
MAX_HEADLINES = 50
ATTEMPT_SECONDS = 5.0  # the adapters' own total for one request
STOCK_DAYS, COIN_DAYS = 252, 365


def stock_batches(symbols: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Split the stocks among ``symbols`` into batches of one request each."""
    stocks = [s for s in symbols if not is_coin(s)]
    for start in range(0, len(stocks), STOCKS_PER_REQUEST):
        yield tuple(stocks[start : start + STOCKS_PER_REQUEST])


def fetch_stocks(cycle_id: UUID, symbols: Sequence[str], *, batch_count: int) -> int:
    """Store a snapshot for each stock that has a price; return how many.

    Args:
        batch_count: how many such tasks the cycle has; they share the slow source's requests.
    """
    providers = current_providers()
    share = FALLBACK_QUOTES_PER_CYCLE // max(1, batch_count)
    return _fetch(cycle_id, "stocks", symbols, providers.stock_quotes, providers.stock_bars, share)


def fetch_coins(cycle_id: UUID, symbols: Sequence[str]) -> int:
    """Store a snapshot for each coin that has a price; return how many."""
    providers = current_providers()
    return _fetch(cycle_id, "coins", symbols, providers.coin_quotes, providers.coin_bars, len(symbols))


def fetch_news(cycle_id: UUID, symbols: Sequence[str]) -> int:
    """Store the cycle's headlines; return how many."""
    began = timezone.now()
    until = market_now() or began
    found: list[Headline] = []
    for source in current_providers().news:
        try:
            found += source.headlines(symbols, since=until - NEWS_LOOKBACK, until=until)
        except ConnectorError as error:
            cycles.record_error(cycle_id, operation=f"fetch_news {source.name}", error=error)
    stored = [_headline_row(item) for item in found[:MAX_HEADLINES]]
    Cycle.objects.filter(pk=cycle_id, stage=CycleStage.FETCHING).update(headlines=stored)
    cycles.record_step(cycle_id, "news", count=len(stored), seconds=_since(began))
    return len(stored)


def fetch_account(cycle_id: UUID) -> None:
    """Sync clock, account and positions for the cycle."""
    began = timezone.now()
    try:
        truth = call_with_retry(
            lambda: sync_portfolio(cycle_id),
            deadline_seconds=settings.seconds("fetch_timeout"),
            attempt_seconds=ATTEMPT_SECONDS,
        )
    except ConnectorError as error:
        cycles.record_error(cycle_id, operation="sync_account", error=error)
        if isinstance(error, UnavailableError):  # without the account nothing can be judged: wait for it
            pause_cycle(cycle_id, error=error, stages=[CycleStage.FETCHING])
        return
    except WorldMismatchError as error:  # nothing may be decided, still less ordered, on another account
        cycles.record_error(cycle_id, operation="sync_account", error=error)
        cycles.fail_cycle(Cycle.objects.get(pk=cycle_id), reason=str(error)[:500])
        return
    cycles.record_step(
        cycle_id,
        "account",
        equity=str(truth.account.equity),
        positions=len(truth.positions),
        market_time=truth.clock.now.isoformat(),
        market_open=truth.clock.is_open,
        seconds=_since(began),
    )


def _fetch(
    cycle_id: UUID,
    step: str,
    symbols: Sequence[str],
    sources: Sequence[QuoteSource],
    history: BarSource,
    fallback_share: int,
) -> int:
    began = timezone.now()
    deadline = settings.seconds("fetch_timeout")
    quotes: dict[str, Quote] = {}
    for rank, source in enumerate(sources):
        missing = [s for s in symbols if s not in quotes]
        asked = missing if rank == 0 else missing[:fallback_share]
        remaining = deadline - _since(began)
        if asked and remaining > 0:
            quotes |= _quotes(cycle_id, source, asked, remaining)
    bars = _bars(cycle_id, history, quotes, deadline - _since(began))
    MarketSnapshot.objects.bulk_create(
        (_snapshot(cycle_id, quote, bars.get(symbol, ())) for symbol, quote in quotes.items()),
        update_conflicts=True,  # a cycle that was paused fetches again: the newer price counts
        unique_fields=["cycle", "symbol"],
        update_fields=["price", "previous_close", "source", "quoted_at", "fetched_at", "indicators"],
    )
    missing = [s for s in symbols if s not in quotes]
    sources_used = sorted({quote.source for quote in quotes.values()})
    cycles.record_step(
        cycle_id, step, count=len(quotes), missing=missing, sources=sources_used, seconds=_since(began)
    )
    return len(quotes)


def _quotes(
    cycle_id: UUID, source: QuoteSource, symbols: Sequence[str], remaining_seconds: float
) -> Mapping[str, Quote]:
    try:
        return call_with_retry(
            lambda: source.quotes(symbols),
            deadline_seconds=remaining_seconds,
            attempt_seconds=ATTEMPT_SECONDS,
        )
    except ConnectorError as error:
        cycles.record_error(cycle_id, operation=f"quotes {source.name}", error=error)
        return {}


def _bars(
    cycle_id: UUID, source: BarSource, quotes: Mapping[str, Quote], remaining_seconds: float
) -> Mapping[str, Sequence[Bar]]:
    """Return daily history up to the quotes' own day: market time, which a replay runs in the past."""
    if not quotes or remaining_seconds <= 0:
        return {}
    today = max(quote.quoted_at for quote in quotes.values()).date()
    start = today - timedelta(days=HISTORY_DAYS)
    try:
        return call_with_retry(
            lambda: source.daily_bars(list(quotes), start=start, end=today),
            deadline_seconds=remaining_seconds,
        )
    except ConnectorError as error:
        cycles.record_error(cycle_id, operation="daily_bars", error=error)
        return {}


def _snapshot(cycle_id: UUID, quote: Quote, bars: Sequence[Bar]) -> MarketSnapshot:
    indicators = compute_indicators(
        [bar.close for bar in bars],
        [bar.high for bar in bars],
        [bar.low for bar in bars],
        bars_per_year=COIN_DAYS if is_coin(quote.symbol) else STOCK_DAYS,
    )
    return MarketSnapshot(
        cycle_id=cycle_id,
        symbol=quote.symbol,
        price=quote.price,
        previous_close=quote.previous_close,
        source=quote.source,
        quoted_at=quote.quoted_at,
        fetched_at=timezone.now(),
        indicators=indicators.to_dict() if indicators else None,
    )


def _headline_row(item: Headline) -> dict[str, object]:
    return {
        "source": item.source,
        "symbols": list(item.symbols),
        "title": item.title,
        "published_at": item.published_at.isoformat(),
    }


def _since(began: datetime) -> float:
    return round((timezone.now() - began).total_seconds(), 3)
