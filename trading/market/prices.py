"""Prices by the chain of sources: asked in order, judged by age, every gap with its reason.

Nothing here writes a snapshot. What a source failed at goes to the cycle's errors.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from time import monotonic
from uuid import UUID

import redis

from connectors.abreast import ask_abreast
from connectors.base import Broker, MarketClock, Quote, QuoteSource
from connectors.errors import ConnectorError
from connectors.rows import UnreadableRow, unreadable_of
from connectors.throttle.shared import PREFIX
from risk.domain.numbers import HUNDRED, plain_decimal
from trading.core import cycle_log, settings
from trading.core.redis_client import redis_client
from trading.core.repeated_reads import read_repeatedly
from trading.domain.prices import Missing, NoPrice, age_problem, disagreement
from trading.market.market_time import fresh_reading, stocks_trade_now
from trading.models import AgentStatus

FALLBACK_QUOTES_PER_CYCLE = 30
FALLBACK_SHARE_SECONDS = 900
FIRST_SHARE = 0.55  # of the time left, where another source waits behind
NOT_ASKED_BUDGET = f"not asked, {FALLBACK_QUOTES_PER_CYCLE} a cycle are used up"
NOT_ASKED_TIME = "not asked, the time was used up"
NO_ANSWER = "no positive price"


class MarketClockReader:
    """Market time for one fetch: as last read; the broker is asked once more before a price is refused as too old."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._asked = False
        agent = AgentStatus.objects.filter(pk=1).first()
        known = fresh_reading(agent) if agent else None
        self._read = None if known is None else (known.now, known.rate, monotonic())
        self.is_open: bool | None = stocks_trade_now(agent) if agent else None

    @property
    def now(self) -> datetime | None:
        """Market time now, carried forward while the fetch goes on; None where it is not known."""
        if self._read is None:
            return None
        read, rate, at = self._read
        return read + timedelta(seconds=rate * (monotonic() - at))

    def refresh(self) -> bool:
        """Ask the broker, the first time; return whether there is news.

        Where the clock jumped (a new session of the local venue, a pause) what was carried forward is wrong.
        """
        if self._asked:
            return False
        self._asked = True
        try:
            reported: MarketClock = self._broker.clock()
        except ConnectorError:
            return False
        self._read, self.is_open = (reported.now, float(reported.rate), monotonic()), reported.is_open
        return True

    def stocks_closed(self) -> bool:
        """Tell whether stocks do not trade now, by a clock just read where it says so and can be read."""
        if not self.is_open:
            self.refresh()
        return self.is_open is False


@dataclass(slots=True)
class Prices:
    """What the chain brought: usable prices, second opinions, what each source said of the rest, and what of it
    could not be understood.
    """

    usable: dict[str, Quote] = field(default_factory=dict)
    second: dict[str, Quote] = field(default_factory=dict)
    said: dict[str, list[str]] = field(default_factory=dict)
    stale: set[str] = field(default_factory=set)
    unreadable: list[UnreadableRow] = field(default_factory=list)

    def note(self, symbols: Iterable[str], source: str, words: str) -> None:
        """Keep why ``source`` has no usable price of ``symbols``."""
        for symbol in symbols:
            self.said.setdefault(symbol, []).append(f"{source}: {words}")

    def missing(self, symbols: Sequence[str]) -> dict[str, Missing]:
        """Return the gaps among ``symbols``, each with its reason."""
        gaps = (symbol for symbol in symbols if symbol not in self.usable)
        return {
            symbol: Missing(
                NoPrice.STALE if symbol in self.stale else NoPrice.NO_PRICE,
                "; ".join(self.said.get(symbol, ())) or NOT_ASKED_TIME,
            )
            for symbol in gaps
        }


@dataclass(frozen=True, slots=True)
class Chain:
    """How a class of symbols is asked.

    Args:
        sources: asked in this order.
        compare: ask every source for everything, and keep the second opinions.
        limited: whether sources behind the first are limited by the cycle's shared budget of requests.
        fallback_share: what a task may take of that budget where Redis is away.
    """

    sources: Sequence[QuoteSource]
    compare: bool
    limited: bool
    fallback_share: int


