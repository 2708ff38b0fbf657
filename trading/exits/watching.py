"""Watch what no order at the broker sells: fractions of shares, targets of coins, dates, and stops that follow.

By the freshest price that a source has, asked for while something has to be watched. A price that is too old in market
time triggers nothing: the position is said to be unprotected then.
"""

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

import structlog

from connectors.base import Quote, QuoteSource
from connectors.errors import ConnectorError
from connectors.transport import time_limit
from risk.services import switch
from trading.core import heartbeats, settings
from trading.core.providers import current_providers
from trading.domain.prices import age_problem
from trading.domain.protection.triggers import why_to_sell
from trading.domain.symbols import is_coin
from trading.errors import TradingError
from trading.exits.closing import ClosingError, close_position
from trading.exits.held import Held, read_held
from trading.market.market_time import market_now, stocks_trade_now
from trading.models import Position
from trading.protection.coverage import WATCH, Coverage, is_behind, is_covered

log = structlog.get_logger(__name__)
ASK_EVERY_SECONDS = 5.0
ASK_WITHIN_SECONDS = 4.0
BLIND_AFTER = timedelta(seconds=30)
TRY_AGAIN_SECONDS = 10.0
ACTOR = "stop watch"


@dataclass(frozen=True, slots=True)
class _Seen:
    price: Decimal
    quoted_at: datetime
    read_at: float  # steady seconds


class Watch:
    """What one process has seen of prices; ``look`` is called each round."""

    def __init__(self) -> None:
        self._seen: dict[str, _Seen] = {}
        self._asked_at = float("-inf")
        self._tried_at: dict[str, float] = {}

    def look(self, held: Held | None = None) -> bool:
        """Ask for prices where they are due, and sell what has reached its stop, its target or its date.

        Args:
            held: where the caller has just read it.

        Returns:
            Whether anything was watched, so that what was read may be old.
        """
        held = held if held is not None else read_held()
        coverage = held.coverage
        watched = watched_positions(held)
        self._seen = {symbol: seen for symbol, seen in self._seen.items() if symbol in watched}
        if watched and time.monotonic() - self._asked_at >= ASK_EVERY_SECONDS:
            self._asked_at = time.monotonic()
            self._ask(watched)
        heartbeats.beat(WATCH, f"{len(watched)} positions watched")
        if not watched:
            return False
        now = market_now()
        if now is None or switch.is_engaged():
            return True
        for symbol, position in watched.items():
            self._follow(position, now)
            if is_coin(symbol) or stocks_trade_now() is True:
                theirs = coverage.get(symbol)
                is_stopped = is_covered(position, theirs) and not is_behind(position, theirs)
                self._sell_if_due(position, now, is_stopped=is_stopped)
        return True

    def sees(self, symbol: str) -> bool:
        """Return whether it would be sold in time: a fresh price of it was read a moment ago, or its market is closed.

        While the kill switch is engaged nothing is sold.
        """
        now = market_now()
        if now is None or switch.is_engaged():
            return False
        is_closed = not is_coin(symbol) and stocks_trade_now() is False
        return is_closed or self._fresh(symbol, now) is not None

    def _fresh(self, symbol: str, now: datetime) -> Decimal | None:
        seen = self._seen.get(symbol)
        if seen is None or time.monotonic() - seen.read_at > BLIND_AFTER.total_seconds():
            return None
        too_old = age_problem(seen.quoted_at, now, settings.seconds("price_max_age"))
        return None if too_old else seen.price

    def _ask(self, symbols: Collection[str]) -> None:
        providers = current_providers()
        coins = [symbol for symbol in symbols if is_coin(symbol)]
        stocks = [symbol for symbol in symbols if not is_coin(symbol)]
        for wanted, sources in ((stocks, providers.stock_quotes[:1]), (coins, providers.coin_quotes[:1])):
            for source in sources:
                for symbol, quote in _quotes(source, wanted).items():
                    known = self._seen.get(symbol)
                    if known is None or quote.quoted_at >= known.quoted_at:
                        self._seen[symbol] = _Seen(quote.price, quote.quoted_at, time.monotonic())

    def _follow(self, position: Position, now: datetime) -> None:
        """Remember the highest price, which a stop may follow."""
        price = self._fresh(position.symbol, now)
        if price is not None and (position.highest_price is None or price > position.highest_price):
            Position.objects.filter(pk=position.pk).update(highest_price=price)

    def _sell_if_due(self, position: Position, now: datetime, *, is_stopped: bool) -> None:
        """Sell what has reached its stop, unless the broker sees to that, its target or its date."""
        reason = why_to_sell(
            price=self._fresh(position.symbol, now),
            stop_price=None if is_stopped else position.stop_price,
            target_price=position.target_price,
            is_trailing=position.trailing_percent is not None,
            now=now,
            sell_by=position.sell_by,
        )
        tried_at = self._tried_at.get(position.symbol, float("-inf"))
        if reason is None or time.monotonic() - tried_at < TRY_AGAIN_SECONDS:
            return
        self._tried_at[position.symbol] = time.monotonic()
        try:
            close_position(position.symbol, reason=reason, actor=ACTOR)
        except ClosingError:
            return  # it is being sold
        except (ConnectorError, TradingError) as error:
            log.warning("watched_sale_waits", symbol=position.symbol, reason=reason, error=str(error))


def watched_positions(held: Held) -> Mapping[str, Position]:
    """Return, by symbol, what is held long of which no order at the broker sees to everything."""
    long = [each for each in held.positions.values() if each.quantity > 0 and each.stop_price is not None]
    return {position.symbol: position for position in long if _is_watched(position, held.coverage)}


def _is_watched(position: Position, coverage: Mapping[str, Coverage]) -> bool:
    if position.sell_by is not None or position.trailing_percent is not None:
        return True
    if is_coin(position.symbol) and position.target_price is not None:
        return True
    theirs = coverage.get(position.symbol)
    return not is_covered(position, theirs) or is_behind(position, theirs)


def _quotes(source: QuoteSource, symbols: Collection[str]) -> Mapping[str, Quote]:
    if not symbols:
        return {}
    try:
        with time_limit(ASK_WITHIN_SECONDS):
            return source.quotes(list(symbols), within_seconds=ASK_WITHIN_SECONDS)
    except ConnectorError as error:
        log.warning("watch_has_no_prices", source=source.name, symbols=len(symbols), error=str(error))
        return {}
