"""Headlines of a cycle: by symbol and by keyword, from all sources, each story once."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from django.utils import timezone

from connectors.abreast import ask_abreast
from connectors.base import Headline, NewsSource
from connectors.errors import ConnectorError, HeldBackError
from connectors.rows import unreadable_of
from trading.core import cycle_log, settings
from trading.core.providers import current_providers
from trading.core.repeated_reads import read_repeatedly
from trading.core.statements.message import Message
from trading.domain.news import Story, in_turn, merged
from trading.domain.statuses import CycleStage
from trading.domain.symbols import is_coin
from trading.market.market_time import market_now
from trading.models import Cycle, Position, Strategy

LOOKBACK = timedelta(hours=24)
MAX_HEADLINES = 100
# A source with one request a symbol is asked about so many in a cycle; the others' turn comes.
SYMBOLS_ASKED_ONE_BY_ONE = 10
ONE_BY_ONE = frozenset({"finnhub"})


def active_keywords() -> tuple[str, ...]:
    """Return the keywords of the strategies that trade; a shadow sees what is fetched for those."""
    active = Strategy.objects.trading()
    return tuple(dict.fromkeys(word for strategy in active for word in strategy.keywords))


def fetch_headlines(cycle_id: UUID, symbols: Sequence[str], keywords: Sequence[str] = ()) -> int:
    """Store the cycle's headlines; return how many. A source that fails is in the cycle's errors.

    Args:
        keywords: besides those of the active strategies.
    """
    began = timezone.now()
    cycle = Cycle.objects.get(pk=cycle_id)
    until = market_now() or began
    words = tuple(dict.fromkeys((*keywords, *active_keywords())))
    stories = _stories(cycle, symbols, words, until)
    rows = [_row(story) for story in merged(stories)[:MAX_HEADLINES]]
    stored = Message()
    stored.update(Cycle.objects.filter(pk=cycle_id, stage=CycleStage.FETCHING), {"headlines": rows})
    seconds = cycle_log.seconds_since(began)
    cycle_log.record_step(cycle_id, "news", stored, count=len(rows), seconds=seconds)
    return len(rows)


def _asked(cycle: Cycle, source: NewsSource, symbols: Sequence[str]) -> list[str]:
    if source.name not in ONE_BY_ONE:
        return list(symbols)
    stocks = [symbol for symbol in symbols if not is_coin(symbol)]
    held = Position.objects.filter(symbol__in=stocks).values_list("symbol", flat=True)
    return in_turn(stocks, held, SYMBOLS_ASKED_ONE_BY_ONE, cycle.ordinal)


def _stories(cycle: Cycle, symbols: Sequence[str], keywords: Sequence[str], until: datetime) -> list[Story]:
    """Ask all sources at the same time, each with all the time that the fetch has; none waits for another."""
    seconds, retries = settings.seconds("fetch_timeout"), settings.retries()
    asked = [(source, _asked(cycle, source, symbols)) for source in current_providers().news]

    def ask(one: tuple[NewsSource, list[str]]) -> Sequence[Headline]:
        source, chosen = one

        def read(_: float) -> Sequence[Headline] | HeldBackError:
            try:
                return source.headlines(chosen, since=until - LOOKBACK, until=until, keywords=keywords)
            except HeldBackError as error:  # our own limit is used up: a cycle waits for no headline's turn
                return error

        found = read_repeatedly(read, within_seconds=seconds, retries=retries)
        if isinstance(found, HeldBackError):
            raise found
        return found

    answers = ask_abreast(ask, asked, at_once=len(asked) or 1)
    found: list[Story] = []
    for (source, _), answer in zip(asked, answers, strict=True):
        if isinstance(answer, ConnectorError):
            cycle_log.record_error(cycle.pk, operation=f"fetch_news {source.name}", error=answer)
            continue
        if isinstance(answer, Exception):
            raise answer
        cycle_log.record_unreadable(cycle.pk, operation=f"news of {source.name}", rows=unreadable_of(answer))
        found += [_story(item) for item in answer]
    return found


def _story(item: Headline) -> Story:
    return Story(
        title=item.title,
        sources=(item.source,),
        symbols=item.symbols,
        keywords=item.keywords,
        published_at=item.published_at,
    )


def _row(story: Story) -> dict[str, object]:
    return {
        "source": ", ".join(story.sources),
        "symbols": list(story.symbols),
        "keywords": list(story.keywords),
        "title": story.title,
        "published_at": story.published_at.isoformat(),
    }
