"""Alpaca's prices and news, on alpaca-py's data clients."""

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, TypeVar

from alpaca.common.rest import RESTClient
from alpaca.data.historical.crypto import CryptoHistoricalDataClient
from alpaca.data.historical.news import NewsClient
from alpaca.data.historical.stock import StockHistoricalDataClient

from connectors.alpaca.addresses import require_data_address
from connectors.alpaca.data_mapping import bar_from_wire, headline_from_wire, quote_from_snapshot
from connectors.alpaca.symbols import askable, batches, join_pair
from connectors.base import AssetClass, Bar, Headline, Quote
from connectors.calls import read
from connectors.errors import RejectedError, UnavailableError
from connectors.keywords import matched
from connectors.lists import read_rows, refuse_if_most
from connectors.redaction import register_secret
from connectors.rows import BySymbol, Rows, UnreadableRow, are_most
from connectors.throttle.base import Throttle
from connectors.transport import BoundedSession
from connectors.wire import shown

log = logging.getLogger(__name__)

ClientT = TypeVar("ClientT", bound=RESTClient)

_SYMBOLS_PER_REQUEST = 50
_BAR_SYMBOLS_PER_REQUEST = 200  # an answer counts bars, not symbols: ten thousand a page
_BARS_PER_PAGE = 10_000
_NEWS_SYMBOLS_PER_REQUEST = 500  # an address line of 8 KB is what servers take
_MAX_HEADLINES = 50  # and as many a page
_MAX_PAGES = 100


class _AlpacaPrices(ABC):
    """What stocks and coins share; they differ in paths and in the shape around the snapshots."""

    name = "alpaca"
    _asset_class: AssetClass
    _client: RESTClient

    def quotes(self, symbols: Sequence[str], *, within_seconds: float | None = None) -> BySymbol[Quote]:
        """Return the latest prices by symbol, asked for in batches of 50.

        The price is the latest trade's, or the last minute bar's close where that bar began after the
        trade; ``quoted_at`` is the trade's time or the bar's start. What is unknown is missing; what cannot be
        understood is named, one row for a field.
        """
        quotes: dict[str, Quote] = {}
        odd: list[UnreadableRow] = []
        for batch in batches(askable(symbols, self._asset_class), _SYMBOLS_PER_REQUEST):
            snapshots = self._snapshots(batch)
            for symbol in batch:
                quote = quote_from_snapshot(symbol, snapshots.get(symbol), odd)
                if quote is not None:
                    quotes[symbol] = quote
        without = [row for row in odd if row.symbol not in quotes]
        refuse_if_most(self.name, "quotes", {row.symbol: row for row in without}.values(), len(quotes))
        return BySymbol(quotes, odd)

    def daily_bars(self, symbols: Sequence[str], *, start: date, end: date) -> BySymbol[list[Bar]]:
        """Return daily bars by symbol, oldest first, both bounds inclusive, all pages; splits adjusted.

        Raises:
            UnavailableError: also when a batch has more than 100 pages: half a history is not one.
        """
        bars: dict[str, dict[datetime, Bar]] = {}
        odd: dict[str, list[UnreadableRow]] = {}
        for batch in batches(askable(symbols, self._asset_class), _BAR_SYMBOLS_PER_REQUEST):
            for page in self._bar_pages(batch, start, end):
                for symbol, rows in page.items():
                    read_bars = _bars_of(symbol, rows)
                    odd.setdefault(symbol, []).extend(read_bars.unreadable)
                    known = bars.setdefault(symbol, {})
                    known |= {bar.opened_at: bar for bar in read_bars if start <= bar.opened_at.date() <= end}
        unreadable = [row for rows in odd.values() for row in rows]
        refuse_if_most(self.name, "bars", unreadable, sum(map(len, bars.values())))
        sound = {
            symbol: [known[opened_at] for opened_at in sorted(known)]
            for symbol, known in bars.items()
            if known and not are_most(odd[symbol], len(known))  # half a history is not one
        }
        return BySymbol(sound, unreadable)

    @abstractmethod
    def _snapshots(self, symbols: list[str]) -> Mapping[str, Any]:
        """Return the raw snapshots by symbol."""

    @abstractmethod
    def _bars_page(self, query: dict[str, Any]) -> Any:
        """Return one raw page of bars."""

    def _bar_pages(self, symbols: list[str], start: date, end: date) -> Iterator[Mapping[str, Any]]:
        query = {
            "symbols": ",".join(symbols),
            "timeframe": "1Day",
            "start": _rfc3339(datetime.combine(start, time(), UTC)),
            # Stocks' days begin at midnight in New York, coins' in UTC: both within the UTC date.
            "end": _rfc3339(datetime.combine(end, time(), UTC) + timedelta(days=1, seconds=-1)),
            "limit": _BARS_PER_PAGE,
        }
        # Not get_stock_bars: it pages for ever where a page token repeats.
        for page in _pages("bars", query, self._bars_page):
            bars = page.get("bars")
            yield _object("bars", {} if bars is None else bars)


