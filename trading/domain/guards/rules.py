"""The guards: facts in, what is blocked and until when out. Each says its own; the gate takes the first that applies.

The settings carry the names of freqtrade's protections: ``cooldown_period`` is CooldownPeriod, ``stoploss_guard_…``
StoplossGuard, ``max_drawdown_guard_…`` MaxDrawdown on equity, ``low_profit_…`` LowProfitPairs. Times are market time.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from risk.domain.numbers import HUNDRED, plain_decimal
from risk.domain.reasons import DenyReason
from risk.domain.types import EntryRate
from trading.domain.guards.facts import Entry, Facts, Lock, Sale
from trading.domain.guards.settings import GUARD_SETTINGS

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
# A setting of 0 switches its guard off.
SWITCHES = (
    "cooldown_period",
    "minimum_hold",
    "entries_per_hour",
    "entries_per_day",
    "stoploss_guard_limit",
    "max_drawdown_guard_percent",
    "low_profit_limit",
)
SETTINGS = tuple(row[0] for row in GUARD_SETTINGS)
ALL_OFF: Mapping[str, str] = dict.fromkeys(SWITCHES, "0")


@dataclass(frozen=True, slots=True)
class GuardBlock:
    """What a guard blocks, and until when.

    Args:
        guard: which one; the gate denies with this reason.
        symbol: what it blocks; None: every symbol.
        since: market time of what it follows; of a lock the wall time at which it was made.
        until: market time at which it ends; None: when a person ends it.
        detail: a sentence for a person.
        figures: what it was concluded from.
    """

    guard: DenyReason
    symbol: str | None
    since: datetime
    until: datetime | None
    detail: str
    figures: Mapping[str, str]

    @property
    def blocks(self) -> str:
        """What it keeps from the broker, in words."""
        return "the model's own sale" if self.guard is DenyReason.MINIMUM_HOLD else "entries"


@dataclass(frozen=True, slots=True)
class Rules:
    """The guards' settings; a length of zero, and a count or percentage of 0, switch a guard off."""

    values: Mapping[str, Decimal]

    def span(self, name: str) -> timedelta:
        """Return a setting in seconds as a length of time."""
        return timedelta(seconds=float(self.values[name]))

    def number(self, name: str) -> int:
        """Return a setting that is a count."""
        return int(self.values[name])

    def percent(self, name: str) -> Decimal:
        """Return a setting in percent."""
        return self.values[name]

    @property
    def look_back(self) -> timedelta:
        """How far back sales and entries have to be known."""
        spans = [DAY, self.span("cooldown_period"), self.span("minimum_hold")]
        if self.number("stoploss_guard_limit"):
            spans.append(self.span("stoploss_guard_lookback") + self.span("stoploss_guard_stop_duration"))
        if self.number("low_profit_limit"):
            spans.append(self.span("low_profit_lookback") + self.span("low_profit_stop_duration"))
        return max(spans)


def entry_blocks(rules: Rules, facts: Facts) -> Iterator[GuardBlock]:
    """Yield what blocks entries now, in the order in which the gate names it; the entry rates are not among it."""
    for block in (
        *_locked(facts),
        *_cooling(rules, facts),
        *_after_stops(rules, facts),
        *_after_a_fall(rules, facts),
        *_unprofitable(rules, facts),
    ):
        if block.until is None or block.until > facts.now:
            yield block


def hold_blocks(rules: Rules, facts: Facts) -> Iterator[GuardBlock]:
    """Yield the symbols whose sale a model may not decide yet: what was bought less than ``minimum_hold`` ago."""
    hold = rules.span("minimum_hold")
    for symbol, at in _latest(facts.entries, facts.now, hold).items():
        said = f"{symbol} was bought at {_time(at)}: no sale by the model until {_time(at + hold)}"
        yield _block(DenyReason.MINIMUM_HOLD, symbol, at, at + hold, said)


def entry_rates(rules: Rules, facts: Facts) -> tuple[EntryRate, ...]:
    """Return how many entries the last hour and the last day have seen, where they are bounded."""
    spans = (
        (DenyReason.ENTRIES_PER_HOUR, HOUR, rules.number("entries_per_hour")),
        (DenyReason.ENTRIES_PER_DAY, DAY, rules.number("entries_per_day")),
    )
    return tuple(_rate(reason, span, most, facts) for reason, span, most in spans if most)


def _rate(reason: DenyReason, span: timedelta, most: int, facts: Facts) -> EntryRate:
    times = sorted((entry.at for entry in facts.entries if _within(entry.at, facts.now, span)), reverse=True)
    frees_at = times[most - 1] + span if len(times) >= most else None
    return EntryRate(reason, len(times), most, frees_at)


def _locked(facts: Facts) -> Iterator[GuardBlock]:
    for lock in facts.locks:
        yield _block(DenyReason.SYMBOL_LOCKED, lock.symbol, lock.since, lock.until, lock_words(lock))


def lock_words(lock: Lock) -> str:
    """Return a lock in a sentence."""
    until = f"until {_time(lock.until)}" if lock.until else "until it is unlocked"
    why = f": {lock.reason}" if lock.reason else ""
    return f"{lock.symbol} is locked by {lock.author} {until}{why}"


