"""Market time: queued and expiring orders, the day's end, the data's end."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from tests.connectors.venue.client import Client
from tests.connectors.venue.tiny import COIN_HEADER, STOCK_HEADER, tiny_world, write_csv
from tests.venue_process import VenueProcess
from tests.waiting import wait_until


@pytest.fixture
def replay(tmp_path: Path) -> Iterator[VenueProcess]:
    with VenueProcess(tiny_world(tmp_path / "data"), is_forked=True) as venue:
        venue.clock(paused=True)
        yield venue


@pytest.fixture
def trader(replay: VenueProcess) -> Client:
    return Client(replay.url)


def test_day_order_outside_hours_waits_as_accepted_and_fills_at_the_open(
    replay: VenueProcess, trader: Client
) -> None:
    replay.clock(to="2020-10-15T22:00:00Z")

    order = trader.order("AAA", qty="2")
    waiting = trader.get(f"/v2/orders/{order['id']}")
    replay.clock(to="open")
    done = trader.wait_for(order, "filled")

    assert order["status"] == waiting["status"] == "accepted"
    assert done["filled_at"].startswith("2020-10-16T13:30:00")
    assert abs(Decimal(done["filled_avg_price"]) - 104) < Decimal("0.1")


def test_day_order_left_open_expires_at_the_close(replay: VenueProcess, trader: Client) -> None:
    replay.fault(kind="fill_delay")
    order = trader.wait_for(trader.order("AAA"), "new")
    kept = trader.wait_for(trader.order("AAA", time_in_force="gtc"), "new")
    coin = trader.order("BTC/USD", qty="0.1")

    replay.clock(to="close")
    expired = trader.get(f"/v2/orders/{order['id']}")

    assert expired["status"] == "expired"
    assert expired["expired_at"] is not None
    assert [one["id"] for one in trader.get("/v2/orders", direction="asc")] == [kept["id"], coin["id"]]
    replay.clear_faults()
    replay.clock(to="open")
    assert trader.wait_for(kept, "filled")["filled_qty"] == "1"


def test_leap_past_a_session_fills_waiting_orders_at_its_open(replay: VenueProcess, trader: Client) -> None:
    replay.clock(to="2020-10-15T22:00:00Z")
    order = trader.order("AAA")

    replay.clock(to="2020-10-16T22:00:00Z")
    done = trader.get(f"/v2/orders/{order['id']}")

    assert done["status"] == "filled"
    assert abs(Decimal(done["filled_avg_price"]) - 104) < Decimal("0.1")


def test_last_equity_is_that_of_the_previous_close(replay: VenueProcess, trader: Client) -> None:
    trader.filled("AAA", qty="10")
    cash = Decimal(trader.get("/v2/account")["cash"])

    replay.clock(to="close")
    replay.clock(to="open")
    account = trader.get("/v2/account")

    assert Decimal(account["last_equity"]) == cash + 10 * Decimal(104)
    assert Decimal(account["equity"]) == cash + 10 * Decimal(104)
    replay.clock(advance=3600)
    assert trader.get("/v2/account")["last_equity"] == account["last_equity"]


def test_coins_trade_while_the_stock_market_is_closed(replay: VenueProcess, trader: Client) -> None:
    replay.clock(to="2020-10-17T12:00:00Z")

    clock = trader.get("/v2/clock")
    done = trader.filled("BTC/USD", qty="0.1")

    assert clock["is_open"] is False
    assert clock["next_open"] == "2020-10-19T09:30:00-04:00"
    assert clock["next_close"] == "2020-10-19T16:00:00-04:00"
    assert done["filled_at"].startswith("2020-10-17T12:00:00")


def test_end_of_the_data_closes_the_market_for_good(replay: VenueProcess, trader: Client) -> None:
    replay.fault(kind="fill_delay")
    order = trader.order("BTC/USD", qty="0.1")

    replay.clock(to="end", paused=False)
    report = replay.state_report()
    refused = trader.post_order("BTC/USD", qty="0.1")

    assert report["data_ended"] is True
    assert report["market_time"] == "2020-10-19T20:00:00Z"
    assert trader.get("/v2/clock")["is_open"] is False
    assert trader.get("/v2/clock")["next_open"].startswith("2099-12-31")
    assert trader.get(f"/v2/orders/{order['id']}")["status"] == "expired"
    assert refused.status_code == 403
    assert "closed for good" in refused.json()["message"]
    assert "the replayed data ended at 2020-10-19T20:00:00Z" in replay.log


def test_clock_runs_on_to_the_next_session_by_itself(tmp_path: Path) -> None:
    with VenueProcess(
        tiny_world(tmp_path / "d"), is_forked=True, start="2020-10-15T15:59", speed=600
    ) as venue:
        wait_until(lambda: venue.state_report()["market_time"] > "2020-10-16T13:30:00")
        assert venue.state_report()["is_open"] is True


def test_stock_that_left_the_data_can_no_longer_be_bought(tmp_path: Path) -> None:
    rows = [f"AAA,2020-10-{day},10,11,9,10,10,1000,0,1" for day in (13, 14, 15, 16)]
    rows += [f"OLD,2020-10-{day},10,11,9,10,10,1000,0,1" for day in (13, 14)]
    write_csv(tmp_path / "d", "s.csv", STOCK_HEADER, rows)
    with VenueProcess(tmp_path / "d", is_forked=True, start="2020-10-14T10:00") as venue:
        client = Client(venue.url)
        client.filled("OLD", qty="3")
        venue.clock(to="close", paused=True)
        venue.clock(to="open")

        refused = client.post_order("OLD")
        position = client.position("OLD")

    assert (refused.status_code, refused.json()["message"]) == (422, "asset OLD is not active")
    assert position is not None
    assert position["current_price"] == "10"


def test_overnight_gap_beyond_the_cash_rejects_the_order(tmp_path: Path) -> None:
    rows = [
        "AAA,2020-10-14,100,101,99,100,100,1000,0,1",
        "AAA,2020-10-15,100,101,99,100,100,1000,0,1",
        "AAA,2020-10-16,200,201,199,200,200,1000,0,1",
    ]
    write_csv(tmp_path / "d", "s.csv", STOCK_HEADER, rows)
    with VenueProcess(tmp_path / "d", is_forked=True) as venue:
        client = Client(venue.url)
        venue.clock(to="close", paused=True)
        order = client.order("AAA", qty="900")

        venue.clock(to="open")
        done = client.wait_for(order, "rejected", "filled")

        assert done["status"] == "rejected"
        assert client.get("/v2/account")["cash"] == "100000"


def test_coins_alone_run_around_the_clock(tmp_path: Path) -> None:
    rows = [f"BTC/USD,2020-10-{day},100,110,90,105,10500" for day in range(14, 19)]
    write_csv(tmp_path / "d", "c.csv", COIN_HEADER, rows)
    with VenueProcess(tmp_path / "d", is_forked=True, start="2020-10-15T20:00") as venue:
        client = Client(venue.url)

        venue.clock(advance=86_400, paused=True)
        done = client.filled("BTC/USD", qty="1")

        assert done["filled_at"].startswith("2020-10-17T00:0")
        assert client.get("/v2/assets", asset_class="us_equity") == []


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ({"to": "2020-10-14T14:00:00Z"}, "only moves forward"),
        ({"to": "whenever"}, "Invalid isoformat"),
        ({"speed": 0}, "speed: "),
        ({"leap": 1}, "leap: "),
    ],
)
def test_bad_clock_commands_are_refused(replay: VenueProcess, command: dict[str, object], said: str) -> None:
    with pytest.raises(RuntimeError, match=f"400 .*{said}"):
        replay.clock(**command)