class AlpacaStockData(_AlpacaPrices):
    """Stock prices: a ``QuoteSource`` and a ``BarSource``.

    Args:
        data_url: what ``require_data_address`` accepts.
        total_timeout_seconds: for one request; a call makes one for every 50 symbols and page.
        throttle: the rate limit and breaker of these keys at the data address.

    Raises:
        ConfigurationError: the address is neither Alpaca's nor a loopback one.
    """

    _asset_class = AssetClass.STOCK

    def __init__(
        self,
        api_key: str,
        secret_key: str,
        data_url: str,
        *,
        connect_timeout_seconds: float = 3,
        total_timeout_seconds: float = 5,
        throttle: Throttle | None = None,
    ) -> None:
        url = require_data_address(data_url)
        self._client = _prepared(
            StockHistoricalDataClient(api_key, secret_key, raw_data=True, url_override=url),
            (api_key, secret_key),
            url,
            connect_timeout_seconds,
            total_timeout_seconds,
            throttle,
        )
        self._feed: str | None = None

    def _snapshots(self, symbols: list[str]) -> Mapping[str, Any]:
        query = {"symbols": ",".join(symbols)}
        raw = read(self.name, "quotes", lambda: self._client.get("/stocks/snapshots", query))
        return _object("snapshots", raw)

    def _bars_page(self, query: dict[str, Any]) -> Any:
        query = {**query, "adjustment": "split", "feed": self._feed}
        try:
            return self._client_bars(query)
        except RejectedError as exc:
            # Without a paid subscription the consolidated feed's last 15 minutes are refused.
            if self._feed is not None or exc.status_code != 403 or "subscription" not in exc.detail:
                raise
        log.warning("alpaca bars: no subscription to the consolidated feed, using IEX alone")
        self._feed = "iex"
        return self._client_bars({**query, "feed": "iex"})

    def _client_bars(self, query: dict[str, Any]) -> Any:
        return read(self.name, "bars", lambda: self._client.get("/stocks/bars", query))


class AlpacaCryptoData(_AlpacaPrices):
    """Coin prices in USD: a ``QuoteSource`` and a ``BarSource``. Arguments as ``AlpacaStockData``."""

    _asset_class = AssetClass.CRYPTO

    def __init__(
        self,
        api_key: str,
        secret_key: str,
        data_url: str,
        *,
        connect_timeout_seconds: float = 3,
        total_timeout_seconds: float = 5,
        throttle: Throttle | None = None,
    ) -> None:
        url = require_data_address(data_url)
        self._client = _prepared(
            CryptoHistoricalDataClient(api_key, secret_key, raw_data=True, url_override=url),
            (api_key, secret_key),
            url,
            connect_timeout_seconds,
            total_timeout_seconds,
            throttle,
        )

    def _snapshots(self, symbols: list[str]) -> Mapping[str, Any]:
        query = {"symbols": ",".join(symbols)}
        raw = read(self.name, "quotes", lambda: self._client.get("/crypto/us/snapshots", query))
        return _object("snapshots", _object("snapshots", raw).get("snapshots"))

    def _bars_page(self, query: dict[str, Any]) -> Any:
        return read(self.name, "bars", lambda: self._client.get("/crypto/us/bars", query))


