"""What is known of a symbol besides the price it is about to be traded at; ADR 0024."""

from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import NamedTuple

from django.db import connection
from django.db.models import QuerySet

from risk.domain.numbers import HUNDRED, ONE, plain_decimal
from risk.domain.plausibility import band_width, ratio_apart
from risk.domain.types import PriceBand, PriceFacts, Reference
from trading.core import settings
from trading.domain.prices import age_problem, daily_volatility, is_opening
from trading.domain.symbols import is_coin
from trading.market.market_time import market_now
from trading.models import AgentStatus, BarHistory, MarketSnapshot

RECENT = timedelta(hours=2)
RECENT_PRICES = 5
OLDEST_DAYS = 10
USUAL_DAYS = {True: 2, False: 4}  # from a coin's last close to its price; from a stock's, over a long weekend
WIDENING = Decimal("1.5")
CACHED = "cached "
APART = "implausible_disagreement"
BAND_SETTINGS = (
    "price_band_percent",
    "price_band_sigmas",
    "provider_disagreement",
    APART,
)
PRICE_SETTINGS = (*BAND_SETTINGS, "price_max_age")
_LATEST = """
SELECT latest.* FROM unnest(%s::text[]) AS wanted(symbol)
CROSS JOIN LATERAL (
    SELECT * FROM market_snapshots AS seen
    WHERE seen.symbol = wanted.symbol AND seen.quoted_at <= coalesce(%s::timestamptz, 'infinity')
    ORDER BY seen.quoted_at DESC LIMIT 1
) AS latest
"""
_EARLIER = """
SELECT priced.symbol, earlier.price, earlier.source, earlier.quoted_at
FROM unnest(%s::text[], %s::timestamptz[]) AS priced(symbol, quoted_at)
CROSS JOIN LATERAL (
    SELECT price, source, seen.quoted_at FROM market_snapshots AS seen
    WHERE seen.symbol = priced.symbol
      AND seen.quoted_at < priced.quoted_at AND seen.quoted_at >= priced.quoted_at - %s * interval '1 second'
    ORDER BY seen.quoted_at DESC LIMIT %s
) AS earlier
ORDER BY priced.symbol, earlier.quoted_at DESC
"""


class _History(NamedTuple):
    """Daily closes before a price's day, the oldest first; ``is_whole``: fetched on that day, so none is missing."""

    closes: list[tuple[date, Decimal]]
    is_whole: bool


class DayChange(NamedTuple):
    """The change since the previous close, in percent; None where it is unknown or cannot be believed.

    ``warning``: why it is left out, or what is odd about the close; "" where all is well.
    """

    percent: Decimal | None
    warning: str = ""


def latest_snapshot(symbol: str) -> MarketSnapshot | None:
    """Return the latest price of a symbol, whatever cycle fetched it.

    One from further ahead than any price is allowed to be was stored before the market's clock went back: it gives
    way to those of now, for else nothing would be traded until the market comes by that time again.
    """
    seen = MarketSnapshot.objects.filter(symbol=symbol).order_by("-quoted_at")
    return _of_now(seen).first() or seen.first()


def latest_snapshots(
    symbols: Collection[str],
    agent: AgentStatus | None = None,
    values: Mapping[str, Decimal] | None = None,
) -> dict[str, MarketSnapshot]:
    """Return the latest price of each symbol, as ``latest_snapshot`` does; one look into the index for each.

    Args:
        agent: its row where the caller has just read it; ``values`` settings, ``price_max_age`` among them.
    """
    now = market_now(agent)
    ahead = timedelta(seconds=float(values["price_max_age"]) if values else settings.seconds("price_max_age"))
    found = _latest(symbols, until=None if now is None else now + ahead)
    missing = set(symbols) - found.keys()
    return found | _latest(missing, until=None) if missing and now is not None else found


def _latest(symbols: Collection[str], *, until: datetime | None) -> dict[str, MarketSnapshot]:
    rows = MarketSnapshot.objects.raw(_LATEST, [sorted(symbols), until])
    return {row.symbol: row for row in rows}


def _of_now(seen: QuerySet[MarketSnapshot]) -> QuerySet[MarketSnapshot]:
    now, ahead = market_now(), timedelta(seconds=settings.seconds("price_max_age"))
    return seen if now is None else seen.filter(quoted_at__lte=now + ahead)


def price_facts(snapshot: MarketSnapshot, now: datetime) -> PriceFacts:
    """Return what the snapshot's price is held against at market time ``now``.

    Nothing here depends on that price itself, and nothing of its own day but what was stored before it.
    """
    known = read_known([snapshot])[snapshot.symbol]
    return facts_of(snapshot, known, now, settings.several(*PRICE_SETTINGS))


class Known(NamedTuple):
    """What was stored of a symbol before its price: daily closes, and the prices of the last hours."""

    history: _History
    recent: tuple[Reference, ...]


def read_known(
    snapshots: Collection[MarketSnapshot], bars: Mapping[str, BarHistory] | None = None
) -> dict[str, Known]:
    """Return what was stored before each of these prices, by symbol; two queries for all.

    Args:
        bars: the histories of the symbols where the caller has read them.
    """
    if bars is None:
        bars = BarHistory.objects.in_bulk([row.symbol for row in snapshots])
    recent = _recent(snapshots)
    return {
        row.symbol: Known(_history(row, bars.get(row.symbol)), recent.get(row.symbol, ()))
        for row in snapshots
    }


