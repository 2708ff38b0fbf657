"""The guards as they stand: read from what is stored, in a number of statements that hangs on nothing.

Nothing is kept in memory: whoever starts anew finds the same. The rules are ``trading.domain.guards``.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from django.db.models import F, Max, Window

from risk.domain.numbers import HUNDRED
from risk.domain.reasons import DenyReason
from risk.domain.types import Block, EntryRate
from trading.domain.guards import rules
from trading.domain.guards.facts import Entry, Facts, Fall, Sale
from trading.domain.guards.rules import GuardBlock, Rules
from trading.domain.order_ids import Purpose
from trading.domain.performance.exit_reasons import ExitReason, exit_reason
from trading.errors import SettingError
from trading.market.market_time import Reading
from trading.models import EquitySnapshot, SymbolLock, Trade

# What counts as a stop-loss, whoever watched it: the broker's order, or this program.
STOPS = frozenset({ExitReason.STOP_LOSS, ExitReason.TRAILING_STOP})
TRADE_COLUMNS = (
    "symbol",
    "side",
    "traded_at",
    "realised_pnl",
    "quantity",
    "price",
    "order__purpose",
    "exit_reason",
)
TradeRow = tuple[str, str, datetime, Decimal | None, Decimal, Decimal, str, str]


@dataclass(frozen=True, slots=True)
class Guards:
    """What the guards block now: entries by symbol (None: of every symbol), and sales that a model decides.

    ``rates`` are how many entries there were, which the gate bounds with those under way.
    """

    entries: Mapping[str | None, GuardBlock] = field(default_factory=dict)
    holds: Mapping[str, GuardBlock] = field(default_factory=dict)
    rates: tuple[EntryRate, ...] = ()

    def block_of(self, symbol: str, *, is_exit: bool) -> Block | None:
        """Return what a guard has against an order that a model decided; None: nothing."""
        if is_exit:
            found = self.holds.get(symbol)
        else:  # what is said of the symbol itself comes first: it tells a person more
            found = self.entries.get(symbol) or self.entries.get(None)
        return Block(found.guard, found.detail, found.figures) if found else None


NO_GUARDS = Guards()


def read_fall(values: Mapping[str, Decimal], market: Reading | None) -> Fall | None:
    """Return the last moment at which equity was too far below its highest of the look-back; None: it never was.

    May be read before the book's lock: no order that waits for it moves the equity of the past.
    """
    try:
        percent, span = (
            values["max_drawdown_guard_percent"],
            Rules(values).span("max_drawdown_guard_lookback"),
        )
    except SettingError:  # ``read_guards`` says so
        return None
    if market is None or not percent:
        return None
    lately = EquitySnapshot.objects.filter(
        market_time__gt=market.now - span, market_time__lt=market.now + span, equity__gt=0
    )
    highest = Window(Max("equity"), order_by=F("market_time").asc())
    low = lately.annotate(peak=highest).filter(equity__lte=F("peak") * (HUNDRED - percent) / HUNDRED)
    row = low.order_by("-market_time").values_list("peak", "equity", "market_time").first()
    return Fall(*row) if row else None


def read_guards(
    values: Mapping[str, Decimal],
    market: Reading | None,
    fall: Fall | None,
    locks: Iterable[SymbolLock] | None = None,
) -> Guards:
    """Read what the guards block: two statements, whatever the tables hold.

    Call while holding the book's lock, after the reservations were read: an entry then counts as under way, as
    booked, or as both, never as neither. Where market time is not known the gate lets nothing pass anyway. A setting
    that cannot be read blocks entries until it is put right, and no exit.

    Args:
        values: the settings ``rules.SETTINGS`` by name.
        fall: as ``read_fall`` has returned it.
        locks: as ``read_facts`` takes them.
    """
    if market is None:
        return NO_GUARDS
    try:
        limits = read_rules(values)
    except SettingError as error:
        return Guards(entries={None: _unreadable(error, market.now)})
    facts = read_facts(limits, market, fall, locks)
    return Guards(
        entries=_first(rules.entry_blocks(limits, facts)),
        holds={block.symbol or "": block for block in rules.hold_blocks(limits, facts)},
        rates=rules.entry_rates(limits, facts),
    )


def read_rules(values: Mapping[str, Decimal]) -> Rules:
    """Return the rules of settings that may not have been understood yet.

    Raises:
        SettingError: one of them is none of its values.
    """
    return Rules({name: values[name] for name in rules.SETTINGS})


def read_facts(
    limits: Rules, market: Reading, fall: Fall | None, locks: Iterable[SymbolLock] | None = None
) -> Facts:
    """Read what the rules judge by.

    Args:
        locks: those that nobody has ended, where the caller has just read them.
    """
    since, until = market.now - limits.look_back, market.now + limits.look_back
    lately = Trade.objects.filter(traded_at__gt=since, traded_at__lt=until)
    rows = list(lately.order_by().values_list(*TRADE_COLUMNS))
    known = SymbolLock.objects.in_force(market.now) if locks is None else locks
    holding = [lock for lock in known if lock.is_in_force(market.now)]
    return facts_of(rows, holding, market.now, fall)


def facts_of(
    rows: Iterable[TradeRow], locks: Iterable[SymbolLock], now: datetime, fall: Fall | None = None
) -> Facts:
    """Return what the rules judge by, of rows that were read.

    Args:
        rows: the trades of the look-back, ``TRADE_COLUMNS`` of each.
        locks: those in force at ``now``, market time.
    """
    trades = list(rows)
    return Facts(
        now=now,
        sales=tuple(_sale(row) for row in trades if row[1] == "sell"),
        entries=tuple(Entry(row[0], row[2]) for row in trades if row[1] == "buy" and row[6] == Purpose.ENTRY),
        fall=fall,
        locks=tuple(lock.as_fact for lock in locks),
    )


def _unreadable(error: SettingError, now: datetime) -> GuardBlock:
    """Return what blocks every entry, and no exit, while a guard's setting cannot be read."""
    return GuardBlock(DenyReason.INVALID_FIGURES, None, now, None, str(error), {"setting": str(error)})


def _sale(row: TradeRow) -> Sale:
    symbol, side, at, profit, quantity, price, purpose, said = row
    is_stop = exit_reason(side=side, purpose=purpose, said=said) in STOPS
    return Sale(symbol, at, is_stop, profit, quantity * price)


def _first(blocks: Iterable[GuardBlock]) -> dict[str | None, GuardBlock]:
    found: dict[str | None, GuardBlock] = {}
    for block in blocks:
        found.setdefault(block.symbol, block)
    return found
