"""The universe on the real database: who is a candidate, what is stored, and that turns survive."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests.factories import (
    make_agent,
    make_asset,
    make_candidate,
    make_cycle,
    make_decision,
    make_engagement,
    make_fill,
    make_order,
    make_position,
)
from trading.core.settings import set_runtime_setting
from trading.cycle import cycles
from trading.domain.universe import cycles_until_seen
from trading.domain.universe_record import read_record
from trading.market.universe import choose_universe, last_universe, symbol_standings
from trading.models import Asset, Cycle, Position, SymbolLook, UniverseCandidate

pytestmark = pytest.mark.django_db
MARKET_DAYS_AGO = timedelta(days=2000)  # a replay runs in the past


def lines(cycle: Cycle | None = None) -> dict[str, tuple[str, int, set[str]]]:
    """Return what is in, of a stored cycle or of one chosen now."""
    record = cycle.universe if cycle else choose_universe().record
    return {
        line.symbol: (line.seat, line.score, set(line.reasons))
        for one in read_record(record)
        for line in one.taken
    }


def caps(stocks: int, coins: int = 20) -> None:
    set_runtime_setting(name="max_stocks", value=str(stocks), actor="test")
    set_runtime_setting(name="max_coins", value=str(coins), actor="test")


def start() -> Cycle:
    cycle = cycles.start_cycle(trigger="test")
    cycles.complete_cycle(cycle)
    return cycle


def test_candidates_come_from_people_decisions_and_fills_with_their_scores() -> None:
    now = timezone.now()
    make_agent(market_time=now - MARKET_DAYS_AGO, market_time_read_at=now)
    recent = make_cycle(market_time=now - MARKET_DAYS_AGO - timedelta(hours=23))
    for symbol in ("WATCH", "APPR", "BOTH", "CONF", "FILL", "ETH/USD", "PROP", "HOLD", "LOW"):
        make_asset(symbol)
    make_candidate(symbol="WATCH", on_watchlist=True)
    make_candidate(symbol="APPR", status="approved")
    make_candidate(symbol="BOTH", status="approved", on_watchlist=True)
    make_candidate(symbol="PROP")
    for symbol in ("CONF", "BOTH", "ETH/USD"):
        make_decision(cycle=recent, symbol=symbol, confidence=Decimal("0.71"), status="executed")
    make_decision(cycle=recent, symbol="LOW", confidence=Decimal("0.7"), status="executed")
    make_decision(cycle=recent, symbol="HOLD", action="hold", confidence=1, status="held", reason="hold")
    order = make_order(symbol="FILL", purpose="external")
    make_fill(order=order, executed_at=now - MARKET_DAYS_AGO - timedelta(hours=1))

    assert lines() == {
        "BOTH": ("score", 25, {"watchlist", "approved", "confident_decision"}),
        "WATCH": ("score", 20, {"watchlist"}),
        "APPR": ("score", 20, {"approved"}),
        "CONF": ("score", 10, {"confident_decision"}),
        "FILL": ("score", 10, {"fill"}),
        "HOLD": ("volume", 0, set()),
        "LOW": ("volume", 0, set()),
        "PROP": ("volume", 0, set()),
        "ETH/USD": ("score", 10, {"confident_decision"}),
    }


def test_a_day_is_a_day_of_the_brokers_clock() -> None:
    """A venue whose clock runs fast, or stands still over a weekend, has other days than the wall."""
    now = timezone.now()
    market = now - MARKET_DAYS_AGO
    make_agent(market_time=market, market_time_read_at=now)
    caps(1)
    for symbol, hours in (("OLD", 25), ("NEW", 23)):
        make_asset(symbol)
        cycle = make_cycle(market_time=market - timedelta(hours=hours))
        make_decision(cycle=cycle, symbol=symbol, confidence=Decimal("0.9"), status="executed")
        make_fill(order=make_order(symbol=symbol, purpose="external"), executed_at=cycle.market_time)

    assert lines() == {"NEW": ("score", 20, {"confident_decision", "fill"})}


def test_rejected_symbols_stay_out_unless_held() -> None:
    for symbol in ("OUT", "HELD", "IN"):
        make_asset(symbol)
    make_candidate(symbol="OUT", status="rejected")
    make_candidate(symbol="HELD", status="rejected")
    make_position("HELD")
    make_fill(order=make_order(symbol="OUT", purpose="external"))

    assert lines() == {"HELD": ("position", 0, set()), "IN": ("volume", 0, set())}


def test_candidates_that_are_not_tradable_are_left_out_with_the_reason() -> None:
    """docs/lessons.md#lesson-13: a watchlist on which a symbol no longer works says so."""
    make_asset("OFF", tradable=False)
    make_candidate(symbol="OFF", on_watchlist=True)
    make_candidate(symbol="NEVER", status="approved")
    make_asset("ON")

    universe = choose_universe()

    why = "the broker lists no tradable asset of this name"
    assert universe.symbols == ["ON"]
    assert universe.record["left_out"] == {"NEVER": why, "OFF": why}
    assert symbol_standings(universe.record)["OFF"].left_out == why


