"""How prices walk through a day."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from connectors.venue import seeded
from connectors.venue.replay.paths import DAY_SECONDS, minute_day, walk_day
from connectors.venue.world.model import Series

levels = st.lists(st.floats(0.0001, 5000), min_size=4, max_size=4).map(sorted)


@given(levels, st.booleans(), st.integers(0, 1000), st.sampled_from([23_400, DAY_SECONDS]))
def test_walk_shows_the_daily_bar_exactly(found: list[float], rises: bool, seed: int, length: int) -> None:
    low, one, other, high = found
    opened, close = (one, other) if rises else (other, one)

    path = walk_day(seed, "AAPL", 18_000, (opened, high, low, close, 1000.0), 0, length)

    assert path.bar(0) == (opened, opened, opened, opened, 0.0)
    assert path.bar(length) == (opened, high, low, close, 1000.0)


@given(st.floats(0, 23_400), st.floats(0, 23_400))
def test_running_extremes_hold_every_price_shown_before(first: float, second: float) -> None:
    earlier, later = sorted((first, second))
    path = walk_day(7, "AAPL", 18_000, (100.0, 105.0, 95.0, 101.0, 1e6), 0, 23_400)

    price, bar = path.price(earlier), path.bar(later)

    assert price is not None
    assert bar is not None
    assert bar[2] - 1e-9 <= price <= bar[1] + 1e-9


def test_same_seed_walks_the_same_way() -> None:
    bar = (100.0, 105.0, 95.0, 101.0, 1e6)

    paths = [walk_day(seed, "AAPL", 18_000, bar, 0, 23_400).prices for seed in (7, 7, 8)]

    assert np.array_equal(paths[0], paths[1])
    assert not np.array_equal(paths[0], paths[2])


def test_first_and_last_minute_show_the_open_and_the_close() -> None:
    """Of 1,000 days of stocks, and of coins, at any second of these minutes."""
    for day in range(1_000):
        symbol, length = (f"S{day % 50}", 23_400) if day % 10 else ("BTC/USD", DAY_SECONDS)
        low, opened, close, high = (
            float(x) for x in np.sort(seeded.generator(7, "bar", day).uniform(1, 500, 4))
        )
        path = walk_day(7, symbol, day, (opened, high, low, close, 1e6), 0, length)

        assert {path.price(second) for second in np.linspace(0, 60, 25)} == {opened}
        assert {path.price(length - second) for second in np.linspace(0, 60, 25)} == {close}
        bar = path.bar(length / 2)
        assert bar is not None
        assert bar[3] not in (opened, close)


def test_price_before_the_open_and_behind_the_close_is_held() -> None:
    path = walk_day(7, "AAPL", 18_000, (100.0, 105.0, 95.0, 101.0, 1e6), 1000, 23_400)

    assert path.price(0) == 100.0
    assert path.price(1000 + 30_000) == 101.0
    assert path.trade_time(1000 + 30_000) == 24_400


def _minutes(*starts: int) -> Series:
    at = np.array(starts, dtype=np.int64)
    ones = np.ones(len(at))
    return Series(at, 10 * ones, 13 * ones, 9 * ones, 12 * ones, 4 * ones)


def test_minute_bar_is_shown_as_it_is() -> None:
    path = minute_day(7, "BTC/USD", 0, _minutes(60), None)

    assert path.price(59) is None
    assert path.bar(60) == (10.0, 10.0, 10.0, 10.0, 0.0)
    assert path.bar(120) == (10.0, 13.0, 9.0, 12.0, 4.0)


def test_gap_between_minutes_keeps_the_last_price_and_its_time() -> None:
    path = minute_day(7, "BTC/USD", 0, _minutes(60, 600), None)

    assert path.price(400) == 12.0
    assert path.trade_time(400) == 105


def test_day_that_begins_with_a_gap_shows_the_previous_close() -> None:
    path = minute_day(7, "BTC/USD", 0, _minutes(600), 8.0)

    assert path.price(30) == 8.0
    assert path.price(600) == 10.0
