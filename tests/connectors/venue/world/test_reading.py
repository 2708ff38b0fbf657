"""Prices read in a process of their own are the same, to the last bit, and leave nothing else behind."""

import hashlib
import os
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from connectors.venue.errors import VenueInputError
from connectors.venue.world import loader, reading
from connectors.venue.world.model import Series, World
from tests.connectors.venue.tiny import tiny_world
from tests.paths import ROOT

VENUE = (
    "import sys; from pathlib import Path; from connectors.venue.app import VenueOptions, build_venue;"
    " build_venue(VenueOptions(data=Path(sys.argv[1]), state=Path(sys.argv[2]), start=None));"
    " print('pandas' in sys.modules)"
)


def digest(world: World) -> str:
    """Return a digest of everything in a world: each bit of each price."""
    found = hashlib.sha256()
    for member in fields(world):
        value = getattr(world, member.name)
        if member.name not in ("daily", "minute"):
            found.update(repr(value.tolist() if isinstance(value, np.ndarray) else value).encode())
            continue
        for symbol, series in value.items():
            found.update(f"{symbol} {series.step}".encode())
            for column in fields(Series)[:-1]:
                rows = getattr(series, column.name)
                found.update(str(rows.dtype).encode() + rows.tobytes())
    return found.hexdigest()


def test_world_is_the_same_to_the_last_bit(tmp_path: Path) -> None:
    folder = tiny_world(tmp_path / "d")

    assert digest(reading.read_world(folder, 7)) == digest(loader.load_world(folder, 7))


def test_venue_does_not_keep_the_library_that_read_its_files(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", VENUE, str(tiny_world(tmp_path / "d")), str(tmp_path / "state")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.split() == ["False"]


def test_what_is_wrong_with_a_file_is_said_in_the_same_words(tmp_path: Path) -> None:
    (tmp_path / "broken.csv").write_text("symbol,when\nAAPL,now\n")

    with pytest.raises(VenueInputError, match=r"broken\.csv") as direct:
        loader.load_world(tmp_path, 7)
    with pytest.raises(VenueInputError, match=r"broken\.csv") as apart:
        reading.read_world(tmp_path, 7)

    assert str(apart.value) == str(direct.value)


def test_a_reader_that_is_killed_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loader, "load_world", lambda *_, **__: os.kill(os.getpid(), 9))

    with pytest.raises(VenueInputError, match="exit code -9; expected enough memory"):
        reading.read_world(tmp_path, 7)
