"""Of which day or hour a row is: what other tools write, read as they meant it or refused by line and field."""

from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from connectors.venue.errors import VenueInputError
from connectors.venue.replay.paths import minute_day
from connectors.venue.replay.timeline import build_timeline, usual_start
from connectors.venue.world.loader import load_world
from connectors.venue.world.model import Series, World, epoch_day
from tests.connectors.venue.tiny import COIN_HEADER, STOCK_HEADER, write_csv


def stocks(folder: Path, *moments: str) -> World:
    rows = [f"AAA,{moment},100,{104 + n},96,{100 + n},{100 + n},1000,0,1" for n, moment in enumerate(moments)]
    write_csv(folder, "s.csv", STOCK_HEADER, rows)
    return load_world(folder, 7)


def coins(folder: Path, *moments: str) -> World:
    rows = [f"BTC/USD,{moment},100,{104 + n},96,{100 + n},{100 + n}000" for n, moment in enumerate(moments)]
    write_csv(folder, "c.csv", COIN_HEADER, rows)
    return load_world(folder, 7)


def days_of(series: Series) -> list[int]:
    return [int(day) - epoch_day(date(2020, 10, 1)) + 1 for day in series.at]


@pytest.mark.parametrize(
    "moments",
    [
        ("2020-10-14", "2020-10-15"),
        ("2020-10-14 00:00:00-04:00", "2020-10-15 00:00:00-04:00"),
        ("2020-10-14 00:00:00+00:00", "2020-10-15 00:00:00+00:00"),
        ("2020-10-14T00:00:00+02:00", "2020-10-15T00:00:00+02:00"),
        ("2020-10-14 00:00:00", "2020-10-15 00:00:00"),
        ("2020-10-14T04:00:00Z", "2020-10-15T04:00:00Z"),
        ("2020-10-14 16:00:00-04:00", "2020-10-15 16:00:00-04:00"),
        ("2020-10-14 20:00:00-04:00", "2020-10-15 20:00:00-04:00"),
        ("2020-10-14 23:59:59", "2020-10-15 23:59:59"),
        ("2020-10-14 16:00:00", "2020-10-15 16:00:00"),
        ("20201014", "20201015"),
    ],
)
def test_stock_row_is_the_bar_of_its_new_york_day(tmp_path: Path, moments: tuple[str, ...]) -> None:
    world = stocks(tmp_path / "d", *moments)

    assert days_of(world.daily["AAA"]) == [14, 15]
    assert not world.minute
    assert world.daily["AAA"].close.tolist() == [100.0, 101.0]


def test_days_over_a_change_of_the_clocks_are_read_as_they_are(tmp_path: Path) -> None:
    """New York went from -04:00 to -05:00 on 1 November 2020."""
    world = stocks(tmp_path / "d", "2020-10-30 00:00:00-04:00", "2020-11-02 00:00:00-05:00")

    assert days_of(world.daily["AAA"]) == [30, 33]


def test_stock_bars_within_a_day_are_refused_by_line_and_field(tmp_path: Path) -> None:
    said = r"first: line 3, date '2020-10-15 10:30:00-04:00' of AAA is doubled after line 2\).*one row for each symbol"

    with pytest.raises(VenueInputError, match=said):
        stocks(tmp_path / "d", "2020-10-15 09:30:00-04:00", "2020-10-15 10:30:00-04:00")


@pytest.mark.parametrize(
    "moments",
    [
        ("2020-10-14 23:59:59", "2020-10-15 23:59:59"),
        ("2020-10-14 23:59:59.999000+00:00", "2020-10-15 23:59:59.999000+00:00"),
        ("2020-10-14 00:00:00", "2020-10-15 00:00:00"),
        ("2020-10-14 00:00:00-05:00", "2020-10-15 00:00:00-05:00"),
        ("2020-10-14 23:59:59-05:00", "2020-10-15 23:59:59-05:00"),
        ("2020-10-14 08:00:00", "2020-10-15 09:30:00"),
    ],
)
def test_one_row_of_a_coin_a_day_is_the_bar_of_that_day(tmp_path: Path, moments: tuple[str, ...]) -> None:
    world = coins(tmp_path / "d", *moments)

    assert days_of(world.daily["BTC/USD"]) == [14, 15]
    assert not world.minute