def test_started_cycle_stores_its_universe_and_the_brokers_time() -> None:
    now = timezone.now()
    make_agent(market_time=now - MARKET_DAYS_AGO, market_time_read_at=now)
    make_asset("AAPL")
    make_candidate(symbol="AAPL", on_watchlist=True)

    cycle = start()

    stored = Cycle.objects.get(pk=cycle.pk)
    assert stored.market_time is not None
    assert abs(stored.market_time - (stored.started_at - MARKET_DAYS_AGO)) < timedelta(seconds=5)
    assert lines(stored) == {"AAPL": ("score", 20, {"watchlist"})}
    assert last_universe() == stored.universe
    assert SymbolLook.objects.get().looked_at == stored.started_at


def test_symbols_a_person_names_have_no_universe_but_count_as_looked_at() -> None:
    named = cycles.start_cycle(trigger="test", symbols=["AAPL"])

    assert named.universe == {}
    assert SymbolLook.objects.get().symbol == "AAPL"


def test_cycle_that_the_switch_stopped_takes_nobodys_turn() -> None:
    make_asset("AAPL")
    make_engagement()

    cycle = cycles.start_cycle(trigger="test")

    assert cycle.status == "aborted"
    assert not SymbolLook.objects.exists()


def test_turns_go_on_after_a_restart() -> None:
    """What a new process reads is what the old one left: rows, and nothing in memory."""
    caps(3)
    for n in range(7):
        make_candidate(symbol=make_asset(f"S{n}").symbol, status="approved")

    first, second = start(), start()

    assert set(first.symbols).isdisjoint(second.symbols)
    assert set(first.symbols) | set(second.symbols) | set(start().symbols) == {f"S{n}" for n in range(7)}


def many_candidates(count: int, *, first: int = 0) -> None:
    now = timezone.now()
    names = [f"S{n}" for n in range(first, first + count)]
    common: dict[str, Any] = {
        "asset_class": "stock",
        "tradable": True,
        "fractionable": True,
        "refreshed_at": now,
    }
    Asset.objects.bulk_create(Asset(symbol=name, **common) for name in names)
    UniverseCandidate.objects.bulk_create(
        UniverseCandidate(symbol=name, status="approved", on_watchlist=n % 2 == 0, entered_at=now)
        for n, name in enumerate(names)
    )


def queries_of_a_start() -> list[str]:
    with CaptureQueriesContext(connection) as captured:
        start()
    return [query["sql"] for query in captured.captured_queries]


def test_many_candidates_cost_as_many_queries_as_two() -> None:
    """docs/lessons.md#lesson-11: no query per candidate."""
    many_candidates(2)
    start()
    few = queries_of_a_start()
    many_candidates(300, first=2)

    many = queries_of_a_start()

    assert len(many) <= len(few), [sql for sql in many if sql not in few]


def test_a_thousand_candidates_on_the_database() -> None:
    """On PostgreSQL: caps held, positions in, all seen within the bound, compact."""
    many_candidates(1000)
    make_agent()
    cycle = make_cycle(market_time=timezone.now())
    for n in range(60):
        make_decision(cycle=cycle, symbol=f"S{n}", confidence=Decimal("0.9"), status="executed")
    bound = cycles_until_seen(1000, 120 - 2)
    assert bound is not None
    last_seen = dict.fromkeys((f"S{n}" for n in range(1000)), 0)
    for number in range(1, bound + 6):
        Position.objects.all().delete()
        held = [f"S{number}", f"X{number}"]
        for symbol in held:
            make_position(symbol)
        symbols = start().symbols
        assert len(symbols) == len(set(symbols)) == 120
        assert set(held) <= set(symbols)
        for symbol in set(symbols) & set(last_seen):
            last_seen[symbol] = number
        assert min(last_seen.values()) > number - bound
    with connection.cursor() as cursor:
        cursor.execute("SELECT max(pg_column_size(universe)) FROM cycles")
        assert cursor.fetchone()[0] < 30_000
