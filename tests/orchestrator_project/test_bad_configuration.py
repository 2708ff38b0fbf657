"""Bad configuration is refused by the real commands, by name, before anything is done."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import forked
from tests.connectors.venue.tiny import COIN_HEADER, STOCK_HEADER, write_csv
from tests.paths import ROOT

COIN = "BTC/USD,2020-10-15,1,2,1,2,5"


def manage(command: str, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run a command as a user would."""
    keep = {k: v for k, v in os.environ.items() if k not in ("DATABASE_URL", "REDIS_URL")}
    return subprocess.run(
        [sys.executable, "manage.py", command, *arguments],
        cwd=ROOT,
        env=keep | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def venue(data: Path, state: Path) -> "subprocess.CompletedProcess[str]":
    """Run the venue's own command line."""
    command = [sys.executable, "-m", "connectors.venue", "--data", str(data), "--state", str(state)]
    return forked.run(command, env=os.environ, seconds=120)


@pytest.mark.parametrize("command", ["up", "doctor", "run_cycle"])
def test_bad_values_stop_every_command_before_it_does_anything(command: str, tmp_path: Path) -> None:
    home = tmp_path / "home"

    done = manage(
        command,
        ORCHESTRATOR_HOME=str(home),
        AI_DAILY_BUDGET_USD="-1",
        ORCHESTRATOR_MODE="auto",
        AI_MODLES="gpt",
        VENUE_DATA=str(tmp_path / "nowhere"),
    )

    assert done.returncode == 2
    assert done.stdout == ""
    said = done.stderr
    assert (
        "AI_DAILY_BUDGET_USD: was '-1', expected an amount in USD that is not negative, e.g. 5 or 2.50"
        in said
    )
    assert "ORCHESTRATOR_MODE: was 'auto', expected autonomous, semi_auto or manual" in said
    assert "AI_MODLES: was '***', expected a name that this project knows; the nearest is AI_MODELS" in said
    assert "nowhere', expected a folder with .csv or .csv.gz files" in said
    assert "Traceback" not in said
    assert not home.exists()


def test_near_miss_is_a_warning_and_no_stop(tmp_path: Path) -> None:
    done = manage("version", ALPCA_API_KEY="PKSECRET", ORCHESTRATOR_HOME=str(tmp_path / "home"))

    assert done.returncode == 0
    assert (
        done.stderr.splitlines()[0]
        == "warning: ALPCA_API_KEY: is set and nothing reads it, did you mean ALPACA_API_KEY?"
    )
    assert "PKSECRET" not in done.stdout + done.stderr


def test_processes_of_a_supervisor_do_not_repeat_the_warning() -> None:
    done = manage("version", ALPCA_API_KEY="k", SUPERVISED_BY="1")

    assert "warning: ALPCA" not in done.stderr


@pytest.mark.parametrize(
    ("name", "header", "rows", "said"),
    [
        (
            "a.csv",
            "symbol,timestamp,open,high,low,close",
            [],
            "a.csv has no column volume (line 1); expected symbol,",
        ),
        (
            "a.csv",
            COIN_HEADER,
            [COIN, "BTC/USD,2020-10-16,1,2,1,two,5"],
            "a.csv has 1 rows whose close is not a number (first: line 3, 'two'); expected a decimal number",
        ),
        (
            "a.csv",
            COIN_HEADER,
            [COIN, "BTC/USD,2020-10-14,1,2,1,2,5"],
            "line 3, timestamp '2020-10-14' of BTC/USD is out of order after line 2); expected one row",
        ),
        (
            "a.csv.gz",
            COIN_HEADER,
            [COIN, COIN],
            "line 3, timestamp '2020-10-15' of BTC/USD is doubled after line 2",
        ),
        ("a.csv", COIN_HEADER, [], "a.csv has a header and no rows; expected rows from line 2 on"),
        (
            "a.csv",
            STOCK_HEADER,
            ["AAA,2020-10-14,1,2,1,2,2,5,0,1", "BTC/USD,2020-10-14,1,2,1,2,2,5,0,1"],
            "a.csv has 1 rows whose symbol does not fit (first: line 3, 'BTC/USD'); expected a stock like AAPL",
        ),
        (
            "a.csv",
            COIN_HEADER,
            [COIN, "BTC/USD,2020-10-16,1,2"],
            "a.csv has 1 lines with another number of fields than its header (first: line 3 with 4); expected the 7",
        ),
    ],
)
def test_venue_refuses_broken_prices_by_file_line_and_field(
    name: str, header: str, rows: list[str], said: str, tmp_path: Path
) -> None:
    data, state = tmp_path / "data", tmp_path / "state"
    write_csv(data, name, header, rows)

    done = venue(data, state)

    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not state.exists() or not list(state.iterdir())


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", b"", "a.csv is empty; expected a header in line 1"),
        ("a.csv.gz", b"symbol,timestamp\n", "a.csv.gz is not gzip; expected what its name says"),
    ],
)
def test_venue_refuses_files_that_are_not_what_they_are_called(
    name: str, content: bytes, said: str, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / name).write_bytes(content)

    done = venue(data, tmp_path / "state")

    assert (done.returncode, said in done.stderr) == (2, True)
