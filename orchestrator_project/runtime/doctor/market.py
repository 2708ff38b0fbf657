"""The outside world: broker, account, prices, news, and whether its time agrees with ours."""

import json
import urllib.error
import urllib.request
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from django.conf import settings as django_settings
from django.db import connection
from django.utils import timezone

from connectors.base import Account, QuoteSource
from connectors.errors import ConnectorError, RejectedError
from orchestrator_project.runtime.doctor.finding import START, Answer, Check, Status, failed, off, ok, warning
from risk.domain.numbers import plain_decimal
from trading.core import settings
from trading.core.provider_health import in_words, provider_health
from trading.core.providers import ALPACA_TRADING, current_providers, venue_file
from trading.domain.ages import is_fresh
from trading.errors import NotConfiguredError
from trading.market import clock_watch
from trading.models import AgentStatus, Asset

ACTIVE = "ACTIVE"
STOCK, COIN = "AAPL", "BTC/USD"
NEWS_WINDOW = timedelta(days=1)
SKEW_WARNING_SECONDS = 2.0
STEP_REMEMBERED = timedelta(days=1)
SKEW_FAILED_SECONDS = 60.0
HTTP_SECONDS = 4.0
# As the adapters ask: the address was checked by environment.py, and no proxy is used.
DIRECTLY = urllib.request.build_opener(urllib.request.ProxyHandler({}))
BEGIN_ANEW = "begin anew: set ORCHESTRATOR_HOME (and DATABASE_URL, if you use it) to another place"


def broker() -> Answer:
    """Ask the broker for the account."""
    try:
        providers = current_providers()
        account = providers.broker.account()
    except NotConfiguredError as error:
        return _not_configured(error)
    except ConnectorError as error:
        return failed(str(error), _broker_remedy(error))
    words = f"{providers.world}, account {account.account_id}, equity {account.equity:,.2f} USD"
    if account.status.upper() != ACTIVE:
        return failed(f"{words}: its status is {account.status}", "have the account activated by the broker")
    if account.trading_blocked:
        return failed(f"{words}: trading is blocked", "ask the broker why, and have the block lifted")
    return ok(words)


def account() -> Answer:
    """Compare the broker's account with the one this database belongs to."""
    agent = AgentStatus.objects.filter(pk=1).first()
    reported = current_providers().broker.account()
    if agent is None or not agent.account_id:
        return ok("this database belongs to no account yet: the first sync ties it to this one")
    if agent.account_id == reported.account_id:
        return ok(f"this database belongs to it ({agent.world})")
    return failed(_mismatch(agent, reported), f"start with the settings of that account, or {BEGIN_ANEW}")


def prices() -> Answer:
    """Fetch one price of each class and tell its age in market time."""
    providers = current_providers()
    clock = providers.broker.clock()
    limit = settings.seconds("price_max_age")
    answers = [
        _price(providers.stock_quotes[:1], _symbol("stock", STOCK), clock.now, limit, trades=clock.is_open),
        _price(providers.coin_quotes[:1], _symbol("crypto", COIN), clock.now, limit, trades=True),
    ]
    worst = next((s for s in (Status.FAILED, Status.WARNING) if s in {a.status for a in answers}), Status.OK)
    remedies = dict.fromkeys(answer.remedy for answer in answers if answer.remedy)
    return Answer(worst, "; ".join(answer.found for answer in answers), "; ".join(remedies))


def news() -> Answer:
    """Fetch headlines of the last day; a cycle runs without them."""
    providers = current_providers()
    now = providers.broker.clock().now
    symbol = _symbol("stock", STOCK)
    source = providers.news[0]
    try:
        found = source.headlines([symbol], since=now - NEWS_WINDOW, until=now)
    except ConnectorError as error:
        return warning(str(error), "cycles go on without headlines; check the provider and its address")
    return ok(f"{len(found)} headlines on {symbol} within a day, from {source.name}")


def finnhub() -> Answer:
    """Ask the second source of stock prices, where there is one."""
    return _second_source("stock_quotes", _symbol("stock", STOCK), "FINNHUB_API_KEY")


def coingecko() -> Answer:
    """Ask the second source of coin prices."""
    return _second_source("coin_quotes", COIN, "COINGECKO_URL and COINGECKO_API_KEY")


def providers() -> Answer:
    """Tell what is left of each provider's limit, and whose breaker is open or who asked to wait."""
    health = provider_health()
    if health.problem:
        return warning(health.problem, "see the line of the queue: limits are kept where it is")
    words = "; ".join(in_words(line) for line in health.lines)
    if not health.troubled:
        return ok(words)
    names = " and ".join(line.provider for line in health.troubled)
    return warning(words, f"nothing to do for {names}: asked again by itself; docs/market-data.md")


def clock() -> Answer:
    """Compare our time with the broker's, or with the database's where the market is simulated."""
    if django_settings.ENVIRONMENT.venue_enabled:
        with connection.cursor() as cursor:
            before = timezone.now()
            cursor.execute("SELECT clock_timestamp()")
            return _skew(cursor.fetchone()[0], before, resolution=timedelta(0), whose="the database")
    address = django_settings.ENVIRONMENT.alpaca_trading_url or ALPACA_TRADING
    before = timezone.now()
    said = _http_date(f"{address}/v2/clock")
    if said is None:
        return warning(f"{address} tells no time", "compare this machine's time with a time server")
    return _skew(said, before, resolution=timedelta(seconds=1), whose="the broker")


