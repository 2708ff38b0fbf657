"""Snapshots and bars over HTTP: shapes, paging, and never anything from later."""

from pathlib import Path
from typing import Any

import pytest

from tests.connectors.venue.client import Client
from tests.connectors.venue.tiny import tiny_world
from tests.venue_process import VenueProcess


@pytest.fixture(scope="module")
def shared_venue(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with VenueProcess(tiny_world(tmp_path_factory.mktemp("d") / "data"), is_measured=True) as venue:
        venue.clock(paused=True)
        yield venue


def bars(client: Client, path: str = "/v2/stocks/bars", **params: str) -> dict[str, list[dict[str, Any]]]:
    return dict(client.get(path, **params)["bars"])


def test_stock_snapshots_are_at_the_top_level_and_leave_out_the_unknown(
    client: Client, venue: VenueProcess
) -> None:
    found = client.get("/v2/stocks/snapshots", symbols="AAA,NOPE,BBB,BTC/USD")

    assert sorted(found) == ["AAA", "BBB"]
    snapshot = found["AAA"]
    assert snapshot["prevDailyBar"] == {
        "t": "2020-10-14T04:00:00Z",
        "o": 102,
        "h": 104,
        "l": 100,
        "c": 103,
        "v": 1000000,
        "n": snapshot["prevDailyBar"]["n"],
        "vw": 102.25,
    }
    assert snapshot["dailyBar"]["t"] == "2020-10-15T04:00:00Z"
    assert snapshot["dailyBar"]["o"] == 103
    assert snapshot["latestTrade"]["t"] == venue.state_report()["market_time"]
    assert snapshot["latestQuote"]["bp"] <= snapshot["latestTrade"]["p"] <= snapshot["latestQuote"]["ap"]
    assert snapshot["minuteBar"]["t"] == "2020-10-15T13:30:00Z"


def test_coin_snapshots_are_under_snapshots(client: Client) -> None:
    found = client.get("/v1beta3/crypto/us/snapshots", symbols="BTC/USD,AAA")

    assert list(found) == ["snapshots"]
    assert list(found["snapshots"]) == ["BTC/USD"]
    assert found["snapshots"]["BTC/USD"]["prevDailyBar"]["c"] == 10_103


def test_coin_data_needs_no_keys_and_symbols_are_needed(client: Client) -> None:
    client.session.headers.clear()

    assert client.send("GET", "/v1beta3/crypto/us/snapshots?symbols=BTC/USD").status_code == 200
    assert client.send("GET", "/v1beta3/crypto/us/snapshots").status_code == 400
    assert client.send("GET", "/v2/stocks/snapshots?symbols=AAA").status_code == 401


def test_daily_bars_end_with_today_so_far(client: Client) -> None:
    """docs/lessons.md#lesson-40."""
    found = bars(client, symbols="AAA", timeframe="1Day", start="2020-10-01", end="2021-12-31")["AAA"]

    assert [bar["t"][:10] for bar in found] == ["2020-10-12", "2020-10-13", "2020-10-14", "2020-10-15"]
    assert [bar["c"] for bar in found[:3]] == [101, 102, 103]
    assert found[-1]["v"] < 100_000


def test_nothing_from_after_market_time_is_ever_shown() -> None:
    """docs/lessons.md#lesson-40."""
    params = {"timeframe": "1Min", "start": "2020-10-15T13:30:00Z", "end": "2022-01-01", "symbols": "ALSQ"}
    with VenueProcess(is_forked=True) as venue:
        client = Client(venue.url)
        venue.clock(to="2020-10-15T14:00:30Z", paused=True)
        early = bars(client, **params)["ALSQ"]
        news = client.get("/v1beta1/news", end="2022-01-01T00:00:00Z", limit="50")["news"]
        venue.clock(to="2020-10-15T15:00:30Z")
        late = bars(client, **params)["ALSQ"]

    assert early[-1]["t"] == "2020-10-15T13:59:00Z"
    assert late[: len(early)] == early
    assert len(late) == 90
    assert all(item["created_at"] <= "2020-10-15T14:00:30Z" for item in news)


def test_minutes_of_past_days_add_up_to_the_daily_bar(client: Client) -> None:
    params = {"start": "2020-10-14T00:00:00Z", "end": "2020-10-14T23:59:00Z", "limit": "10000"}

    minutes = bars(client, symbols="AAA", timeframe="1Min", **params)["AAA"]
    quarters = bars(client, symbols="AAA", timeframe="15Min", **params)["AAA"]
    day = bars(client, symbols="AAA", timeframe="1Day", start="2020-10-14", end="2020-10-15")["AAA"][0]

    assert (len(minutes), len(quarters)) == (390, 26)
    for found in (minutes, quarters):
        assert (found[0]["o"], found[-1]["c"]) == (day["o"], day["c"])
        assert max(bar["h"] for bar in found) == day["h"]
        assert min(bar["l"] for bar in found) == day["l"]
        assert abs(sum(bar["v"] for bar in found) - day["v"]) < 400


def test_pages_share_the_limit_among_the_symbols(client: Client) -> None:
    params = {"symbols": "BBB,AAA", "timeframe": "1Day", "start": "2020-10-12", "limit": "3"}
    whole = bars(client, **{**params, "limit": "100"})

    collected: dict[str, list[dict[str, Any]]] = {}
    token, sizes = None, []
    while True:
        page = client.get("/v2/stocks/bars", **params, **({"page_token": token} if token else {}))
        sizes.append(sum(len(rows) for rows in page["bars"].values()))
        for symbol, rows in page["bars"].items():
            collected.setdefault(symbol, []).extend(rows)
        token = page["next_page_token"]
        if token is None:
            break

    assert sizes == [3, 3, 2]
    assert collected == whole


def test_newest_first_pages_hold_the_same_bars(client: Client) -> None:
    params = {"symbols": "AAA", "timeframe": "1Min", "start": "2020-10-14", "sort": "desc", "limit": "300"}

    first = client.get("/v2/stocks/bars", **params)
    second = client.get("/v2/stocks/bars", **params, page_token=first["next_page_token"])
    times = [bar["t"] for page in (first, second) for bar in page["bars"]["AAA"]]

    assert second["next_page_token"] is None
    assert times == sorted(times, reverse=True)
    assert len(set(times)) == 391


def test_coin_minutes_are_those_of_the_file_and_leave_gaps(tmp_path: Path) -> None:
    with VenueProcess(tiny_world(tmp_path / "d"), is_forked=True) as venue:
        client = Client(venue.url)
        venue.clock(to="2020-10-16T16:30:00Z", paused=True)
        found = bars(
            client,
            "/v1beta3/crypto/us/bars",
            symbols="BTC/USD",
            timeframe="1Min",
            start="2020-10-16T14:00:00Z",
            end="2020-10-16T14:30:00Z",
        )["BTC/USD"]
        trade = client.get("/v1beta3/crypto/us/snapshots", symbols="BTC/USD")["snapshots"]["BTC/USD"][
            "latestTrade"
        ]

    assert [bar["t"][14:16] for bar in found] == [f"{m:02d}" for m in (*range(10), *range(20, 31))]
    assert (found[0]["o"], found[0]["h"], found[0]["l"], found[0]["c"]) == (10_000, 10_003, 9_998, 10_001)
    assert found[0]["v"] == pytest.approx(20_000 / 10_001)
    assert trade["t"].startswith("2020-10-16T15:59:")


@pytest.mark.parametrize("timeframe", ["", "1Week", "60Min", "24Hour", "2Day", "Day"])
def test_unknown_timeframe_is_400(client: Client, timeframe: str) -> None:
    reply = client.send("GET", f"/v2/stocks/bars?symbols=AAA&timeframe={timeframe}")

    assert reply.status_code == 400
    assert "invalid timeframe" in reply.json()["message"]


@pytest.mark.parametrize("token", ["%%%", "bm90LWEtdG9rZW4=", "QUFBfHg="])
def test_unknown_page_token_is_400(client: Client, token: str) -> None:
    reply = client.send(
        "GET", "/v2/stocks/bars", params={"symbols": "AAA", "timeframe": "1Day", "page_token": token}
    )

    assert reply.status_code == 400


def test_stocks_keep_their_last_trade_time_outside_hours(client: Client, venue: VenueProcess) -> None:
    """Runs last in its module: it moves the shared clock past the close."""
    venue.clock(to="2020-10-16T02:00:00Z")

    trade = client.get("/v2/stocks/snapshots", symbols="AAA")["AAA"]["latestTrade"]

    assert (trade["p"], trade["t"]) == (104, "2020-10-15T20:00:00Z")
    venue.clock(to="2020-10-16T12:00:00Z")
    snapshot = client.get("/v2/stocks/snapshots", symbols="AAA")["AAA"]
    assert snapshot["latestTrade"] == trade
    assert snapshot["dailyBar"]["t"] == "2020-10-15T04:00:00Z"
