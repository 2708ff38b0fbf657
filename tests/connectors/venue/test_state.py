"""The account survives restarts and kill -9, and belongs to one world."""

import os
import resource
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors.venue.paper.exchange import CLOCK_SAVE_SECONDS
from tests import forked
from tests.connectors.venue.client import COIN, STOCK, Client
from tests.venue_process import VenueProcess
from tests.waiting import wait_until

UNSAVED = timedelta(seconds=CLOCK_SAVE_SECONDS)


def facts(client: Client) -> dict[str, Any]:
    return {
        "orders": client.get("/v2/orders", status="all", limit="500"),
        "fills": client.get("/v2/account/activities"),
        "cash": client.get("/v2/account")["cash"],
        "last_equity": client.get("/v2/account")["last_equity"],
        "positions": {one["symbol"]: (one["qty"], one["cost_basis"]) for one in client.get("/v2/positions")},
    }


def market_time(venue: VenueProcess) -> datetime:
    return datetime.fromisoformat(venue.state_report()["market_time"])


def test_everything_survives_kill_9_and_time_goes_on() -> None:
    """It goes on from where it was stored last, a moment before the kill; nothing had been stamped since."""
    with VenueProcess(is_forked=True) as venue:
        client = Client(venue.url)
        client.filled(STOCK, qty="3")
        client.filled(COIN, qty="0.1")
        venue.clock(to="close")
        before, time_before = facts(client), market_time(venue)

        venue.kill()
        venue.restart()

        assert facts(client) == before
        assert market_time(venue) >= time_before - UNSAVED
        assert client.filled(STOCK, "sell", qty="3")["status"] == "filled"


def test_accepted_order_is_durable_before_its_reply() -> None:
    with VenueProcess(is_forked=True, fill_latency=0.2) as venue:
        client = Client(venue.url)
        for number in range(3):
            order = client.order(STOCK, client_order_id=f"durable-{number}")
            venue.kill()
            venue.restart()

            assert client.wait_for(order, "filled")["client_order_id"] == f"durable-{number}"
            assert client.post_order(STOCK, client_order_id=f"durable-{number}").status_code == 422

        assert len(client.get("/v2/account/activities/FILL")) == 3


def test_partly_filled_order_goes_on_after_a_restart() -> None:
    with VenueProcess(is_forked=True) as venue:
        client = Client(venue.url)
        venue.fault(kind="partial_fill", fraction=0.5)
        order = client.wait_for(client.order(STOCK, qty="10"), "partially_filled")

        venue.restart()
        done = client.wait_for(order, "filled")

        assert (order["filled_qty"], done["filled_qty"]) == ("5", "10")
        assert venue.faults() == []


def test_time_stamps_go_on_rising_after_a_kill_at_high_speed() -> None:
    with VenueProcess(is_forked=True, speed=2_000) as venue:
        client = Client(venue.url)
        last = client.filled(COIN, qty="0.01")["filled_at"]
        for _ in range(3):
            venue.kill()
            venue.restart()

            filled_at = client.filled(COIN, qty="0.01")["filled_at"]

            assert filled_at > last
            last = filled_at


def test_close_that_was_missed_is_made_up_for_after_a_restart() -> None:
    with VenueProcess(is_forked=True, start="2020-10-15T15:59:58", fill_latency=60) as venue:
        client = Client(venue.url)
        order = client.order(STOCK)
        venue.kill()
        venue.restart()

        client.wait_for(order, "expired")

        assert client.get("/v2/account")["last_equity"] == "100000"


def test_orderly_stop_removes_the_address_and_keeps_the_state(tmp_path: Path) -> None:
    with VenueProcess(is_forked=True, state=tmp_path) as venue:
        Client(venue.url).filled(STOCK)
        venue.fault(kind="hang", route="/v2/clock")
        held = subprocess.Popen(
            [sys.executable, "-c", f"import urllib.request as u; u.urlopen('{venue.url}/v2/clock')"],
            stderr=subprocess.DEVNULL,
        )

        code = venue.stop()
        held.wait(120)

        assert code == 0
        assert not (tmp_path / "address.json").exists()
    with VenueProcess(is_forked=True, state=tmp_path) as venue:
        assert venue.state_report()["fills"] == 1


