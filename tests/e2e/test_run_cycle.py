"""One command runs a cycle: what it prints, what it leaves behind, and its exit codes."""

import pytest

from tests.e2e.system import System, manage, run_cycle_json
from tests.e2e.truth import assert_books_agree, wait_for_rest
from tests.venue_process import VenueProcess
from trading.models import AIDecision, Cycle, MarketSnapshot, Trade

pytestmark = [pytest.mark.system, pytest.mark.django_db(transaction=True)]
# The broker allows 200 requests a minute, and a first cycle fills up to 15 positions.
SETTING_UP, REQUESTS_AN_ORDER = 40, 12
# Who waits for a fill, or for the turn of other processes, looks again: a busy machine waits longer.
LOOKS_A_SECOND = 1


def _symbols(market: VenueProcess, stocks: int) -> list[str]:
    listed = market.get("/v2/assets?status=active&asset_class=us_equity")
    return [*(asset["symbol"] for asset in listed[:stocks]), "BTC/USD", "ETH/USD"]


def test_a_cycle_reports_itself_as_one_json_object(system: System, market: VenueProcess) -> None:
    symbols = _symbols(market, 30)

    report = run_cycle_json("--symbols", ",".join(symbols))

    assert report["status"] == "completed"
    assert report["cycle_type"] == "analysis"
    assert report["symbols"] == symbols
    assert report["decisions_count"] == len(symbols)
    assert report["errors"] == []
    assert report["trades_count"] == Trade.objects.count() > 0
    assert sum(report["skipped"].values()) + AIDecision.objects.filter(reason="").count() == len(symbols)
    assert report["duration_seconds"] > 0
    assert MarketSnapshot.objects.filter(cycle_id=report["cycle_id"]).count() == len(symbols)
    wait_for_rest()
    assert_books_agree(market)
    asked = [request for request in market.requests() if request["path"].startswith("/v2/")]
    posted = [request for request in asked if request["method"] == "POST"]
    looks = LOOKS_A_SECOND * report["duration_seconds"]
    assert len(asked) <= SETTING_UP + REQUESTS_AN_ORDER * len(posted) + looks


def test_a_cycle_waits_for_the_running_one(system: System, market: VenueProcess) -> None:
    market.fault(kind="latency", route="GET /v2/stocks/snapshots", seconds=2, times=1)

    first = run_cycle_json("--symbols", "BTC/USD")
    second = run_cycle_json("--type", "maintenance")

    assert [first["status"], second["status"]] == ["completed", "completed"]
    assert list(Cycle.objects.order_by("started_at").values_list("cycle_type", flat=True)) == [
        "analysis",
        "maintenance",
    ]


def test_what_was_odd_is_said_with_the_rest(system: System, market: VenueProcess) -> None:
    option = {"symbol": "SPY201218C00350000", "asset_class": "us_option", "qty": "1", "side": "long"}
    market.fault(kind="alter", route="^GET /v2/positions$", rows=[], added=[option])

    done = manage("run_cycle", "--symbols", "BTC/USD")

    assert done.returncode == 0
    assert "note on positions: 1 row left out: SPY201218C00350000: is another kind (us_option)" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--symbols", "AAPL, btc/usd"], "malformed 'btc/usd'"),
        (["--symbols", "NOSUCH"], "NOSUCH: unknown"),
        (["--symbols", ""], "malformed ''"),
        (["--type", "weekly"], "invalid choice: 'weekly'"),
    ],
)
def test_bad_arguments_end_with_two_and_are_named(seeded: None, arguments: list[str], words: str) -> None:
    done = manage("run_cycle", *arguments)

    assert done.returncode == 2
    assert words in done.stderr
    assert not Cycle.objects.exists()


def test_more_symbols_than_the_caps_are_refused(seeded: None, market: VenueProcess) -> None:
    done = manage("run_cycle", "--symbols", ",".join(_symbols(market, 121)))

    assert done.returncode == 2
    assert "stocks: 121 asked for, at most 120 in a cycle" in done.stderr


def test_without_a_worker_it_says_how_to_get_one(seeded: None) -> None:
    done = manage("run_cycle", "--symbols", "BTC/USD")

    assert done.returncode == 3
    assert "no worker answers within 10 s: start `manage.py up`" in done.stderr
    assert not Cycle.objects.exists()


def test_an_engaged_switch_aborts_the_cycle_and_maintenance_still_runs(system: System) -> None:
    assert manage("kill_switch", "engage", "--reason", "test").returncode == 0

    trading, maintenance = run_cycle_json("--symbols", "BTC/USD"), run_cycle_json("--type", "maintenance")

    assert (trading["status"], trading["reason"]) == ("aborted", "kill_switch")
    assert maintenance["status"] == "completed"
