"""Options of the chaos suite: ``make chaos`` runs it long."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from django.conf import settings

from tests.chaos.weather import WORSE
from tests.factories import make_agent, make_limits
from tests.trading.outside import Outside
from tests.venue_process import VenueProcess


@dataclass(frozen=True, slots=True)
class Length:
    """How much of everything: the short form is part of every run of the suite."""

    is_long: bool
    seed: int
    kills: int
    seconds: float
    pause: float
    trials: int
    first: int
    stops: int | None
    cycles: int | None
    stream: str


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options; without this folder among the arguments the defaults hold."""
    group = parser.getgroup("chaos")
    group.addoption("--chaos-seed", type=int, default=None, help="repeat the choices of a run")
    group.addoption("--chaos-kills", type=int, default=None, help="how many kills")
    group.addoption("--chaos-stops", type=int, default=None, help="how many trials with stopped processes")
    group.addoption("--chaos-cycles", type=int, default=None, help="how many cycles a soak has")
    told = "what is worse than usual of the stream of trade updates, or of replies to orders; short form: all"
    group.addoption("--chaos-stream", choices=sorted(WORSE), default=None, help=told)
    group.addoption("--chaos-first", type=int, default=0, help="the number of the first of them: to go on")


@pytest.fixture(scope="session")
def length(request: pytest.FixtureRequest) -> Length:
    """The form of this run."""
    is_long = bool(request.config.getoption("--long", default=False))
    seed = request.config.getoption("--chaos-seed", default=None)
    kills = request.config.getoption("--chaos-kills", default=None)
    return Length(
        is_long=is_long,
        seed=20_261_122 if seed is None else int(seed),
        kills=int(kills or (510 if is_long else 12)),
        seconds=2_700.0 if is_long else max(300.0, 8.0 * int(kills or 0)),  # a busy machine kills slowly
        pause=1.2 if is_long else 0.5,
        trials=200 if is_long else 25,
        first=int(request.config.getoption("--chaos-first", default=0)),
        stops=request.config.getoption("--chaos-stops", default=None),
        cycles=request.config.getoption("--chaos-cycles", default=None),
        stream=request.config.getoption("--chaos-stream", default=None) or ("usual" if is_long else "all"),
    )


@pytest.fixture
def trading_account(transactional_db: None) -> Iterator[Outside]:
    """A venue of the test's own, its clock held during a session, and an autonomous agent with limits."""
    address = Path(settings.ENVIRONMENT.orchestrator_home) / "venue.json"
    with VenueProcess(is_forked=True) as venue:
        address.write_text(json.dumps({"url": venue.url, "pid": venue.pid, "world": "synthetic"}))
        venue.clock(paused=True)
        make_agent(mode="autonomous")
        make_limits()
        yield Outside(venue)
        address.unlink()


@pytest.fixture
def say(request: pytest.FixtureRequest) -> "Say":
    """Write a line past the capture, so that a long run shows how it goes."""
    return Say(request.config)


class Say:
    """Lines on the terminal, through pytest's own writer."""

    def __init__(self, config: pytest.Config) -> None:
        self._reporter = config.pluginmanager.get_plugin("terminalreporter")
        self._capture = config.pluginmanager.get_plugin("capturemanager")

    def __call__(self, line: str) -> None:
        if self._reporter is None or self._capture is None:
            return
        with self._capture.global_and_fixture_disabled():
            self._reporter.ensure_newline()
            self._reporter.write_line(line)
