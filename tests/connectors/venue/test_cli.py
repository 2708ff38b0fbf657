"""What the command line refuses: one sentence, exit code 2."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.connectors.venue.test_state import run
from tests.connectors.venue.tiny import COIN_HEADER, write_csv
from tests.paths import ROOT


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--host", "0.0.0.0"], "The host 0.0.0.0 (--host) is not a loopback address"),  # noqa: S104 - refused
        (["--host", "example.org"], "The host example.org (--host) is not a loopback address"),
        (["--port", "70000"], "The value 70000 (--port) is out of range"),
        (["--speed", "nan"], "The value nan (--speed) is out of range"),
        (["--partial-rate", "2"], "(--partial-rate) is out of range; expected 0 to 1"),
        (["--start", "soon"], "'soon' (--start) cannot be read"),
        (["--start", "1999-01-01T10:00"], "(--start) lies outside the data, which runs from 2018-01-02"),
        (["--data", "/nowhere/at/all"], "The data folder /nowhere/at/all does not exist"),
    ],
)
def test_bad_argument_is_one_sentence_and_exit_2(tmp_path: Path, arguments: list[str], said: str) -> None:
    result = run("--state", str(tmp_path / "state"), *arguments)

    assert result.returncode == 2
    assert said in result.stderr
    assert result.stderr.count("\n") == 1


def test_bad_file_is_one_sentence_and_exit_2(tmp_path: Path) -> None:
    write_csv(
        tmp_path / "d", "c.csv", COIN_HEADER, ["BTC/USD,2020-10-15,x,2,1,2,5", "BTC/USD,2020-10-16,y,2,1,2,5"]
    )

    result = run("--state", str(tmp_path / "state"), "--data", str(tmp_path / "d"))

    assert result.returncode == 2
    assert "c.csv has 2 rows whose open is not a number (first: line 2, 'x')" in result.stderr


def test_port_in_use_is_one_sentence_and_exit_2(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = run("--state", str(tmp_path), "--port", str(port))

    assert result.returncode == 2
    assert f"The venue cannot listen on 127.0.0.1:{port}" in result.stderr
    assert "choose another" in result.stderr


def test_help_names_every_argument() -> None:
    command = [sys.executable, "-m", "connectors.venue", "--help"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert result.returncode == 0
    for name in ("host", "port", "data", "state", "start", "speed", "seed", "address-file"):
        assert f"--{name}" in result.stdout


def test_address_file_that_cannot_be_written_is_one_sentence_and_exit_2(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    result = run("--state", str(tmp_path / "state"), "--address-file", str(tmp_path / "file" / "address"))

    assert result.returncode == 2
    assert "(--address-file) cannot be written" in result.stderr
