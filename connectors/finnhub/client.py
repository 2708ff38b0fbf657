"""Finnhub's stock prices and company news, on finnhub-python."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from time import monotonic
from typing import Any

import finnhub

from connectors.base import Headline, Quote
from connectors.calls import read
from connectors.errors import RejectedError, UnavailableError
from connectors.redaction import register_secret
from connectors.transport import BoundedSession
from connectors.wire import Fields, from_unix, objects, to_positive

log = logging.getLogger(__name__)

_SDK_ERRORS = (finnhub.FinnhubAPIException, finnhub.FinnhubRequestException)
_MAX_HEADLINES = 50


class FinnhubData:
    """A ``QuoteSource`` and ``NewsSource`` for stocks; one request a symbol.

    Args:
        base_url: with ``/api/v1``, without a slash at the end.
        total_timeout_seconds: for one request.
        budget_seconds: no request of one call begins later; what was not asked by then is missing.
    """

    name = "finnhub"

    def __init__(
        self,
        api_key: str,
        base_url: str = "https://finnhub.io/api/v1",
        *,
        connect_timeout_seconds: float = 3,
        total_timeout_seconds: float = 4,
        budget_seconds: float = 7,
    ) -> None:
        register_secret(api_key)
        self._client = finnhub.Client(api_key)
        self._client.API_URL = base_url
        session = BoundedSession(
            base_url,
            connect_timeout_seconds=connect_timeout_seconds,
            total_timeout_seconds=total_timeout_seconds,
        )
        session.headers.update(self._client._session.headers)
        session.params = dict(self._client._session.params)
        self._client._session = session
        self._budget_seconds = budget_seconds

    def quotes(self, symbols: Sequence[str]) -> dict[str, Quote]:
        """Return the latest prices by symbol; unknown symbols, answered with zeros, are missing.

        Symbols that failed while others succeeded are missing too, and a warning counts them.

        Raises:
            UnavailableError, RejectedError: every symbol asked failed (the last reason), or the key was
                refused.
        """
        quotes: dict[str, Quote] = {}

        def ask(symbol: str) -> None:
            raw = read(self.name, "quote", lambda: self._client.quote(symbol), sdk_errors=_SDK_ERRORS)
            quote = quote_from_wire(symbol, raw)
            if quote is not None:
                quotes[symbol] = quote

        self._ask_each("quote", symbols, ask)
        return quotes

    def headlines(self, symbols: Sequence[str], *, since: datetime, until: datetime) -> list[Headline]:
        """Return company news published in ``[since, until]``, newest first, at most 50.

        Raises:
            UnavailableError, RejectedError: every symbol asked failed (the last reason), or the key was
                refused.
        """
        found: dict[str, Headline] = {}
        first, last = (moment.astimezone(UTC).date().isoformat() for moment in (since, until))

        def ask(symbol: str) -> None:
            raw = read(
                self.name,
                "company_news",
                lambda: self._client.company_news(symbol, first, last),
                sdk_errors=_SDK_ERRORS,
            )
            for fields in objects(self.name, "news", raw):
                headline = headline_from_wire(symbol, fields)
                if headline is not None and since <= headline.published_at <= until:
                    _merge(found, headline)

        self._ask_each("company_news", symbols, ask)
        newest_first = sorted(found.values(), key=lambda item: item.published_at, reverse=True)
        return newest_first[:_MAX_HEADLINES]

    def _ask_each(self, operation: str, symbols: Sequence[str], ask: Callable[[str], None]) -> None:
        """Ask for each symbol until the time is up or the provider says that it is enough."""
        asked = [symbol for symbol in dict.fromkeys(symbols) if "/" not in symbol]
        expires_at = monotonic() + self._budget_seconds
        answered = 0
        failure: UnavailableError | RejectedError | None = None
        for symbol in asked:
            try:
                ask(symbol)
                answered += 1
            except UnavailableError as exc:
                failure = exc
                if exc.retry_after_seconds is not None:
                    break
            except RejectedError as exc:
                failure = exc  # 403: this symbol is not in the plan; 401: no symbol ever is
                if exc.status_code == 401:
                    raise
            if monotonic() >= expires_at:
                break
        if failure is not None and answered == 0:
            raise failure
        if answered < len(asked):
            reason = failure.detail if failure else f"{self._budget_seconds} s were used up"
            log.warning(
                "finnhub %s: %d of %d symbols are missing: %s",
                operation, len(asked) - answered, len(asked), reason,
            )  # fmt: skip


def quote_from_wire(symbol: str, raw: object) -> Quote | None:
    """Return the quote, None where the price or its time is 0, as for an unknown symbol."""
    fields = Fields("finnhub", "quote", raw)
    price, quoted_at = to_positive(fields.get("c")), from_unix(fields.get("t"))
    if price is None or quoted_at is None:
        return None
    return Quote(
        symbol=symbol,
        price=price,
        quoted_at=quoted_at,
        source="finnhub",
        previous_close=to_positive(fields.get("pc")),
    )


def headline_from_wire(symbol: str, fields: Fields) -> Headline | None:
    """Return one news item tagged with the symbol asked, None where it has no title or time."""
    published_at = from_unix(fields.get("datetime"))
    title = _text(fields.get("headline"))
    if published_at is None or not title:
        return None
    return Headline(
        headline_id=str(fields.get("id")),
        source=_text(fields.get("source")) or "finnhub",
        symbols=(symbol,),
        title=title,
        summary=_text(fields.get("summary")),
        url=_text(fields.get("url")),
        published_at=published_at,
    )


def _merge(found: dict[str, Headline], headline: Headline) -> None:
    """Keep one item per id, tagged with every symbol that it came for."""
    known = found.get(headline.headline_id)
    if known is not None:
        symbols = tuple(dict.fromkeys(known.symbols + headline.symbols))
        headline = replace(known, symbols=symbols)
    found[headline.headline_id] = headline


def _text(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""