def test_reset_begins_an_account_of_which_nothing_has_happened(tmp_path: Path) -> None:
    """What was about to fill does not; a restart finds the new account."""
    with VenueProcess(is_forked=True, state=tmp_path, fill_latency=0.2) as venue:
        client = Client(venue.url)
        client.filled(STOCK)
        under_way = client.order(STOCK)["client_order_id"]
        time_before = market_time(venue)

        venue.request("POST", "/venue/reset")

        state = venue.state_report()
        assert (state["orders"], state["positions"], state["fills"], state["requests"]) == (0, {}, 0, 0)
        assert (state["cash"], client.get("/v2/account")["equity"]) == ("100000", "100000")
        assert market_time(venue) >= time_before
        again = client.filled(STOCK, client_order_id=under_way)
        venue.restart()
        assert [one["id"] for one in client.get("/v2/orders", status="all")] == [again["id"]]
        assert venue.state_report()["fills"] == 1


def test_rewinding_reset_replays_the_market_from_its_start(tmp_path: Path) -> None:
    """A split that was announced and booked is forgotten; the same prices come again."""

    def price(client: Client) -> float:
        told = client.get("/v2/stocks/snapshots", symbols=STOCK)
        return float(told[STOCK]["latestTrade"]["p"])

    def split_after_a_buy(client: Client, venue: VenueProcess) -> tuple[float, float, dict[str, str]]:
        before = price(client)
        client.filled(STOCK)
        split = {"symbol": STOCK, "kind": "split", "value": "2"}
        venue.request("POST", "/venue/corporate_actions", split)
        venue.clock(to="open")
        return before, price(client), venue.state_report()["positions"]

    with VenueProcess(is_forked=True, state=tmp_path) as venue:
        client = Client(venue.url)
        venue.clock(paused=True)
        begin = market_time(venue)
        venue.request("POST", "/venue/reset", {"rewind": True})
        start = market_time(venue)
        first = split_after_a_buy(client, venue)

        venue.request("POST", "/venue/reset", {"rewind": True})

        assert market_time(venue) == start <= begin
        assert venue.state_report()["positions"] == {}
        assert price(client) == first[0]
        venue.restart()  # from what is stored
        venue.clock(paused=True)
        assert market_time(venue) < start + timedelta(hours=1)
        venue.clock(to="open")
        unsplit = price(client)
        venue.request("POST", "/venue/reset", {"rewind": True})
        assert split_after_a_buy(client, venue) == first
        assert first[2] == {STOCK: "2"}
        assert unsplit == pytest.approx(2 * first[1], rel=0.001)


def test_reset_refuses_what_it_does_not_know(tmp_path: Path) -> None:
    with VenueProcess(is_forked=True, state=tmp_path) as venue, pytest.raises(RuntimeError, match="rewnd"):
        venue.request("POST", "/venue/reset", {"rewnd": True})


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return forked.run([sys.executable, "-m", "connectors.venue", *arguments], env=os.environ, seconds=180)


def test_venue_that_cannot_write_stops_and_keeps_what_it_acknowledged(tmp_path: Path) -> None:
    """A full disk, played by a limit on the size of files."""

    def limit_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))

    with VenueProcess(state=tmp_path, before_start=limit_files) as venue:
        client = Client(venue.url)
        acknowledged = []
        while (reply := client.post_order("BREZ")).status_code == 200:
            acknowledged.append(reply.json()["client_order_id"])
        code = wait_until(lambda: venue.exit_code)
        log = venue.log
    with VenueProcess(is_forked=True, state=tmp_path) as venue:
        client = Client(venue.url)
        kept = {one["client_order_id"] for one in client.get("/v2/orders", status="all", limit="500")}

    assert acknowledged
    assert kept == set(acknowledged)
    assert code == 1
    assert "the venue cannot go on and stops: see whether the state folder can be written" in log


def test_state_of_another_world_is_refused_with_the_remedy(tmp_path: Path) -> None:
    with VenueProcess(is_forked=True, state=tmp_path, seed=7):
        pass

    result = run("--state", str(tmp_path), "--seed", "8")

    assert result.returncode == 2
    assert "belongs to the world synthetic:7, but synthetic:8 was asked for" in result.stderr
    assert "name another state folder" in result.stderr
    assert result.stderr.count("\n") == 1


def test_state_in_use_is_refused(tmp_path: Path) -> None:
    with VenueProcess(is_forked=True, state=tmp_path):
        result = run("--state", str(tmp_path))

    assert result.returncode == 2
    assert "no other venue is using; stop the other venue or name another folder" in result.stderr


def test_state_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "venue.sqlite3").write_bytes(b"this is not a database, " * 100)

    result = run("--state", str(tmp_path))

    assert result.returncode == 2
    assert "(--state) cannot be used (file is not a database)" in result.stderr
