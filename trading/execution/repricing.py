"""A fresh price for a decision that a person is about to answer: asked at the click, stored when it counts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import monotonic
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from connectors.base import Quote, QuoteSource
from connectors.errors import ConnectorError
from trading.core import transitions
from trading.core.providers import current_providers
from trading.domain.symbols import is_coin
from trading.errors import NotConfiguredError
from trading.market.prices import MarketClockReader, time_problems
from trading.models import MarketSnapshot

BUDGET_SECONDS = (
    5.0  # the adapters' own total for one request: a source that hangs leaves no time for the next
)
AGGREGATE = "market_snapshot"


@dataclass(frozen=True, slots=True)
class FreshQuotes:
    """Prices by symbol, and why there is none for the others."""

    quotes: Mapping[str, Quote]
    problems: tuple[str, ...]


def fresh_quotes(symbols: Sequence[str]) -> FreshQuotes:
    """Ask the sources in their order for the prices of now; no source is begun after five seconds."""
    try:
        providers = current_providers()
    except NotConfiguredError as error:
        return FreshQuotes({}, (str(error),))
    give_up_at = monotonic() + BUDGET_SECONDS
    stocks = [symbol for symbol in symbols if not is_coin(symbol)]
    coins = [symbol for symbol in symbols if is_coin(symbol)]
    found: dict[str, Quote] = {}
    problems: list[str] = []
    clock = MarketClockReader(providers.broker)
    for wanted, sources in ((stocks, providers.stock_quotes), (coins, providers.coin_quotes)):
        _ask(wanted, sources, give_up_at, found, problems, clock)
    return FreshQuotes(found, tuple(problems))


def _ask(
    wanted: Sequence[str],
    sources: Sequence[QuoteSource],
    give_up_at: float,
    found: dict[str, Quote],
    problems: list[str],
    clock: MarketClockReader,
) -> None:
    for source in sources:
        missing = [symbol for symbol in wanted if symbol not in found]
        if not missing or monotonic() >= give_up_at:
            break
        try:
            quotes = source.quotes(missing, within_seconds=give_up_at - monotonic())
        except ConnectorError as error:
            problems.append(f"{source.name}: {error}")
            continue
        for symbol, problem in time_problems(quotes, clock).items():
            if problem:
                problems.append(f"{source.name}: the price of {symbol} is {problem}")
            else:
                found[symbol] = quotes[symbol]


def store_quote(cycle_id: UUID, quote: Quote) -> None:
    """Make ``quote`` the price that the cycle's snapshot of its symbol shows, unless that is newer.

    A cycle has one snapshot per symbol. What it showed before, which is what its decisions saw, is kept
    in an event. Call in the transaction of the answer.
    """
    now = timezone.now()
    newer: dict[str, object] = {
        "price": quote.price,
        "source": quote.source,
        "quoted_at": quote.quoted_at,
        "fetched_at": now,
    }
    if quote.previous_close is not None:
        newer["previous_close"] = quote.previous_close
    with transaction.atomic():
        row, created = MarketSnapshot.objects.get_or_create(
            cycle_id=cycle_id,
            symbol=quote.symbol,
            defaults=newer,
        )
        if created:
            return
        before = MarketSnapshot.objects.select_for_update().get(pk=row.pk)
        if before.quoted_at >= quote.quoted_at:
            return
        MarketSnapshot.objects.filter(pk=row.pk).update(**newer)
        transitions.append_event(
            aggregate_type=AGGREGATE,
            aggregate_id=str(row.pk),
            event_type=f"{AGGREGATE}.repriced",
            payload={
                "symbol": quote.symbol,
                "from": str(before.price),
                "to": str(quote.price),
                "source": before.source,
                "quoted_at": before.quoted_at.isoformat(),
                "fetched_at": before.fetched_at.isoformat(),
            },
            cycle_id=cycle_id,
        )
