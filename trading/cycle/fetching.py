"""What a cycle fetches before it decides: prices with indicators, the account (headlines: headlines.py).

Every function records its own failure and returns; a fetch never stops its cycle.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from uuid import UUID

from django.utils import timezone

from ai.domain.indicators import compute_indicators
from connectors.base import Bar, BarSource, Quote
from connectors.errors import ConnectorError, UnavailableError
from connectors.rows import unreadable_of
from trading.core import cycle_log, settings
from trading.core.providers import current_providers
from trading.core.repeated_reads import read_repeatedly
from trading.core.statements.message import Message
from trading.cycle import cycles
from trading.cycle.pausing import pause_cycle
from trading.domain.ages import TOLERANCE
from trading.domain.prices import age_problem
from trading.domain.statuses import CycleStage
from trading.domain.symbols import is_coin
from trading.errors import WorldMismatchError
from trading.execution.portfolio import sync_portfolio
from trading.market.bar_history import bars_up_to_now
from trading.market.prices import (
    FALLBACK_QUOTES_PER_CYCLE,
    Chain,
    MarketClockReader,
    Prices,
    collect,
    disagreement_words,
)
from trading.models import Cycle, MarketSnapshot
from trading.performance.comparison import compare_books

STOCKS_PER_REQUEST = 50
CACHED, SOURCE_LENGTH = "cached ", 20
WARNING_LENGTH = 200
UPDATED = [
    "price",
    "previous_close",
    "source",
    "quoted_at",
    "fetched_at",
    "indicators",
    "second_source",
    "second_price",
    "second_quoted_at",
    "warning",
]
STOCK_DAYS, COIN_DAYS = 252, 365


def stock_batches(symbols: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Split the stocks among ``symbols`` into batches of one request each."""
    stocks = [s for s in symbols if not is_coin(s)]
    for start in range(0, len(stocks), STOCKS_PER_REQUEST):
        yield tuple(stocks[start : start + STOCKS_PER_REQUEST])


def fetch_stocks(cycle_id: UUID, symbols: Sequence[str], *, batch_count: int) -> int:
    """Store a snapshot for each stock that has a usable price; return how many.

    While the market is closed nothing is asked: stocks are skipped for that reason, whatever their price.

    Args:
        batch_count: how many such tasks the cycle has; they share the slow source's requests.
    """
    providers = current_providers()
    clock = MarketClockReader(providers.broker)
    if clock.stocks_closed():
        cycle_log.record_step(
            cycle_id,
            "stocks",
            count=0,
            missing=[],
            sources=[],
            seconds=0.0,
            skipped="market_closed",
            first_symbol=symbols[0],
        )
        return 0
    share = FALLBACK_QUOTES_PER_CYCLE // max(1, batch_count)
    chain = Chain(providers.stock_quotes, compare=False, limited=True, fallback_share=share)
    return _fetch(cycle_id, "stocks", symbols, chain, providers.stock_bars, clock)


def fetch_coins(cycle_id: UUID, symbols: Sequence[str]) -> int:
    """Store a snapshot for each coin that has a usable price; all sources are asked and compared."""
    providers = current_providers()
    chain = Chain(providers.coin_quotes, compare=True, limited=False, fallback_share=0)
    return _fetch(cycle_id, "coins", symbols, chain, providers.coin_bars, MarketClockReader(providers.broker))


def fetch_account(cycle_id: UUID) -> None:
    """Sync clock, account and positions for the cycle."""
    began = timezone.now()
    try:
        truth = read_repeatedly(
            lambda _: sync_portfolio(cycle_id), within_seconds=settings.seconds("fetch_timeout")
        )
    except ConnectorError as error:
        cycle_log.record_error(cycle_id, operation="sync_account", error=error)
        if isinstance(error, UnavailableError):  # without the account nothing can be judged: wait for it
            pause_cycle(cycle_id, error=error, stages=[CycleStage.FETCHING])
        return
    except WorldMismatchError as error:  # nothing may be decided, still less ordered, on another account
        cycle_log.record_error(cycle_id, operation="sync_account", error=error)
        cycles.fail_cycle(Cycle.objects.get(pk=cycle_id), reason=str(error)[:500])
        return
    cycle_log.record_unreadable(cycle_id, operation="positions", rows=truth.unreadable)
    compare_books(cycle_id)  # before anything is ordered: a split is known while nothing else has changed
    cycle_log.record_step(
        cycle_id,
        "account",
        equity=str(truth.account.equity),
        positions=len(truth.positions),
        market_time=truth.clock.now.isoformat(),
        market_open=truth.clock.is_open,
        seconds=cycle_log.seconds_since(began),
        **({} if truth.is_stored else {"superseded": True}),  # a newer answer is stored
    )


