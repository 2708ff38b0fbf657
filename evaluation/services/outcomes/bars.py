"""Daily bars that stay: copied from what trading fetched, and asked for where a symbol left the universe since."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal

import structlog
from django.db import connection

from connectors.errors import ConnectorError
from evaluation.models import DailyBar
from trading.errors import TradingError
from trading.market.bar_history import refresh
from trading.models import AgentStatus, BarHistory

log = structlog.get_logger(__name__)
WITHIN_SECONDS = 120.0
# A day that is told otherwise is a new revision; a volume is mended for days, and makes none.
_COPY = """
INSERT INTO bars (symbol, day, revision, open, high, low, close, volume, source, recorded_at)
SELECT told.symbol, told.day, coalesce(known.revision, 0) + 1, told.open, told.high, told.low, told.close, told.volume,
       %(source)s, clock_timestamp()
  FROM (SELECT DISTINCT ON (h.symbol, day) h.symbol, (b.bar->>0)::timestamptz AT TIME ZONE 'UTC' AS at,
               ((b.bar->>0)::timestamptz AT TIME ZONE 'UTC')::date AS day, (b.bar->>1)::numeric AS open,
               (b.bar->>2)::numeric AS high, (b.bar->>3)::numeric AS low, (b.bar->>4)::numeric AS close,
               (b.bar->>5)::numeric AS volume
          FROM bar_histories h CROSS JOIN LATERAL jsonb_array_elements(h.bars) AS b(bar)
         WHERE h.symbol = ANY(%(symbols)s)
         ORDER BY h.symbol, day, at) AS told
  LEFT JOIN (SELECT DISTINCT ON (symbol, day) symbol, day, revision, open, high, low, close FROM bars
              WHERE symbol = ANY(%(symbols)s) ORDER BY symbol, day, revision DESC) AS known
         ON known.symbol = told.symbol AND known.day = told.day
 WHERE known.revision IS NULL
    OR (known.open, known.high, known.low, known.close) <>
       (told.open::numeric(24, 12), told.high::numeric(24, 12), told.low::numeric(24, 12), told.close::numeric(24, 12))
ON CONFLICT (symbol, day, revision) DO NOTHING
"""


def record_bars(*, since: datetime | None = None) -> int:
    """Keep what trading's histories say; return how many bars are new or were told otherwise.

    Args:
        since: histories fetched before then (wall time) are kept already; None: all are looked at.
    """
    changed = BarHistory.objects.all() if since is None else BarHistory.objects.filter(fetched_at__gte=since)
    symbols = list(changed.values_list("symbol", flat=True))
    if not symbols:
        return 0
    source = AgentStatus.objects.filter(pk=1).values_list("world", flat=True).first() or ""
    with connection.cursor() as cursor:
        cursor.execute(_COPY, {"symbols": symbols, "source": source})
        return int(cursor.rowcount)


def fetch_missing(symbols: Collection[str], *, due: date, now: datetime) -> bool:
    """Ask for histories that end before ``due``, of symbols that no cycle looks at any more.

    Returns:
        Whether anything was asked for. What cannot be had now is asked for the next time.
    """
    today = now.astimezone(UTC).date()
    current = BarHistory.objects.filter(symbol__in=symbols, market_date__gt=due)
    stale = sorted(set(symbols) - set(current.values_list("symbol", flat=True)))
    if not stale or due >= today:
        return False
    try:
        refresh(stale, day=today, within_seconds=WITHIN_SECONDS)
    except (ConnectorError, TradingError) as error:
        log.warning("bars_not_fetched", symbols=len(stale), error=str(error))
    return True


def closes_of(symbols: Iterable[str], first: date, last: date) -> Mapping[str, dict[date, Decimal]]:
    """Return the closes as they are known now, by symbol and day, from ``first`` to ``last``, inclusive."""
    rows = DailyBar.objects.filter(symbol__in=list(symbols), day__gte=first, day__lte=last)
    newest = rows.order_by("symbol", "day", "-revision").distinct("symbol", "day")
    found: defaultdict[str, dict[date, Decimal]] = defaultdict(dict)
    for symbol, day, close in newest.values_list("symbol", "day", "close").iterator():
        found[symbol][day] = close
    return found
