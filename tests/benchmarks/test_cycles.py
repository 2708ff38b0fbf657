"""``make bench``: its table, its waterfall, its cases, and that what it writes as a market can be replayed."""

import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from benchmarks.cycles import report, wide_market
from benchmarks.cycles.cases import CASES, DEFAULT
from benchmarks.cycles.measured import PAUSED
from benchmarks.cycles.result import Result, Stretch
from benchmarks.cycles.statements import Asked, Counted, asked_in, by_process, listed
from benchmarks.cycles.stretches import drawn
from connectors.venue.world.loader import load_world
from tests.paths import ROOT
from trading.domain.events.public_events import public_type
from trading.domain.runtime_settings import SETTINGS

GOOD = Result(
    name="orders15",
    seconds=[1.2, 1.6, 1.3],
    limits=[0.7, 0.8, 0.7],
    orders=[15, 15, 15],
    pauses=[0, 0, 0],
    requests=[{"POST /v2/orders": 15, "GET /v2/account": 3}] * 3,
    statements={"worker": 300, "sweeper": 60},
    cpu_seconds={"worker": 0.5},
    stretches=[Stretch("model calls", 0.2, 0.7, 7), Stretch("cycle ended", 1.3, 1.3, 1)],
)


def lines_of(*results: Result) -> tuple[list[str], bool]:
    text, kept = report.table({result.name: result for result in results})
    return [" ".join(line.split()) for line in text.splitlines()], kept


def test_a_line_has_measured_limit_ratio_and_bound() -> None:
    lines, kept = lines_of(GOOD)

    assert "140 symbols, 15 orders 1.30 s, 3 cycles 0.70 s 1.9 1.50 s ok" in lines
    assert "requests to trading addresses, at most 18 15 27 ok" in lines
    assert "pauses 0 0 ok" in lines
    assert "statements 360 400 ok" in lines
    assert kept


@pytest.mark.parametrize(
    ("bad", "line"),
    [
        (
            replace(GOOD, seconds=[1.6, 1.6, 1.2]),
            "140 symbols, 15 orders 1.60 s, 3 cycles 0.70 s 2.3 1.50 s over",
        ),
        (replace(GOOD, orders=[15, 14, 15]), "orders booked, at least 14 15 over"),
        (replace(GOOD, pauses=[0, 1, 0]), "pauses 1 0 over"),
        (
            replace(GOOD, requests=[{"GET /v2/account": 28}]),
            "requests to trading addresses, at most 28 15 27 over",
        ),
        (replace(GOOD, statements={"worker": 401}), "statements 401 400 over"),
        (replace(GOOD, problem="a cycle aborted: deadline"), "a cycle aborted: deadline over"),
        (Result.failed("orders15", "the venue ended"), "140 symbols, 15 orders failed over"),
    ],
)
def test_what_passes_its_bound_is_over(bad: Result, line: str) -> None:
    lines, kept = lines_of(bad)

    assert line in lines
    assert not kept


def test_a_bound_may_be_a_factor_of_another_case_or_of_its_own_beginning() -> None:
    plain = replace(GOOD, name="plain", seconds=[1.0])
    wide = replace(GOOD, name="symbols1400", seconds=[9.0])
    history = replace(GOOD, name="history", seconds=[1.2], baseline=[1.0])

    lines, kept = lines_of(plain, wide, history)
    alone, _ = lines_of(wide)

    assert "1,400 symbols, caps raised 9.00 s, 1 cycle 0.70 s 12.9 10.00 s (10 x plain) ok" in lines
    assert "15 orders, 100,000 past cycles 1.20 s, 1 cycle 0.70 s 1.7 1.10 s (1.1 x without) over" in lines
    assert not kept
    assert "1,400 symbols, caps raised 9.00 s, 1 cycle 0.70 s 12.9 10 x plain (not run)" in alone


