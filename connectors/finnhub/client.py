"""Finnhub's stock prices and company news, on finnhub-python."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import TypeVar

import finnhub

from connectors.abreast import NotAskedError, ask_abreast
from connectors.base import Headline, Quote
from connectors.calls import read
from connectors.errors import MalformedError, RejectedError, UnavailableError
from connectors.keywords import matched
from connectors.lists import read_rows, refuse_if_most
from connectors.redaction import register_secret
from connectors.rows import BySymbol, Rows, UnreadableRow
from connectors.throttle.base import Throttle
from connectors.transport import BoundedSession
from connectors.wire import ZERO, Fields, to_positive, unreadable_row

log = logging.getLogger(__name__)
T = TypeVar("T")

_SDK_ERRORS = (finnhub.FinnhubAPIException, finnhub.FinnhubRequestException)
_MAX_HEADLINES = 50
_NEWS_AT_ONCE = 10  # of the 30 requests that the provider takes in a second


class FinnhubData:
    """A ``QuoteSource`` and ``NewsSource`` for stocks; one request a symbol.

    Args:
        base_url: with ``/api/v1``, without a slash at the end.
        total_timeout_seconds: for one request.
        throttle: the rate limit and breaker of this key.
        budget_seconds: no request of one call begins later; what was not asked by then is missing.
    """

    name = "finnhub"

    def __init__(
        self,
        api_key: str,
        base_url: str = "https://finnhub.io/api/v1",
        *,
        connect_timeout_seconds: float = 3,
        total_timeout_seconds: float = 3,
        budget_seconds: float = 7,
        throttle: Throttle | None = None,
    ) -> None:
        register_secret(api_key)
        self._client = finnhub.Client(api_key)
        self._client.API_URL = base_url
        session = BoundedSession(
            base_url,
            connect_timeout_seconds=connect_timeout_seconds,
            total_timeout_seconds=total_timeout_seconds,
            throttle=throttle,
        )
        session.headers.update(self._client._session.headers)
        session.params = dict(self._client._session.params)
        self._client._session = session
        self._budget_seconds = budget_seconds
        self._request_seconds = total_timeout_seconds

    def quotes(self, symbols: Sequence[str], *, within_seconds: float | None = None) -> BySymbol[Quote]:
        """Return the latest prices by symbol; unknown symbols, answered with zeros, are missing.

        Symbols that failed while others succeeded are missing too, and a warning counts them.

        Raises:
            UnavailableError, RejectedError: every symbol asked failed (the last reason), or the key was
                refused.
        """
        odd: list[UnreadableRow] = []

        def ask(symbol: str) -> Quote | None:
            raw = read(self.name, "quote", lambda: self._client.quote(symbol), sdk_errors=_SDK_ERRORS)
            try:
                return quote_from_wire(symbol, raw, odd)
            except MalformedError as error:
                odd.append(unreadable_row(raw, error, symbol=symbol))
                raise

        budget = self._budget_seconds
        if within_seconds is not None:
            budget = min(budget, max(within_seconds / 2, within_seconds - self._request_seconds))
        answers = self._ask_each("quote", symbols, ask, budget)
        quotes = {symbol: quote for symbol, quote in answers if quote is not None}
        without = {row.symbol: row for row in odd if row.symbol not in quotes}
        refuse_if_most(self.name, "quotes", without.values(), len(quotes))
        return BySymbol(quotes, odd)

    def headlines(
        self, symbols: Sequence[str], *, since: datetime, until: datetime, keywords: Sequence[str] = ()
    ) -> Rows[Headline]:
        """Return company news published in ``[since, until]``, newest first, at most 50.

        One request a symbol, side by side, and one more for the newest general news where there are keywords.

        Raises:
            UnavailableError, RejectedError: every symbol asked failed (the last reason), or the key was
                refused.
        """
        found: dict[str, Headline] = {}
        odd: list[UnreadableRow] = []
        first, last = (moment.astimezone(UTC).date().isoformat() for moment in (since, until))

        def ask(symbol: str) -> Rows[Headline]:
            raw = read(
                self.name,
                "company_news",
                lambda: self._client.company_news(symbol, first, last),
                sdk_errors=_SDK_ERRORS,
            )
            items = read_rows(self.name, "news", raw, lambda fields: headline_from_wire(symbol, fields))
            refuse_if_most(self.name, "news", items.unreadable, len(items))
            return items

        answers = self._ask_each("company_news", symbols, ask, self._budget_seconds, at_once=_NEWS_AT_ONCE)
        for _, items in answers:
            odd.extend(items.unreadable)
            for headline in items:
                if since <= headline.published_at <= until:
                    _merge(found, headline)
        if keywords:
            general = self._general(keywords)
            odd.extend(general.unreadable)
            for headline in general:
                if since <= headline.published_at <= until:
                    found.setdefault(headline.headline_id, headline)
        newest_first = sorted(found.values(), key=lambda item: item.published_at, reverse=True)
        return Rows(newest_first[:_MAX_HEADLINES], {(row.row_id, row.field): row for row in odd}.values())

    def _general(self, keywords: Sequence[str]) -> Rows[Headline]:
        """Return the newest general news that has one of the keywords."""
        raw = read(self.name, "news", lambda: self._client.general_news("general"), sdk_errors=_SDK_ERRORS)
        items = read_rows(self.name, "news", raw, lambda fields: headline_from_wire(None, fields))
        refuse_if_most(self.name, "news", items.unreadable, len(items))
        found: list[Headline] = []
        for headline in items:
            words = matched(f"{headline.title} {headline.summary}", keywords)
            if words:
                found.append(replace(headline, keywords=words))
        return Rows(found, items.unreadable)

    def _ask_each(
        self,
        operation: str,
        symbols: Sequence[str],
        ask: Callable[[str], T],
        budget_seconds: float,
        *,
        at_once: int = 1,
    ) -> list[tuple[str, T]]:
        """Ask for each symbol until the time is up or the provider says that it is enough.

        Returns:
            Symbols with what was answered of them, in the order asked, whichever came first.

        Raises:
            UnavailableError, RejectedError: every symbol asked failed (the last reason), or the key was refused.
        """
        asked = [symbol for symbol in dict.fromkeys(symbols) if "/" not in symbol]
        said = ask_abreast(
            ask, asked, at_once=at_once, begins_within=budget_seconds, is_enough=_asks_for_no_more
        )
        answers: list[tuple[str, T]] = []
        failure: UnavailableError | RejectedError | None = None
        for symbol, answer in zip(asked, said, strict=True):
            if isinstance(answer, UnavailableError | RejectedError):
                failure = answer
                if _is_key_refused(answer):
                    raise answer
            elif isinstance(answer, Exception):
                if not isinstance(answer, NotAskedError):
                    raise answer
            else:
                answers.append((symbol, answer))
        if failure is not None and not answers:
            raise failure
        if len(answers) < len(asked):
            reason = failure.detail if failure else f"{budget_seconds:g} s were used up"
            log.warning(
                "finnhub %s: %d of %d symbols are missing: %s",
                operation, len(asked) - len(answers), len(asked), reason,
            )  # fmt: skip
        return answers


def _asks_for_no_more(failure: Exception) -> bool:
    if isinstance(failure, UnavailableError):
        return failure.retry_after_seconds is not None
    return _is_key_refused(failure) or not isinstance(failure, RejectedError)


def _is_key_refused(failure: Exception) -> bool:
    """Tell whether no symbol is ever answered: 401; a 403 says that this symbol is not in the plan."""
    return isinstance(failure, RejectedError) and failure.status_code == 401


def quote_from_wire(symbol: str, raw: object, odd: list[UnreadableRow] | None = None) -> Quote | None:
    """Return the quote, None where the price or its time is 0, as for an unknown symbol.

    Args:
        odd: what cannot be understood is added here; the quote is made without it where it can be.

    Raises:
        MalformedError: it is no object.
    """
    noted: list[UnreadableRow] = [] if odd is None else odd
    fields = Fields("finnhub", "quote", raw)
    try:
        price = fields.decimal("c", minimum=ZERO)
        quoted_at = fields.unix_time("t") if fields.get("t") != 0 else None
    except MalformedError as error:
        noted.append(unreadable_row(raw, error, symbol=symbol))
        return None
    if to_positive(price) is None or quoted_at is None:
        return None

    def beside(name: str) -> Decimal | None:
        try:
            return to_positive(fields.optional_decimal(name, minimum=ZERO))
        except MalformedError as error:
            noted.append(fields.unreadable(error, symbol=symbol))
            return None

    return Quote(
        symbol=symbol,
        price=price,
        quoted_at=quoted_at,
        source="finnhub",
        previous_close=beside("pc"),
        day_high=beside("h"),
        day_low=beside("l"),
    )


def headline_from_wire(symbol: str | None, fields: Fields) -> Headline:
    """Return one news item tagged with the symbol asked, if any.

    Raises:
        MalformedError: it has no id, no title or no time.
    """
    title = fields.words("headline")
    if not title:
        raise fields.malformed("headline")
    return Headline(
        headline_id=fields.identifier("id"),
        source=fields.words("source") or "finnhub",
        symbols=(symbol,) if symbol else (),
        title=title,
        summary=fields.words("summary"),
        url=fields.words("url"),
        published_at=fields.unix_time("datetime"),
    )


def _merge(found: dict[str, Headline], headline: Headline) -> None:
    """Keep one item per id, tagged with every symbol that it came for."""
    known = found.get(headline.headline_id)
    if known is not None:
        symbols = tuple(dict.fromkeys(known.symbols + headline.symbols))
        headline = replace(known, symbols=symbols)
    found[headline.headline_id] = headline