def _cooling(rules: Rules, facts: Facts) -> Iterator[GuardBlock]:
    period = rules.span("cooldown_period")
    for symbol, at in _latest(facts.sales, facts.now, period).items():
        said = f"{symbol} was sold at {_time(at)}: no entry until {_time(at + period)}"
        yield _block(DenyReason.COOLDOWN_PERIOD, symbol, at, at + period, said)


def _after_stops(rules: Rules, facts: Facts) -> Iterator[GuardBlock]:
    """Block every entry after so many losing stops within the look-back, from the last of them on."""
    limit, duration = rules.number("stoploss_guard_limit"), rules.span("stoploss_guard_stop_duration")
    if not limit:
        return
    stops = [sale for sale in facts.sales if sale.is_stop and (sale.profit is None or sale.profit < 0)]
    window = rules.span("stoploss_guard_lookback")
    streak = _last_streak(stops, limit, window, facts.now, window + duration)
    if streak is None:
        return
    last = streak[-1].at
    symbols = ", ".join(dict.fromkeys(sale.symbol for sale in streak))
    said = (
        f"{len(streak)} stop-losses until {_time(last)} ({symbols}): no entry until {_time(last + duration)}"
    )
    yield _block(
        DenyReason.STOPLOSS_GUARD,
        None,
        last,
        last + duration,
        said,
        stops=str(len(streak)),
        limit=str(limit),
        symbols=symbols,
    )


def _last_streak(
    sales: Iterable[Sale], limit: int, window: timedelta, now: datetime, longest: timedelta
) -> list[Sale] | None:
    """Return the newest ``limit`` or more sales that lie within one window; None: so many never did."""
    ordered = sorted((sale for sale in sales if _within(sale.at, now, longest)), key=lambda sale: sale.at)
    for end in range(len(ordered), limit - 1, -1):
        last = ordered[end - 1].at
        together = [sale for sale in ordered[:end] if last - sale.at < window]
        if len(together) >= limit:
            return together
    return None


def _after_a_fall(rules: Rules, facts: Facts) -> Iterator[GuardBlock]:
    fall, most = facts.fall, rules.percent("max_drawdown_guard_percent")
    if fall is None or not most or fall.percent < most:
        return
    until = fall.at + rules.span("max_drawdown_guard_stop_duration")
    said = (
        f"equity was {fall.percent:.1f} % below its highest of {fall.peak:,.2f} USD at {_time(fall.at)}:"
        f" no entry until {_time(until)}, later while it stays so low"
    )
    yield _block(
        DenyReason.MAX_DRAWDOWN_GUARD,
        None,
        fall.at,
        until,
        said,
        drawdown_percent=f"{fall.percent:.4f}",
        max_drawdown_percent=plain_decimal(most),
        peak_equity=plain_decimal(fall.peak),
        equity=plain_decimal(fall.equity),
    )


def _unprofitable(rules: Rules, facts: Facts) -> Iterator[GuardBlock]:
    """Block the symbols whose sales within the look-back brought less than required, from the last sale on."""
    limit, window = rules.number("low_profit_limit"), rules.span("low_profit_lookback")
    duration = rules.span("low_profit_stop_duration")
    required = rules.percent("low_profit_required_percent")
    by_symbol: dict[str, list[Sale]] = {}
    for sale in facts.sales if limit else ():
        if sale.profit_ratio is not None:
            by_symbol.setdefault(sale.symbol, []).append(sale)
    for symbol, sales in by_symbol.items():
        streak = _last_streak(sales, limit, window, facts.now, window + duration)
        if streak is None:
            continue
        profit = sum((sale.profit_ratio or Decimal(0) for sale in streak), Decimal(0)) * HUNDRED
        if profit >= required:
            continue
        last = streak[-1].at
        said = (
            f"{len(streak)} sales of {symbol} until {_time(last)} brought {profit:+.2f} %, less than"
            f" {plain_decimal(required)} %: no entry until {_time(last + duration)}"
        )
        figures = {"sales": str(len(streak)), "profit_percent": f"{profit:.4f}"}
        figures["required_percent"] = plain_decimal(required)
        yield _block(DenyReason.LOW_PROFIT_SYMBOL, symbol, last, last + duration, said, **figures)


def _within(at: datetime, now: datetime, span: timedelta) -> bool:
    """Return whether something is less than a span from now; in the future too: two clocks may differ a little."""
    return abs(now - at) < span


def _latest(rows: Iterable[Sale | Entry], now: datetime, span: timedelta) -> dict[str, datetime]:
    """Return when each symbol's latest row within a span of now was, by symbol."""
    latest: dict[str, datetime] = {}
    for row in rows:
        if _within(row.at, now, span):
            latest[row.symbol] = max(row.at, latest.get(row.symbol, row.at))
    return latest


def _block(
    guard: DenyReason,
    symbol: str | None,
    since: datetime,
    until: datetime | None,
    detail: str,
    **figures: str,
) -> GuardBlock:
    times = {"blocked_since": since.isoformat(), "blocked_until": until.isoformat() if until else "unlocked"}
    return GuardBlock(guard, symbol, since, until, detail, {**figures, **times})


def _time(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}" if moment else "-"