def test_results_travel_between_processes_whole() -> None:
    assert Result.from_json(GOOD.to_json()) == GOOD


def test_the_waterfall_has_a_bar_for_each_stretch() -> None:
    lines = drawn(GOOD.stretches, width=13).splitlines()

    assert [line.rpartition("  ")[2] for line in lines[1:]] == ["#####", "#"]
    assert "model calls" in lines[1]


def test_statements_are_counted_by_process_without_transactions_and_without_our_own() -> None:
    asked = asked_in(
        "<<orchestrator worker 12|100.250>> LOG:  statement: BEGIN\n"
        '<<orchestrator worker 12|100.300>> LOG:  statement: SELECT 1 FROM "cycles"\nWHERE id = 1\n'
        "<<orchestrator worker 13|100.400>> LOG:  statement: UPDATE cycles SET stage = 'x'\n"
        "<<orchestrator sweeper 14|101.000>> LOG:  execute a: SELECT 2\n"
        "<<orchestrator sweeper 14|101.100>> ERROR:  statement: SELECT 3\n"
        "<<benchmark|101.200>> LOG:  statement: SELECT 4\n"
        "<<orchestrator worker 12|102.000>> LOG:  statement: COMMIT\n"
        "<<orchestrator worker 12|102.100>> LOG:  statement: \n\tWITH moved AS (\n\t    UPDATE orders\n"
        "<<orchestrator listener|102.200>> LOG:  statement: BEGIN;UPDATE orders;COMMIT;UPDATE sagas\n"
    )
    counted = Counted(asked).between(moment(100.3), moment(102.0))

    assert by_process(asked) == {"worker": 3, "sweeper": 1, "listener": 1}
    assert by_process(counted) == {"worker": 2, "sweeper": 1}


def test_statements_that_differ_in_their_values_alone_are_of_one_kind() -> None:
    asked = [
        Asked("worker", moment(second), text)
        for second, text in enumerate(
            (
                "SELECT name\n  FROM cycles WHERE id = 'it''s' AND number > -3",
                "SELECT name FROM cycles WHERE id = 'b' AND number > 17",
                "INSERT INTO events (a, b) VALUES ('x', 1), ('y', 2)",
                "INSERT INTO events (a, b) VALUES ('x', 1)",
            )
        )
    ]
    lines = [" ".join(line.split()) for line in listed(asked, moment(0)).splitlines()]

    assert "2 worker SELECT name FROM cycles WHERE id = ? AND number > ?" in lines
    assert "2 worker INSERT INTO events (a, b) VALUES (…)" in lines
    assert "1.000 worker SELECT name FROM cycles WHERE id = 'b' AND number > 17" in lines


def moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def test_pauses_are_counted_by_an_event_that_there_is() -> None:
    assert public_type(PAUSED, {}) == "orchestrator.cycle.paused"


def test_every_setting_of_a_case_can_be_set() -> None:
    for case in CASES.values():
        for name, value in case.settings.items():
            SETTINGS[name].parse(value)


def test_the_market_of_many_symbols_can_be_replayed(tmp_path: Path) -> None:
    world = load_world(wide_market.write(tmp_path, symbols=50), seed=7)

    assert len(world.instruments) == 50
    assert sum(instrument.is_crypto for instrument in world.instruments.values()) == len(wide_market.COINS)
    assert not any(world.refused.values())


def test_help_names_every_case_and_an_unknown_one_is_refused() -> None:
    command = [sys.executable, "-m", "benchmarks"]

    told = subprocess.run([*command, "--help"], cwd=ROOT, capture_output=True, text=True)
    refused = subprocess.run([*command, "--cases", "plain,nosuch"], cwd=ROOT, capture_output=True, text=True)

    assert told.returncode == 0
    for name in (*CASES, *DEFAULT):
        assert f"\n  {name} " in told.stdout
    assert refused.returncode == 2
    assert "no such case: 'nosuch'" in refused.stderr
