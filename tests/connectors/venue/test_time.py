"""Sessions and the replay clock."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.venue.errors import VenueInputError
from connectors.venue.replay.clock import ReplayClock
from connectors.venue.replay.timeline import FAR_FUTURE, Timeline, build_timeline, parse_start
from connectors.venue.wire import NEW_YORK
from connectors.venue.world.loader import load_world
from tests.connectors.venue.client import STOCK, Client
from tests.connectors.venue.tiny import COIN_HEADER, tiny_world, write_csv
from tests.venue_process import VenueProcess


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=NEW_YORK).timestamp()


class RealTime:
    """Monotonic seconds under the test's control."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def timeline(tmp_path: Path) -> Timeline:
    return build_timeline(load_world(tiny_world(tmp_path / "d"), 7), at("2020-10-15T09:31"))


def test_clock_skips_the_night_and_the_weekend(timeline: Timeline) -> None:
    real = RealTime()
    clock = ReplayClock(timeline, at("2020-10-16T15:59:50"), 1.0, real)

    real.seconds = 15

    assert clock.now() == at("2020-10-19T09:30:05")


def test_clock_that_starts_in_closed_hours_begins_at_the_next_open(timeline: Timeline) -> None:
    clock = ReplayClock(timeline, at("2020-10-17T12:00"), 1.0, RealTime())

    assert clock.now() == at("2020-10-19T09:30")


def test_clock_runs_at_its_speed_and_stands_still_while_paused(timeline: Timeline) -> None:
    real = RealTime()
    clock = ReplayClock(timeline, at("2020-10-15T09:31"), 60.0, real)

    real.seconds = 2
    clock.pause()
    real.seconds = 100
    paused = clock.now()
    clock.resume()
    clock.set_speed(1.0)
    real.seconds = 101

    assert paused == at("2020-10-15T09:33")
    assert clock.now() == at("2020-10-15T09:33:01")


def test_clock_stands_still_at_the_end_of_the_data(timeline: Timeline) -> None:
    real = RealTime()
    clock = ReplayClock(timeline, at("2020-10-19T15:59"), 1.0, real)

    real.seconds = 1e9

    assert clock.now() == at("2020-10-19T16:00")
    assert clock.has_ended
    assert timeline.next_open(clock.now()) == FAR_FUTURE


def test_clock_never_goes_back(timeline: Timeline) -> None:
    clock = ReplayClock(timeline, at("2020-10-15T10:00"), 1.0, RealTime())

    with pytest.raises(ValueError, match="only moves forward"):
        clock.jump(at("2020-10-15T09:59"))
    with pytest.raises(ValueError, match="only moves forward"):
        clock.skip(-1)


def test_stamps_differ_even_while_time_stands_still(timeline: Timeline) -> None:
    clock = ReplayClock(timeline, at("2020-10-15T10:00"), 1.0, RealTime())

    stamps = [clock.stamp() for _ in range(3)]

    assert len(set(stamps)) == 3
    assert stamps == sorted(stamps)


def test_session_is_open_from_its_opening_to_just_before_its_close(timeline: Timeline) -> None:
    moments = ("2020-10-15T09:29:59", "2020-10-15T09:30", "2020-10-15T15:59:59", "2020-10-15T16:00")

    assert [timeline.is_open(at(moment)) for moment in moments] == [False, True, True, False]


def test_boundaries_are_found_once_and_in_order(timeline: Timeline) -> None:
    found = timeline.boundaries(at("2020-10-15T09:30"), at("2020-10-16T16:00"))

    assert [(one.at, one.is_open) for one in found] == [
        (at("2020-10-15T16:00"), False),
        (at("2020-10-16T09:30"), True),
        (at("2020-10-16T16:00"), False),
    ]


@given(st.lists(st.floats(0, 50_000), min_size=1, max_size=8))
def test_many_small_advances_equal_one_large(steps: list[float]) -> None:
    timeline = Timeline([0, 86_400, 172_800], [(0, 23_400), (86_400, 109_800), (172_800, 196_200)])
    moment = 0.0

    for step in steps:
        moment = timeline.advance(moment, step)

    assert moment == pytest.approx(timeline.advance(0.0, sum(steps)), abs=1e-3)


def test_folder_of_coins_alone_runs_around_the_clock(tmp_path: Path) -> None:
    rows = [f"BTC/USD,2020-10-{day},1,2,1,2,5" for day in range(15, 19)]
    write_csv(tmp_path / "d", "c.csv", COIN_HEADER, rows)
    timeline = build_timeline(load_world(tmp_path / "d", 7), at("2020-10-16T20:00"))

    assert timeline.advance(at("2020-10-16T20:00"), 86_400) == at("2020-10-17T20:00")
    assert timeline.is_open(at("2020-10-16T12:00"))
    assert not timeline.is_open(at("2020-10-17T12:00"))


def test_start_behind_the_last_session_runs_on_the_coins(tmp_path: Path) -> None:
    world = load_world(tiny_world(tmp_path / "d"), 7)
    start = at("2020-10-19T17:00")

    timeline = build_timeline(world, start)

    assert timeline.advance(start, 3600) == at("2020-10-19T18:00")


@pytest.mark.parametrize("start", ["2018-01-01T10:00", "2030-01-01T10:00"])
def test_start_outside_the_data_is_refused_with_its_range(tmp_path: Path, start: str) -> None:
    world = load_world(tiny_world(tmp_path / "d"), 7)

    with pytest.raises(VenueInputError, match=r"--start\) lies outside the data, which runs from 2020-10-1"):
        build_timeline(world, parse_start(start))


def test_start_without_a_zone_is_new_york_time() -> None:
    assert parse_start("2020-10-15T09:31") == parse_start("2020-10-15T13:31+00:00")


def test_start_that_cannot_be_read_says_what_was_expected() -> None:
    with pytest.raises(VenueInputError, match=r"'soon' \(--start\) cannot be read; expected a time such as"):
        parse_start("soon")


def test_clock_that_is_set_back_shows_earlier_times_and_stamps_later_ones(
    venue: VenueProcess, client: Client
) -> None:
    venue.clock(paused=True)
    first = client.order(STOCK, qty="1")
    before = venue.state_report()["market_time"]

    venue.clock(step=-85)

    shown = client.get("/v2/clock")["timestamp"]
    second = client.order(STOCK, qty="1")
    assert datetime.fromisoformat(before) - datetime.fromisoformat(shown) == timedelta(seconds=85)
    assert second["submitted_at"] > first["submitted_at"]


def test_clock_tells_at_what_rate_its_time_runs(timeline: Timeline) -> None:
    real = RealTime()
    clock = ReplayClock(timeline, at("2020-10-15T09:31"), 60.0, real)

    running = clock.rate
    clock.pause()
    paused = clock.rate
    clock.resume()
    clock.jump(timeline.end)

    assert (running, paused, clock.rate) == (60.0, 0.0, 0.0)