def facts_of(
    snapshot: MarketSnapshot, known: Known, now: datetime, values: Mapping[str, Decimal]
) -> PriceFacts:
    """Return ``price_facts`` from what has been read.

    Args:
        values: ``PRICE_SETTINGS`` at least, by name.
    """
    close = _close(snapshot, known.history)
    return PriceFacts(
        band=_band(snapshot, close, values),
        recent=known.recent,
        close=close,
        second=_second(snapshot, now, values),
        daily_volatility=daily_volatility([price for _, price in known.history.closes]),
    )


def day_changes(snapshots: Iterable[MarketSnapshot], bars: Mapping[str, BarHistory]) -> dict[str, DayChange]:
    """Return each symbol's change since the previous close the gate knows: the day's own bars before the source's word.

    On the morning of a split a source may still tell the close as it was traded, ten times today's price. A change that
    the gate would not believe is left out: a model would take it for a fall, and buy it.

    Args:
        bars: what is stored of the symbols' histories.
    """
    values = settings.several(*BAND_SETTINGS)
    return {row.symbol: _day_change(row, _history(row, bars.get(row.symbol)), values) for row in snapshots}


def _day_change(snapshot: MarketSnapshot, history: _History, values: Mapping[str, Decimal]) -> DayChange:
    close, price, reported = _close(snapshot, history), snapshot.price, snapshot.previous_close
    if close is None or close.price is None or (reported is None and not history.is_whole):
        return DayChange(None)
    percent = (price / close.price - ONE) * HUNDRED
    band = _band(snapshot, close, values)
    apart = ratio_apart(price, close.price)
    if apart > band.floor * band.widening:
        width = band_width(band, daily_volatility([known for _, known in history.closes]))
        if width is None or apart > width:
            words = f"{percent:+.1f} % from {plain_decimal(close.price)} ({close.source})"
            return DayChange(None, f"the day's change is left out, it cannot be believed: {words}")
    if reported is not None and history.is_whole and ratio_apart(reported, close.price) > values[APART]:
        told = f"{snapshot.source} says {plain_decimal(reported)}, the daily bar {plain_decimal(close.price)}"
        return DayChange(percent, f"two previous closes, as on the day of a split: {told}; the bar counts")
    return DayChange(percent)


def _band(snapshot: MarketSnapshot, close: Reference | None, value: Mapping[str, Decimal]) -> PriceBand:
    coin = is_coin(snapshot.symbol)
    is_old = close is not None and close.at is not None and _days(close.at, snapshot) > USUAL_DAYS[coin]
    wide = is_old or (not coin and is_opening(snapshot.quoted_at))
    return PriceBand(
        floor=value["price_band_percent"] / HUNDRED,
        sigmas=value["price_band_sigmas"],
        agreement=value["provider_disagreement"],
        disagreement=value["implausible_disagreement"],
        widening=WIDENING if wide else Decimal(1),
    )


def _recent(snapshots: Collection[MarketSnapshot]) -> dict[str, tuple[Reference, ...]]:
    """Return the prices that earlier cycles stored in the last hours of market time, the newest first, by symbol."""
    symbols, moments = [row.symbol for row in snapshots], [row.quoted_at for row in snapshots]
    found: dict[str, tuple[Reference, ...]] = {}
    with connection.cursor() as cursor:
        cursor.execute(_EARLIER, [symbols, moments, RECENT.total_seconds(), RECENT_PRICES])
        for symbol, price, source, at in cursor.fetchall():
            found[symbol] = (*found.get(symbol, ()), Reference(price, source, at))
    return found


def _history(snapshot: MarketSnapshot, row: BarHistory | None) -> _History:
    if row is None:
        return _History([], is_whole=False)
    day = snapshot.quoted_at.astimezone(UTC).date()
    read = ((datetime.fromisoformat(bar[0]).date(), Decimal(bar[4])) for bar in row.bars)
    return _History([(on, close) for on, close in read if on < day], is_whole=row.market_date == day)


def _close(snapshot: MarketSnapshot, history: _History) -> Reference | None:
    """Return the last daily close: the day's own bars', else the source's word, else what older bars say.

    Bars first: they are adjusted for a split of the day, and come by another request than the price.
    """
    bar = None
    if history.closes:
        on, price = history.closes[-1]
        bar = Reference(price, "daily bar", datetime.combine(on, time(), UTC))
    reported = snapshot.previous_close
    if reported is not None and not (bar and history.is_whole):
        return Reference(reported, f"{snapshot.source}, previous close")
    is_known = bar is not None and bar.at is not None and _days(bar.at, snapshot) <= OLDEST_DAYS
    return bar if is_known else None


def _days(earlier: datetime, snapshot: MarketSnapshot) -> int:
    return (snapshot.quoted_at.astimezone(UTC).date() - earlier.date()).days


def _second(snapshot: MarketSnapshot, now: datetime, values: Mapping[str, Decimal]) -> Reference | None:
    """Return the second source's price if it is fresh, and not of the source whose price is judged.

    A click asks for a new price, and that may come from where the second opinion came from before.
    """
    price, at, source = snapshot.second_price, snapshot.second_quoted_at, snapshot.second_source
    if price is None or at is None or source == snapshot.source.removeprefix(CACHED):
        return None
    stale = age_problem(at, now, float(values["price_max_age"]))
    return None if stale else Reference(price, source, at)