def collect(
    cycle_id: UUID, symbols: Sequence[str], chain: Chain, clock: MarketClockReader, within_seconds: float
) -> Prices:
    """Ask the sources in turn until every symbol has a usable price or the time is up; to be compared, all at once."""
    prices = Prices()
    if chain.compare:
        answers = _answers(chain.sources, symbols, within_seconds)
        for source, answer in zip(chain.sources, answers, strict=True):
            _judge(cycle_id, source, symbols, answer, prices, clock)
        return prices
    gives_up_at = monotonic() + within_seconds
    for rank, source in enumerate(chain.sources):
        wanted = [s for s in symbols if s not in prices.usable]
        if rank and chain.limited:
            granted = take_fallback(cycle_id, len(wanted), share=chain.fallback_share) if wanted else 0
            prices.note(wanted[granted:], source.name, NOT_ASKED_BUDGET)
            wanted = wanted[:granted]
        remaining = gives_up_at - monotonic()
        if not wanted:
            continue
        if remaining <= 0:
            prices.note(wanted, source.name, NOT_ASKED_TIME)
            continue
        is_last = rank == len(chain.sources) - 1
        (answer,) = _answers([source], wanted, remaining if is_last else remaining * FIRST_SHARE)
        _judge(cycle_id, source, wanted, answer, prices, clock)
    return prices


def _answers(
    sources: Sequence[QuoteSource], symbols: Sequence[str], seconds: float
) -> list[Mapping[str, Quote] | Exception]:
    """Ask sources for the same symbols at the same time, each within ``seconds``; answers in the sources' order."""
    retries = settings.retries()  # here, with this thread's connection: those that ask have none

    def ask(source: QuoteSource) -> Mapping[str, Quote]:
        return read_repeatedly(
            lambda left: source.quotes(symbols, within_seconds=left), within_seconds=seconds, retries=retries
        )

    return ask_abreast(ask, sources, at_once=len(sources) or 1)


def _judge(
    cycle_id: UUID,
    source: QuoteSource,
    symbols: Sequence[str],
    answer: Mapping[str, Quote] | Exception,
    prices: Prices,
    clock: MarketClockReader,
) -> None:
    """Keep what of an answer is usable, and the reasons of the rest."""
    if isinstance(answer, ConnectorError):
        cycle_log.record_error(cycle_id, operation=f"quotes {source.name}", error=answer)
        prices.note(symbols, source.name, answer.detail[:120])
        return
    if isinstance(answer, Exception):
        raise answer
    quotes = answer
    problems = time_problems(quotes, clock)
    odd = {row.symbol: row for row in unreadable_of(quotes)}
    prices.unreadable += unreadable_of(quotes)
    for symbol in symbols:
        quote = quotes.get(symbol)
        if quote is None:
            prices.note([symbol], source.name, odd[symbol].detail[:120] if symbol in odd else NO_ANSWER)
        elif problems[symbol]:
            prices.note([symbol], source.name, problems[symbol])
            prices.stale.add(symbol)
        elif symbol in prices.usable:
            prices.second[symbol] = quote
        else:
            prices.usable[symbol] = quote


def time_problems(quotes: Mapping[str, Quote], clock: MarketClockReader) -> dict[str, str]:
    """Return what is wrong with each quote's time, "" where nothing is."""
    limit = settings.seconds("price_max_age")

    def judge() -> dict[str, str]:
        now = clock.now
        if now is None:
            return dict.fromkeys(quotes, "market time is unknown")
        return {symbol: age_problem(quote.quoted_at, now, limit) for symbol, quote in quotes.items()}

    problems = judge()
    if any(problems.values()) and clock.refresh():
        problems = judge()
    return problems


def disagreement_words(first: Quote, second: Quote | None) -> str:
    """Return the warning two sources' prices deserve, "" where they agree or only one has one."""
    if second is None:
        return ""
    apart = disagreement(first.price, second.price)
    limit = settings.runtime_value("provider_disagreement")
    if apart <= limit:
        return ""
    return (
        f"{first.source} says {plain_decimal(first.price)}, {second.source} {plain_decimal(second.price)}:"
        f" {apart * HUNDRED:.1f} % apart, more than {limit * HUNDRED:.1f} %"
    )


def take_fallback(cycle_id: UUID, wanted: int, *, share: int) -> int:
    """Take requests to the slow source from the cycle's budget; return how many were left, at most ``wanted``.

    All tasks of a cycle draw on the same 30. Where Redis is away each has its ``share``.
    """
    key = f"{PREFIX}:fallback:{cycle_id}"
    try:
        client = redis_client()
        taken = int(client.incrby(key, wanted))
        client.expire(key, FALLBACK_SHARE_SECONDS)
    except redis.RedisError:
        return min(wanted, share)
    return max(0, min(wanted, FALLBACK_QUOTES_PER_CYCLE - (taken - wanted)))