def _fetch(
    cycle_id: UUID,
    step: str,
    symbols: Sequence[str],
    chain: Chain,
    history: BarSource,
    clock: MarketClockReader,
) -> int:
    began = timezone.now()
    deadline = settings.seconds("fetch_timeout")
    prices = collect(cycle_id, symbols, chain, clock, deadline)
    cycle_log.record_unreadable(cycle_id, operation=f"prices of {step}", rows=prices.unreadable)
    bars = _bars(cycle_id, history, prices.usable, deadline - cycle_log.seconds_since(began))
    stored = _storing(cycle_id, prices, bars)
    cached = _reuse(cycle_id, [s for s in symbols if s not in prices.usable], clock)
    found = prices.usable.keys() | {row.symbol for row in cached}
    missing = {s: gap for s, gap in prices.missing(symbols).items() if s not in found}
    cycle_log.record_step(
        cycle_id,
        step,
        stored,
        count=len(found),
        missing=list(missing),
        reasons={s: [gap.reason, gap.detail] for s, gap in missing.items()},
        sources=sorted({q.source for q in prices.usable.values()} | {row.source for row in cached}),
        seconds=cycle_log.seconds_since(began),
        first_symbol=symbols[0],  # says which batch has ended
    )
    return len(found)


def _storing(cycle_id: UUID, prices: Prices, bars: Mapping[str, Sequence[Bar]]) -> Message:
    """Return what stores the snapshots, to be said with the event that the batch has ended."""
    rows = []
    for symbol, quote in prices.usable.items():
        second = prices.second.get(symbol)
        row = _snapshot(cycle_id, quote, bars.get(symbol, ()))
        row.warning = disagreement_words(quote, second)[:WARNING_LENGTH]
        if second is not None:
            row.second_source, row.second_price = second.source, second.price
            row.second_quoted_at = second.quoted_at
        if row.warning:
            cycle_log.record_warning(cycle_id, operation="prices", message=f"{symbol}: {row.warning}")
        rows.append(row)
    message = Message()
    # A cycle that was paused fetches again: the newer price counts.
    message.insert(rows, or_update=UPDATED, same=["cycle", "symbol"])
    return message


def _reuse(cycle_id: UUID, symbols: Sequence[str], clock: MarketClockReader) -> list[MarketSnapshot]:
    """Store again what an earlier cycle just fetched, with its own source and time (docs/lessons.md#lesson-7)."""
    if symbols and clock.now is None:
        clock.refresh()
    if not symbols or clock.now is None:
        return []
    now, age = timezone.now(), timedelta(seconds=settings.seconds("cache_age"))
    span = (now - age, now + TOLERANCE)
    fresh = MarketSnapshot.objects.filter(symbol__in=symbols, fetched_at__range=span)
    latest = fresh.exclude(cycle_id=cycle_id).order_by("symbol", "-quoted_at").distinct("symbol")
    limit = settings.seconds("price_max_age")
    rows = [row for row in latest if not age_problem(row.quoted_at, clock.now, limit)]
    for row in rows:
        row.pk, row.cycle_id = None, cycle_id
        row.source = f"{CACHED}{row.source.removeprefix(CACHED)}"[:SOURCE_LENGTH]
    return MarketSnapshot.objects.bulk_create(rows, ignore_conflicts=True)


def _bars(
    cycle_id: UUID, source: BarSource, quotes: Mapping[str, Quote], remaining_seconds: float
) -> Mapping[str, Sequence[Bar]]:
    """Return daily history up to the quotes' own day: market time, which a replay runs in the past."""
    try:
        bars = bars_up_to_now(source, quotes, remaining_seconds)
    except ConnectorError as error:
        cycle_log.record_error(cycle_id, operation="daily_bars", error=error)
        return {}
    cycle_log.record_unreadable(cycle_id, operation="daily bars", rows=unreadable_of(bars))
    return bars


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
