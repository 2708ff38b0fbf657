"""Each guard: what it blocks, from when, until when; and what it leaves alone."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from risk.domain.blocks import OF_ENTRIES
from trading.domain.guards.facts import Entry, Facts, Fall, Lock, Sale
from trading.domain.guards.rules import (
    ALL_OFF,
    SETTINGS,
    GuardBlock,
    Rules,
    entry_blocks,
    entry_rates,
    hold_blocks,
)
from trading.domain.runtime_settings import NUMBERS

NOW = datetime(2020, 10, 15, 18, 0, tzinfo=UTC)
EVERYTHING_ON = {name: NUMBERS[name].default for name in SETTINGS}
OFF = EVERYTHING_ON | {name: Decimal(value) for name, value in ALL_OFF.items()}


def only(**values: int) -> Rules:
    """Return rules of which these settings alone are on."""
    return Rules(OFF | {name: Decimal(value) for name, value in values.items()})


def before(**units: float) -> datetime:
    return NOW - timedelta(**units)


def lost(symbol: str, at: datetime, **more: Any) -> Sale:
    return Sale(symbol, at, profit=Decimal(-5), proceeds=Decimal(95), **more)


def blocks(rules: Rules, **facts: Any) -> list[tuple[str, str | None, datetime | None]]:
    found: Iterator[GuardBlock] = entry_blocks(rules, Facts(NOW, **facts))
    return [(block.guard, block.symbol, block.until) for block in found]


def test_the_settings_have_defaults_that_are_on_and_the_switches_are_among_them() -> None:
    assert all(EVERYTHING_ON[name] > 0 for name in ALL_OFF)
    assert set(ALL_OFF) < set(SETTINGS)


def test_cooldown_blocks_the_symbol_from_its_sale_on_for_its_time() -> None:
    rules = only(cooldown_period=1800)
    sales = (
        lost("AAPL", before(minutes=40)),
        lost("AAPL", before(minutes=29)),
        lost("KO", before(minutes=30)),
    )

    assert blocks(rules, sales=sales) == [("cooldown_period", "AAPL", before(minutes=-1))]


def test_minimum_hold_keeps_what_was_just_bought_and_is_no_block_of_entries() -> None:
    rules = only(minimum_hold=900)
    facts = Facts(
        NOW,
        entries=(
            Entry("AAPL", before(minutes=50)),
            Entry("AAPL", before(minutes=14)),
            Entry("KO", before(minutes=15)),
        ),
    )

    held = [(block.symbol, block.until, block.blocks) for block in hold_blocks(rules, facts)]

    assert held == [("AAPL", before(minutes=-1), "the model's own sale")]
    assert list(entry_blocks(rules, facts)) == []


def test_entries_are_counted_in_the_last_hour_and_the_last_day() -> None:
    facts = Facts(NOW, entries=tuple(Entry(f"S{n}", before(minutes=25 * n)) for n in range(5)))

    hour, day = entry_rates(only(entries_per_hour=3, entries_per_day=4), facts)

    assert (hour.reason, hour.entries, hour.most, hour.frees_at) == (
        "entries_per_hour",
        3,
        3,
        before(minutes=50 - 60),
    )
    assert (day.reason, day.entries, day.most) == ("entries_per_day", 5, 4)
    assert day.frees_at == before(minutes=75 - 24 * 60)
    assert entry_rates(only(), facts) == ()


def test_stops_within_the_look_back_block_every_symbol_after_the_last_of_them() -> None:
    rules = only(stoploss_guard_limit=2, stoploss_guard_lookback=3600, stoploss_guard_stop_duration=7200)
    near = (lost("AAPL", before(minutes=130), is_stop=True), lost("KO", before(minutes=100), is_stop=True))
    apart = (lost("AAPL", before(minutes=90), is_stop=True), lost("KO", before(minutes=20), is_stop=True))

    assert blocks(rules, sales=near) == [("stoploss_guard", None, before(minutes=100 - 120))]
    assert blocks(rules, sales=apart) == []


def test_neither_other_sales_nor_stops_with_a_profit_are_a_streak() -> None:
    rules = only(stoploss_guard_limit=2)
    won = Sale("KO", before(minutes=5), is_stop=True, profit=Decimal(3), proceeds=Decimal(103))
    sales = (lost("AAPL", before(minutes=6), is_stop=True), won, lost("XOM", before(minutes=4)))

    assert blocks(rules, sales=sales) == []


def test_a_fall_blocks_every_symbol_for_its_time_after_it_was_last_so_low() -> None:
    rules = only(max_drawdown_guard_percent=10, max_drawdown_guard_stop_duration=3600)
    deep = Fall(Decimal(100_000), Decimal(90_000), before(minutes=10))
    over = Fall(Decimal(100_000), Decimal(80_000), before(minutes=60))
    slight = Fall(Decimal(100_000), Decimal("90_001"), before(minutes=10))

    assert blocks(rules, fall=deep) == [("max_drawdown_guard", None, before(minutes=-50))]
    assert blocks(rules, fall=over) == []
    assert blocks(rules, fall=slight) == []


def test_a_symbol_whose_sales_brought_too_little_is_blocked_and_no_other() -> None:
    rules = only(low_profit_limit=2, low_profit_lookback=3600, low_profit_stop_duration=7200)
    won = Sale("KO", before(minutes=8), profit=Decimal(20), proceeds=Decimal(120))
    sales = (
        lost("AAPL", before(minutes=30)),
        lost("AAPL", before(minutes=20)),
        lost("KO", before(minutes=9)),
        won,
        lost("XOM", before(minutes=5)),
    )

    assert blocks(rules, sales=sales) == [("low_profit_symbol", "AAPL", before(minutes=20 - 120))]


def test_a_lock_blocks_until_its_end_or_until_somebody_ends_it() -> None:
    until = before(hours=-1)
    locks = (
        Lock("AAPL", "earnings", "ada", before(hours=2), until),
        Lock("KO", "no", "ada", before(days=9)),
        Lock("XOM", "over", "ada", before(days=9), before(seconds=0)),
    )

    found = list(entry_blocks(only(), Facts(NOW, locks=locks)))

    assert [(block.symbol, block.until) for block in found] == [("AAPL", until), ("KO", None)]
    assert found[0].detail == "AAPL is locked by ada until 2020-10-15 19:00:00: earnings"


def test_what_another_run_of_a_replay_left_in_the_future_blocks_nothing() -> None:
    """A replay that begins anew has sales behind its time that are ahead of it."""
    rules = Rules(EVERYTHING_ON)
    ahead = before(days=-200)
    facts = Facts(
        NOW,
        sales=tuple(lost("AAPL", ahead + timedelta(minutes=n), is_stop=True) for n in range(9)),
        entries=(Entry("AAPL", ahead),),
    )
    now_too = Facts(
        NOW, (*facts.sales, lost("AAPL", before(minutes=1))), (*facts.entries, Entry("AAPL", NOW))
    )

    assert list(entry_blocks(rules, facts)) == list(hold_blocks(rules, facts)) == []
    assert [rate.entries for rate in entry_rates(rules, facts)] == [0, 0]
    assert [block.guard for block in entry_blocks(rules, now_too)] == ["cooldown_period"]
    assert [block.guard for block in hold_blocks(rules, now_too)] == ["minimum_hold"]


moments = st.integers(-3 * 86400, 86400).map(lambda seconds: NOW - timedelta(seconds=seconds))
symbols = st.sampled_from(("AAPL", "KO", "BTC/USD"))
sales = st.builds(
    Sale,
    symbols,
    moments,
    is_stop=st.booleans(),
    profit=st.none() | st.decimals(-100, 100, places=2),
    proceeds=st.decimals(0, 200, places=2),
)
falls = st.none() | st.builds(Fall, st.just(Decimal(100_000)), st.decimals(1, 100_000, places=2), moments)
everything = st.builds(
    Facts,
    now=st.just(NOW),
    sales=st.lists(sales, max_size=12).map(tuple),
    entries=st.lists(st.builds(Entry, symbols, moments), max_size=12).map(tuple),
    fall=falls,
)
some_rules = st.fixed_dictionaries(
    {
        name: st.sampled_from(
            (NUMBERS[name].minimum, NUMBERS[name].default, min(NUMBERS[name].maximum, Decimal(99_999)))
        )
        for name in SETTINGS
    }
).map(Rules)


@given(rules=some_rules, facts=everything)
def test_every_block_ends_after_now_says_why_and_a_second_look_finds_the_same(
    rules: Rules, facts: Facts
) -> None:
    found = [*entry_blocks(rules, facts), *hold_blocks(rules, facts)]

    assert found == [*entry_blocks(rules, facts), *hold_blocks(rules, facts)]
    for block in found:
        assert block.until is not None
        assert block.until > facts.now
        assert block.detail
        assert (block.guard in OF_ENTRIES) == (block.blocks == "entries")


@given(rules=some_rules, facts=everything)
def test_nothing_blocks_for_longer_than_its_time(rules: Rules, facts: Facts) -> None:
    """When the longest time of all has passed, and nothing more happened, every guard but a lock has let go."""
    longest = timedelta(days=8)
    later = Facts(facts.now + 2 * longest, facts.sales, facts.entries, facts.fall)

    assert [*entry_blocks(rules, later), *hold_blocks(rules, later)] == []


@pytest.mark.parametrize("name", ALL_OFF)
def test_each_switch_turns_its_guard_off(name: str) -> None:
    rules = Rules(EVERYTHING_ON | {name: Decimal(0)})
    facts = Facts(
        NOW,
        sales=tuple(lost("AAPL", before(minutes=n), is_stop=True) for n in range(1, 9)),
        entries=tuple(Entry("AAPL", before(minutes=n / 9)) for n in range(1, 200)),
        fall=Fall(Decimal(100), Decimal(50), before(minutes=1)),
    )
    found = {block.guard.value for block in (*entry_blocks(rules, facts), *hold_blocks(rules, facts))}
    found |= {rate.reason.value for rate in entry_rates(rules, facts) if rate.entries >= rate.most}
    guard = {
        "stoploss_guard_limit": "stoploss_guard",
        "max_drawdown_guard_percent": "max_drawdown_guard",
        "low_profit_limit": "low_profit_symbol",
    }.get(name, name)

    every = {"cooldown_period", "minimum_hold", "entries_per_hour", "entries_per_day", "stoploss_guard"}
    assert found == (every | {"max_drawdown_guard", "low_profit_symbol"}) - {guard}