class AlpacaNews:
    """Headlines: a ``NewsSource``. Arguments as ``AlpacaStockData``."""

    name = "alpaca"

    def __init__(
        self,
        api_key: str,
        secret_key: str,
        data_url: str,
        *,
        connect_timeout_seconds: float = 3,
        total_timeout_seconds: float = 5,
        throttle: Throttle | None = None,
    ) -> None:
        url = require_data_address(data_url)
        self._client = _prepared(
            NewsClient(api_key, secret_key, raw_data=True, url_override=url),
            (api_key, secret_key),
            url,
            connect_timeout_seconds,
            total_timeout_seconds,
            throttle,
        )

    def headlines(
        self, symbols: Sequence[str], *, since: datetime, until: datetime, keywords: Sequence[str] = ()
    ) -> Rows[Headline]:
        """Return headlines published in ``[since, until]``, newest first, at most 50 by symbol.

        Alpaca cannot be asked by keyword: the newest 50 of all are read, and those with one are added.
        An article edited after ``until`` is left out: its text may know the future (docs/lessons.md#lesson-40).
        """
        asked = askable(symbols, AssetClass.STOCK) + askable(symbols, AssetClass.CRYPTO)
        spelt = {join_pair(symbol): symbol for symbol in asked}  # news says BTCUSD
        found: dict[str, Headline] = {}
        odd: dict[tuple[str, str], UnreadableRow] = {}
        for batch in batches(list(spelt), _NEWS_SYMBOLS_PER_REQUEST):
            found |= self._read(batch, spelt, (since, until), odd)
        found = _newest(found.values())
        if keywords:
            for headline in self._read([], {}, (since, until), odd).values():
                words = matched(f"{headline.title} {headline.summary}", keywords)
                if words:
                    known = found.get(headline.headline_id, headline)
                    found[headline.headline_id] = replace(known, keywords=words)
        return Rows(sorted(found.values(), key=_published_at, reverse=True), odd.values())

    def _read(
        self,
        batch: Sequence[str],
        spelt: Mapping[str, str],
        span: tuple[datetime, datetime],
        odd: dict[tuple[str, str], UnreadableRow],
    ) -> dict[str, Headline]:
        """Return at most 50 headlines by id, about ``batch`` or, where it is empty, about all.

        What cannot be understood is added to ``odd``, by id and field: it may come in several answers.
        """
        query = {
            "symbols": ",".join(batch) or None,
            "start": _rfc3339(span[0]),
            "end": _rfc3339(span[1]),
            "sort": "desc",
            "limit": _MAX_HEADLINES,
        }
        found: dict[str, Headline] = {}
        for page in _pages("news", query, self._news_page):
            items = read_rows(
                self.name, "news", page.get("news"), lambda fields: headline_from_wire(fields, spelt, span[1])
            )
            odd |= {(row.row_id, row.field): row for row in items.unreadable}
            for headline in items:
                if span[0] <= headline.published_at <= span[1]:
                    found[headline.headline_id] = headline
            refuse_if_most(self.name, "news", items.unreadable, len(items))
            if len(found) >= _MAX_HEADLINES:
                break
        return _newest(found.values())

    def _news_page(self, query: dict[str, Any]) -> Any:
        return read(self.name, "news", lambda: self._client.get("/news", query))


def _prepared(
    client: ClientT,
    keys: tuple[str, str],
    url: str,
    connect_timeout_seconds: float,
    total_timeout_seconds: float,
    throttle: Throttle | None,
) -> ClientT:
    for key in keys:
        register_secret(key)
    client._retry = 0  # retries are the caller's, within its budget
    client._session = BoundedSession(
        url,
        connect_timeout_seconds=connect_timeout_seconds,
        total_timeout_seconds=total_timeout_seconds,
        throttle=throttle,
    )
    return client


def _bars_of(symbol: str, rows: object) -> Rows[Bar]:
    """Return one symbol's bars of a page; a history that is no list is one row that cannot be understood."""
    if not isinstance(rows, list):
        return Rows((), [UnreadableRow("bars", shown(rows), symbol=symbol)])
    found = read_rows("alpaca", "bar", rows, bar_from_wire)
    return Rows(found, (replace(row, symbol=symbol) for row in found.unreadable))


def _pages(
    operation: str, query: dict[str, Any], get_page: Callable[[dict[str, Any]], Any]
) -> Iterator[Mapping[str, Any]]:
    """Yield every page; too many, or a token that repeats, is an error and not an end."""
    seen: set[str] = set()
    token: object = None
    for _ in range(_MAX_PAGES):
        page = _object(operation, get_page({**query, "page_token": token}))
        yield page
        token = page.get("next_page_token")
        if not token:
            return
        if not isinstance(token, str) or token in seen:
            raise UnavailableError("alpaca", operation, "malformed answer: field next_page_token repeats")
        seen.add(token)
    raise UnavailableError("alpaca", operation, f"more than {_MAX_PAGES} pages")


def _object(kind: str, value: object) -> Mapping[str, Any]:
    if isinstance(value, dict):
        return value
    raise UnavailableError("alpaca", kind, f"malformed answer: {kind} is {type(value).__name__}")


def _rfc3339(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _newest(headlines: Iterable[Headline]) -> dict[str, Headline]:
    return {h.headline_id: h for h in sorted(headlines, key=_published_at, reverse=True)[:_MAX_HEADLINES]}


def _published_at(headline: Headline) -> datetime:
    return headline.published_at