@pytest.mark.parametrize(
    ("moments", "step"),
    [
        (("10:00:00", "11:00:00", "14:00:00"), 3600),
        (("10:00:00+02:00", "11:00:00+02:00"), 3600),
        (("00:00:00", "04:00:00", "12:00:00"), 14_400),
        (("10:00:00", "10:05:00", "10:15:00"), 300),
        (("10:00:00", "10:01:00", "10:05:00"), 60),
        (("10:00:03", "10:01:59"), 60),
        (("10:00:00", "10:07:00"), 60),
    ],
)
def test_bars_within_a_day_last_as_long_as_their_distances_say(
    tmp_path: Path, moments: tuple[str, ...], step: int
) -> None:
    world = coins(tmp_path / "d", *(f"2020-10-15 {moment}" for moment in moments))

    assert world.minute["BTC/USD"].step == step
    assert days_of(world.daily["BTC/USD"]) == [15]


def test_two_rows_of_one_minute_are_refused_by_line_and_field(tmp_path: Path) -> None:
    said = r"first: line 3, timestamp '2020-10-15 10:00:30' of BTC/USD is doubled after line 2\)"

    with pytest.raises(VenueInputError, match=said):
        coins(tmp_path / "d", "2020-10-15 10:00:00", "2020-10-15 10:00:30", "2020-10-15 10:01:00")


@pytest.mark.parametrize("step", [60, 120, 300, 3600, 14_400])
def test_price_moves_all_through_a_bar_and_is_that_bar(step: int) -> None:
    start = epoch_day(date(2020, 10, 15)) * 86_400
    values = (np.array([number]) for number in (100.0, 120.0, 80.0, 110.0, 1000.0))
    series = Series(np.array([start + 4 * step]), *values, step=step)

    path = minute_day(7, "BTC/USD", start // 86_400, series, None)

    begin, end = start + 4 * step, start + 5 * step - path.step
    prices = [path.price(float(at)) for at in range(begin, end + 1, path.step)]
    assert (prices[0], prices[-1], max(filter(None, prices)), min(filter(None, prices))) == (
        100,
        110,
        120,
        80,
    )
    assert path.price(begin - 1.0) is None
    assert end - path.trade_time(end) == 0
    assert path.bar(start + 86_400.0) == pytest.approx((100, 120, 80, 110, 1000))


def test_bar_that_reaches_beyond_its_day_ends_with_it() -> None:
    start = epoch_day(date(2020, 10, 15)) * 86_400
    values = (np.array([number]) for number in (100.0, 120.0, 80.0, 110.0, 1000.0))
    series = Series(np.array([start + 23 * 3600 + 1800]), *values, step=3600)

    assert minute_day(7, "BTC/USD", start // 86_400, series, None).end == start + 86_400


@pytest.mark.parametrize(
    ("first", "count", "start"),
    [
        (date(2020, 10, 1), 30, "2020-10-15T09:31:00-04:00"),
        (date(2020, 9, 15), 9, "2020-09-19T09:31:00-04:00"),
        (date(2023, 1, 1), 400, "2023-05-01T09:31:00-04:00"),
        (date(2020, 10, 16), 1, "2020-10-16T09:31:00-04:00"),
    ],
)
def test_replay_that_nobody_gave_a_start_begins_within_its_data(
    tmp_path: Path, first: date, count: int, start: str
) -> None:
    """What people have is of another year than the default start."""
    world = coins(tmp_path / "d", *((first + timedelta(days=n)).isoformat() for n in range(count)))

    begins = usual_start(world)

    assert begins == datetime.fromisoformat(start).timestamp()
    assert build_timeline(world, begins).first <= begins


def test_replay_of_stocks_begins_on_a_session(tmp_path: Path) -> None:
    world = stocks(tmp_path / "d", "2023-01-03", "2023-01-04", "2023-01-06", "2023-01-12", "2023-01-13")

    begins = usual_start(world)

    assert begins == datetime.fromisoformat("2023-01-12T09:31:00-05:00").timestamp()
    assert build_timeline(world, begins).is_open(begins)