def clock_steps() -> Answer:
    """Tell the last step of a clock that the sweeper noticed."""
    last = clock_watch.last_step()
    if last is None:
        return ok("none was noticed")
    facts = last.payload
    words = (
        f"the {facts['clock']}'s clock stepped by {facts['by_seconds']:+.1f} s at {facts['after'][:19]} UTC"
        f" (noticed on {facts['machine']})"
    )
    if is_fresh(last.occurred_at, timezone.now(), STEP_REMEMBERED):
        return warning(
            words, "see why it stepped (NTP, a suspended machine); docs/operations.md, The clock is off"
        )
    return ok(words)


def market_time() -> Answer:
    """Tell whether the market's time moves; the local venue can be held, and its data can end."""
    providers = current_providers()
    reported = providers.broker.clock()
    state = "open" if reported.is_open else f"closed until {reported.next_open:%Y-%m-%d %H:%M} UTC"
    words = f"{reported.now:%Y-%m-%d %H:%M:%S} UTC, stocks {state}"
    if not providers.simulated:
        return ok(words)
    facts = _venue_health()
    if facts["data_ended"]:
        return warning(f"{words}: the venue's data has ended, nothing trades any more", BEGIN_ANEW)
    if facts["paused"]:
        return warning(f"{words}: the venue's clock is held", "let it run: restart `manage.py up`")
    return ok(f"{words}, {facts['speed']:g} s a second, data to {facts['data_end'][:10]}")


def _not_configured(error: NotConfiguredError) -> Answer:
    if django_settings.ENVIRONMENT.venue_enabled:
        return failed("the local venue does not run", START)
    return failed("no broker is configured", str(error).partition(": ")[2])


def _broker_remedy(error: ConnectorError) -> str:
    if django_settings.ENVIRONMENT.venue_enabled:
        return "restart the system: `manage.py up`; the venue's log is venue.log in the state folder's logs"
    if isinstance(error, RejectedError):
        return "check ALPACA_API_KEY and ALPACA_SECRET_KEY: they must be a paper account's"
    return "check the network and ALPACA_TRADING_URL; cycles fail until the broker answers"


def _mismatch(agent: AgentStatus, reported: Account) -> str:
    return f"this database belongs to account {agent.account_id} ({agent.world}), the broker has {reported.account_id}"


def _symbol(asset_class: str, fallback: str) -> str:
    """Return the most traded asset of the class, which every provider should know."""
    ranked = Asset.objects.filter(asset_class=asset_class, tradable=True, dollar_volume__isnull=False)
    first = ranked.order_by("-dollar_volume", "symbol").first()
    return first.symbol if first else fallback


def _price(
    sources: Sequence[QuoteSource], symbol: str, now: datetime, limit_seconds: float, *, trades: bool
) -> Answer:
    remedy = "decisions are denied without a price; check the provider and ALPACA_DATA_URL"
    try:
        quote = sources[0].quotes([symbol]).get(symbol)
    except ConnectorError as error:
        return failed(str(error), remedy)
    if quote is None:
        return failed(f"no price of {symbol} from {sources[0].name}", remedy)
    age = (now - quote.quoted_at).total_seconds()
    words = f"{symbol} {plain_decimal(quote.price)} from {quote.source}, {age:.0f} s old"
    if -limit_seconds <= age <= limit_seconds:  # as the gate judges
        return ok(words)
    if not trades:
        return ok(f"{words} (market closed)")
    return warning(
        f"{words}, more than price_max_age ({limit_seconds:g} s)",
        "such prices are not traded on: look again soon",
    )


def _second_source(kind: str, symbol: str, key: str) -> Answer:
    sources: tuple[QuoteSource, ...] = getattr(current_providers(), kind)
    if len(sources) < 2:
        return off(f"no {key}")
    try:
        quote = sources[1].quotes([symbol]).get(symbol)
    except ConnectorError as error:
        return warning(str(error), f"prices missing at the broker stay missing; check {key}")
    if quote is None:
        return warning(f"no price of {symbol}", "prices missing at the broker stay missing")
    return ok(f"{symbol} {plain_decimal(quote.price)}")


def _skew(theirs: datetime, before: datetime, *, resolution: timedelta, whose: str) -> Answer:
    """Judge the distance between their time and the span in which they reported it."""
    after = timezone.now()
    seconds = max(0.0, (before - theirs - resolution).total_seconds(), (theirs - after).total_seconds())
    words = f"{seconds:.1f} s apart from {whose}"
    remedy = "set this machine's time (NTP): leases, deadlines and schedules run by it"
    if seconds >= SKEW_FAILED_SECONDS:
        return failed(words, remedy)
    return warning(words, remedy) if seconds >= SKEW_WARNING_SECONDS else ok(words)


def _http_date(url: str) -> datetime | None:
    """Return the Date header of an answer, whatever its status."""
    try:
        with DIRECTLY.open(url, timeout=HTTP_SECONDS) as reply:
            said = reply.headers.get("Date")
    except urllib.error.HTTPError as error:
        said = error.headers.get("Date")
    except OSError:
        return None
    return parsedate_to_datetime(said).astimezone(UTC) if said else None


def _venue_health() -> dict[str, Any]:
    url = json.loads(venue_file().read_text())["url"]
    with DIRECTLY.open(f"{url}/venue/health", timeout=HTTP_SECONDS) as reply:
        return dict(json.loads(reply.read()))


CHECKS = (
    Check("broker", broker, needs=("migrations",)),
    Check("account", account, needs=("broker",)),
    Check("market time", market_time, needs=("broker",)),
    Check("prices", prices, needs=("broker",)),
    Check("news", news, needs=("broker",), late=Status.WARNING),
    Check("finnhub", finnhub, needs=("broker",), late=Status.WARNING),
    Check("coingecko", coingecko, needs=("broker",), late=Status.WARNING),
    Check("providers", providers, needs=("broker",), late=Status.WARNING),
    Check("clock", clock, needs=("database",)),
    Check("clock steps", clock_steps, needs=("migrations",)),
)
