"""Reading data folders: what is taken, what is refused, what is said."""

from datetime import date
from pathlib import Path

import numpy as np
import pytest

from connectors.venue.errors import VenueInputError
from connectors.venue.world.loader import load_world
from connectors.venue.world.model import epoch_day
from connectors.venue.world.synthetic import synthetic_world
from tests.connectors.venue.tiny import COIN_HEADER, STOCK_HEADER, tiny_world, write_csv

COIN = "BTC/USD,2020-10-15,1,2,1,2,5"


def test_kinds_are_told_from_the_rows_not_the_names(tmp_path: Path) -> None:
    world = load_world(tiny_world(tmp_path / "d"), 7)

    assert sorted(world.daily) == ["AAA", "BBB", "BTC/USD"]
    assert list(world.minute) == ["BTC/USD"]
    assert world.kind == "replay"
    assert len(world.session_days) == 6


def test_prices_before_a_split_are_adjusted_and_dollar_volume_is_kept(tmp_path: Path) -> None:
    rows = ["AAA,2020-10-14,400,404,396,400,100,1000,0,1", "AAA,2020-10-15,100,101,99,100,100,4000,0,4"]
    write_csv(tmp_path / "d", "s.csv", STOCK_HEADER, rows)

    series = load_world(tmp_path / "d", 7).daily["AAA"]

    assert series.close.tolist() == [100.0, 100.0]
    assert series.high.tolist() == [101.0, 101.0]
    assert series.volume.tolist() == [4000.0, 4000.0]


def test_volume_of_coins_is_converted_to_coins(tmp_path: Path) -> None:
    write_csv(tmp_path / "d", "c.csv", COIN_HEADER, ["BTC/USD,2020-10-15,100,100,100,100,5000"])

    assert load_world(tmp_path / "d", 7).daily["BTC/USD"].volume.tolist() == [50.0]


def test_rows_without_a_positive_price_are_refused_with_a_count(tmp_path: Path) -> None:
    """docs/lessons.md#lesson-18: 0 is not a price."""
    rows = [
        "BTC/USD,2020-10-14,0,1,0,1,5",
        "BTC/USD,2020-10-15,1,2,1,2,5",
        "BTC/USD,2020-10-16,,2,1,2,5",
        "BTC/USD,2020-10-17,1,1.5,1,2,5",
        "BTC/USD,2020-10-18,1,2,1,2,5",
        "BTC/USD,2020-10-19,1,2,1,-2,5",
    ]
    write_csv(tmp_path / "d", "c.csv", COIN_HEADER, rows)

    world = load_world(tmp_path / "d", 7)

    assert world.refused == {"no_positive_price": 3, "inconsistent": 1}
    assert world.daily["BTC/USD"].close.tolist() == [2.0, 2.0]


def test_coin_with_minutes_alone_gets_daily_bars_from_them(tmp_path: Path) -> None:
    rows = [
        "ETH/USD,2020-10-15 10:00:00,10,12,9,11,110",
        "ETH/USD,2020-10-15 10:01:00,11,14,10,13,130",
        "ETH/USD,2020-10-16 10:00:00,13,13,13,13,0",
    ]
    write_csv(tmp_path / "d", "m.csv", COIN_HEADER, rows)

    series = load_world(tmp_path / "d", 7).daily["ETH/USD"]

    bars = np.column_stack((series.open, series.high, series.low, series.close, series.volume))
    assert bars.tolist() == [[10, 14, 9, 13, 20], [13, 13, 13, 13, 0]]


def test_world_is_named_by_content_and_seed_not_by_file_names(tmp_path: Path) -> None:
    row = ["BTC/USD,2020-10-15,1,2,1,2,5"]
    write_csv(tmp_path / "a", "x.csv", COIN_HEADER, row)
    write_csv(tmp_path / "b", "y.csv", COIN_HEADER, row)
    write_csv(tmp_path / "c", "x.csv", COIN_HEADER, ["BTC/USD,2020-10-15,1,3,1,2,5"])

    names = [load_world(tmp_path / folder, 7).name for folder in "abc"]

    assert names[0] == names[1] != names[2]
    assert load_world(tmp_path / "a", 8).name != names[0]


