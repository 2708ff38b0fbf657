"""What is blocked now, by which guard and until when: for the dashboard, REST and the command, in one place."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from risk.domain.reasons import DenyReason
from risk.domain.types import EntryRate
from risk.services import book
from trading.core import settings
from trading.domain.guards import rules
from trading.domain.guards.rules import GuardBlock
from trading.errors import SettingError
from trading.guards.pause import EntriesPause, entries_pause
from trading.guards.standing import TradeRow, facts_of, read_facts, read_fall, read_rules
from trading.market.market_time import latest_reading
from trading.models import AgentStatus, SymbolLock


@dataclass(frozen=True, slots=True)
class GuardLine:
    """One thing that is blocked.

    Args:
        guard: the reason that a decision is denied with.
        symbol: what is blocked; "" for every symbol.
        blocks: ``entries``, or ``the model's own sale``.
        until: market time at which it ends; None: when a person ends it, or as ``detail`` says.
    """

    guard: str
    symbol: str
    blocks: str
    until: datetime | None
    detail: str


@dataclass(frozen=True, slots=True)
class GuardReport:
    """Whether a person paused entries, and what the guards block at ``market_time``, None where that is not known.

    ``values`` are the guards' settings in force, by name.
    """

    pause: EntriesPause
    market_time: datetime | None
    lines: tuple[GuardLine, ...]
    values: dict[str, str]


def guard_report(
    agent: AgentStatus | None = None,
    *,
    locks: Sequence[SymbolLock] | None = None,
    reserved: book.Reserved | None = None,
) -> GuardReport:
    """Read it, by market time as last read: a few statements, whatever the tables hold.

    Args:
        agent: its row where the caller has just read it; ``locks``, those that nobody has ended, and ``reserved`` too.
    """
    agent = agent or AgentStatus.objects.filter(pk=1).first() or AgentStatus()
    reading = latest_reading(agent)
    values = settings.AsNeeded(*rules.SETTINGS)
    stands, now = entries_pause(agent), reading.now if reading else None
    try:
        limits = read_rules(values)
    except SettingError as error:
        broken = GuardLine(DenyReason.INVALID_FIGURES, "", "entries", None, str(error))
        return GuardReport(stands, now, (broken, *_locks(now)), {})
    numbers = {name: f"{limits.values[name]:f}" for name in rules.SETTINGS}
    if reading is None:
        return GuardReport(stands, now, tuple(_locks(now)), numbers)
    facts = read_facts(limits, reading, read_fall(values, reading), locks)
    blocks = (*rules.entry_blocks(limits, facts), *rules.hold_blocks(limits, facts))
    under_way = book.reserved_by_symbol() if reserved is None else reserved.by_symbol
    used_up = _used_up(rules.entry_rates(limits, facts), len(under_way))
    return GuardReport(stands, now, (*map(_line, blocks), *used_up), numbers)


def guards_of_symbol(
    agent: AgentStatus, trades: Sequence[TradeRow], locks: Sequence[SymbolLock]
) -> tuple[GuardLine, ...]:
    """Return what is blocked of one symbol by what happened to it, by market time as last read.

    What blocks every symbol is in ``guard_report``.

    Args:
        trades: those of the symbol, as ``TRADE_COLUMNS`` has them; what is before the look-back does not count.
        locks: those on it that are in force.
    """
    reading = latest_reading(agent)
    now = reading.now if reading else None
    try:
        limits = read_rules(settings.AsNeeded(*rules.SETTINGS))
    except SettingError as error:
        broken = GuardLine(DenyReason.INVALID_FIGURES, "", "entries", None, str(error))
        return (broken, *map(_lock_line, locks))
    if now is None:
        return tuple(map(_lock_line, locks))
    lately = [row for row in trades if abs(row[2] - now) < limits.look_back]
    facts = facts_of(lately, locks, now)
    blocks = (*rules.entry_blocks(limits, facts), *rules.hold_blocks(limits, facts))
    return tuple(_line(block) for block in blocks)


def _locks(now: datetime | None) -> Iterator[GuardLine]:
    yield from map(_lock_line, SymbolLock.objects.in_force(now))


def _lock_line(lock: SymbolLock) -> GuardLine:
    said = rules.lock_words(lock.as_fact)
    return GuardLine(DenyReason.SYMBOL_LOCKED, lock.symbol, "entries", lock.until, said)


def _line(block: GuardBlock) -> GuardLine:
    return GuardLine(block.guard, block.symbol or "", block.blocks, block.until, block.detail)


def _used_up(rates: tuple[EntryRate, ...], under_way: int) -> Iterator[GuardLine]:
    for rate in rates:
        entries = rate.entries + under_way
        if entries >= rate.most:
            said = f"{entries} entries of at most {rate.most}, {under_way} of them under way"
            yield GuardLine(rate.reason, "", "entries", rate.frees_at, said)