@pytest.mark.parametrize(
    ("header", "rows", "said"),
    [
        (
            "symbol,when,open",
            ["A,1,2"],
            r"has no column timestamp, high, low, close, volume \(line 1\); expected",
        ),
        ("symbol,date,open,high,low,close,volume", [], r"has no column adj_close \(line 1\); expected"),
        (f"{COIN_HEADER},date", [], r"both the columns date and timestamp \(line 1\); expected"),
        (COIN_HEADER, [], "has a header and no rows; expected rows from line 2 on"),
        (
            COIN_HEADER,
            ["BTC/USD,2020-10-15,x,2,1,2,5"],
            r"1 rows whose open is not a number \(first: line 2, 'x'\)",
        ),
        (
            COIN_HEADER,
            ["BTC/USD,someday,1,2,1,2,5"],
            r"1 rows whose timestamp cannot be read \(first: line 2, 'someday'\); expected 2020-10-15 or",
        ),
        (COIN_HEADER, ["BTC/USD,2020-10-15,0,0,0,0,5"], "holds no row with a positive price"),
        (
            COIN_HEADER,
            [COIN, "", "BTC/USD,2020-10-16,1,2,1,2,5,6"],
            r"1 lines with another number of fields than its header \(first: line 4 with 8\); expected the 7",
        ),
        (
            COIN_HEADER,
            [COIN, "BTC/USD,2020-10-16,1", "BTC/USD"],
            r"2 lines with another number of fields than its header \(first: line 3 with 3\); expected the 7",
        ),
        (
            COIN_HEADER,
            [COIN, "", "BTC/USD,2020-10-16,1,2,1,two,5"],
            r"whose close is not a number \(first: line 4, 'two'\); expected a decimal number",
        ),
        (
            COIN_HEADER,
            [COIN, "ETH/USD,2020-10-15,1,2,1,2,5", "BTC/USD,2020-10-15,1,3,1,2,5"],
            r"\(first: line 4, timestamp '2020-10-15' of BTC/USD is doubled after line 2\); expected one row for each",
        ),
        (
            COIN_HEADER,
            [COIN, "BTC/USD,2020-10-14,1,2,1,2,5"],
            r"\(first: line 3, timestamp '2020-10-14' of BTC/USD is out of order after line 2\); .*sort the file",
        ),
        (
            COIN_HEADER,
            [COIN, "BTC/USD,2020-10-16 00:01:00,1,2,1,2,5", "BTC/USD,2020-10-16 00:02:00,1,2,1,2,5"],
            r"mixes daily and minute rows in timestamp \(first: line 2, '2020-10-15'\); expected",
        ),
        (
            COIN_HEADER,
            [COIN, "AAPL,2020-10-15,1,2,1,2,5"],
            r"whose symbol does not fit \(first: line 3, 'AAPL'\); expected a coin like BTC/USD",
        ),
        (
            STOCK_HEADER,
            ["AAA,2020-10-14,1,2,1,2,2,5,0,1", "BTC/USD,2020-10-14,1,2,1,2,2,5,0,1"],
            r"whose symbol does not fit \(first: line 3, 'BTC/USD'\); expected a stock like AAPL",
        ),
        (COIN_HEADER, [COIN, ",2020-10-15,1,2,1,2,5"], r"whose symbol does not fit \(first: line 3, ''\)"),
    ],
)
def test_bad_file_is_refused_in_one_sentence_that_names_it(
    tmp_path: Path, header: str, rows: list[str], said: str
) -> None:
    write_csv(tmp_path / "d", "bad.csv", header, rows)

    with pytest.raises(VenueInputError, match=said) as refusal:
        load_world(tmp_path / "d", 7)

    assert str(tmp_path / "d") in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_broken_compression_is_refused(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "bad.csv.gz").write_bytes(b"not gzip at all")

    with pytest.raises(VenueInputError, match=r"bad.csv.gz is not gzip; expected what its name says"):
        load_world(tmp_path / "d", 7)


def test_compression_under_a_plain_name_is_refused(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "d", "bad.csv.gz", COIN_HEADER, [COIN])
    path.rename(path.with_name("bad.csv"))

    with pytest.raises(VenueInputError, match=r"bad.csv is gzip; .* rename it to end in .csv.gz"):
        load_world(tmp_path / "d", 7)


@pytest.mark.parametrize("cut", [30, 60])
def test_compression_that_ends_early_or_is_damaged_is_refused(tmp_path: Path, cut: int) -> None:
    path = write_csv(tmp_path / "d", "bad.csv.gz", COIN_HEADER, [COIN] * 50)
    whole = path.read_bytes()
    path.write_bytes(whole[:cut] + (b"" if cut == 30 else b"\xff" * 20))

    with pytest.raises(VenueInputError, match=r"bad.csv.gz cannot be read as CSV"):
        load_world(tmp_path / "d", 7)


def test_empty_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "bad.csv").touch()

    with pytest.raises(VenueInputError, match=r"bad.csv is empty; expected a header in line 1"):
        load_world(tmp_path / "d", 7)


def test_blank_lines_are_no_rows(tmp_path: Path) -> None:
    write_csv(tmp_path / "d", "c.csv", COIN_HEADER, [COIN, "", "BTC/USD,2020-10-16,1,2,1,2,5", "", "\r"])

    assert len(load_world(tmp_path / "d", 7).daily["BTC/USD"].at) == 2


def test_unreadable_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "d" / "bad.csv").mkdir(parents=True)

    with pytest.raises(VenueInputError, match=r"bad.csv cannot be read \("):
        load_world(tmp_path / "d", 7)


def test_symbol_in_two_daily_files_is_refused(tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv"):
        write_csv(tmp_path / "d", name, COIN_HEADER, [f"BTC/USD,2020-10-15,1,2,1,2,{ord(name[0])}"])

    with pytest.raises(VenueInputError, match=r"b.csv holds BTC/USD, which another file"):
        load_world(tmp_path / "d", 7)


def test_missing_and_empty_folders_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(VenueInputError, match="nowhere does not exist"):
        load_world(tmp_path / "nowhere", 7)
    with pytest.raises(VenueInputError, match=r"holds no .csv or .csv.gz file"):
        load_world(tmp_path, 7)


def test_synthetic_world_has_its_size_its_history_and_its_seed() -> None:
    worlds = [synthetic_world(seed) for seed in (7, 7, 8)]
    stocks = [one for one in worlds[0].instruments.values() if not one.is_crypto]

    assert (len(stocks), len(worlds[0].instruments)) == (150, 170)
    assert epoch_day(date(2020, 10, 15)) - worlds[0].first_day > 730
    symbol = stocks[0].symbol
    assert np.array_equal(worlds[0].daily[symbol].close, worlds[1].daily[symbol].close)
    assert not np.array_equal(worlds[0].daily[symbol].close, worlds[2].daily[symbol].close)


@pytest.mark.parametrize("seed", range(5))
def test_synthetic_bars_are_consistent_and_stay_plausible(seed: int) -> None:
    for series in synthetic_world(seed).daily.values():
        assert (series.low > 0).all()
        assert (series.high >= np.maximum(series.open, series.close)).all()
        assert (series.low <= np.minimum(series.open, series.close)).all()
        assert (series.volume > 0).all()
        assert series.close.max() / series.close.min() < 3_000
