"""Steps of the clocks are noticed, and each is said once: event, critical line, notice, doctor and metric."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from orchestrator_project.observability.metric_kinds import Totals
from orchestrator_project.observability.metric_totals import add_clock_steps
from orchestrator_project.runtime.doctor.market import clock_steps
from tests.factories import make_agent, make_cycle
from tests.trading.events.validity import problems
from tests.trading.outside import Outside
from tests.trading.scenes import ago
from trading.core import cycle_log
from trading.domain.clocks import THRESHOLD_SECONDS, Clock, Offsets, Step, market_step, steps_between
from trading.events import notifying, outbox
from trading.events.consuming import take
from trading.execution.portfolio import sync_portfolio
from trading.market import clock_watch
from trading.market.market_time import market_now
from trading.models import AgentStatus, Event, NoticeMessage, SymbolLook
from trading.queries.event_words import line_of

T0 = 1_790_000_000.0
BY = st.floats(-7200, 7200)
BEYOND = BY.filter(lambda by: abs(by) > 2 * THRESHOLD_SECONDS)


class Clocks:
    """The machine's and the database's clock, moved by hand; time passes a second a look."""

    def __init__(self) -> None:
        self.passed, self.machine, self.database = 100.0, T0, T0

    def __call__(self, _: object = None) -> Offsets:
        self.passed += 1
        return Offsets(self.passed, self.machine, self.database)

    def step(self, *, machine: float = 0.0, database: float = 0.0) -> None:
        self.machine += machine
        self.database += database


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch, transactional_db: None) -> Clocks:
    clocks = Clocks()
    monkeypatch.setattr(clock_watch, "_offsets", clocks)
    make_agent()
    clock_watch.look()
    return clocks


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("where", ["sync", "log"])
def test_clock_that_was_set_back_while_nothing_ran_is_told_at_the_start(where: str) -> None:
    """Hours ahead, stopped, set right, started: no clock moves any more, and only what is stored tells of it."""
    clock_watch.forget()
    ahead = ago(hours=-2)
    agent = make_agent(market_time_read_at=ago(seconds=5), positions_as_of=ago(seconds=5))
    cycle_log.record_warning(make_cycle(status="running").pk, operation="news", message="late")
    if where == "sync":
        AgentStatus.objects.update(market_time_read_at=ahead, positions_as_of=ahead)
    else:
        Event.objects.update(occurred_at=ahead)

    with capture_logs() as logs:
        (step,) = clock_watch.look()
        assert clock_watch.look() == ()
        clock_watch.forget()  # a second process that starts
        assert clock_watch.look() == ()

    assert step.clock is Clock.MACHINE
    assert -7200 <= step.by_seconds < -7100
    assert [(clock, round(by, -2)) for clock, by in told()] == [("machine", -7200)]
    assert [entry["found_at_start"] for entry in logs if entry["event"] == "clock_stepped"] == [True]
    assert market_now() is None
    agent.refresh_from_db()
    assert agent.market_time_read_at < ago(minutes=5)
    line = line_of(Event.objects.get(type="clock.stepped"))
    assert line is not None
    assert "while nothing ran" in line


@pytest.mark.django_db(transaction=True)
def test_start_with_nothing_to_come_tells_of_no_step() -> None:
    clock_watch.forget()
    make_agent(market_time_read_at=ago(seconds=-20), positions_as_of=ago(hours=3))

    assert clock_watch.look() == ()
    assert told() == []


def told() -> list[tuple[str, float]]:
    rows = Event.objects.filter(type="clock.stepped").order_by("position")
    return [(row.payload["clock"], row.payload["by_seconds"]) for row in rows]


@pytest.mark.parametrize("by", [-7200.0, -85.0, 85.0, 7200.0])
@pytest.mark.parametrize(
    ("which", "clock"),
    [
        (("machine",), "machine"),
        (("database",), "database"),
        (("machine", "database"), "machine and database"),
    ],
)
def test_each_step_is_told_once(clocks: Clocks, which: tuple[str, ...], clock: str, by: float) -> None:
    for _ in range(5):
        assert clock_watch.look() == ()
    clocks.step(**dict.fromkeys(which, by))

    with capture_logs() as lines:
        looks = [clock_watch.look() for _ in range(20)]

    assert [len(look) for look in looks] == [1] + [0] * 19
    assert told() == [(clock, by)]
    (line,) = [line for line in lines if line["log_level"] == "critical"]
    assert (line["event"], line["clock"], line["by_seconds"]) == ("clock_stepped", clock, by)
    before, after = datetime.fromisoformat(line["before"]), datetime.fromisoformat(line["after"])
    assert (after - before).total_seconds() == pytest.approx(by, abs=0.01)


@pytest.mark.parametrize("by", [-1.0, 1.0, 4.9])
def test_small_steps_are_no_news_until_they_add_up(clocks: Clocks, by: float) -> None:
    clocks.step(machine=by)
    assert clock_watch.look() == ()
    clocks.step(machine=6 * by)

    clock_watch.look()

    assert [clock for clock, _ in told()] == ["machine"]


def test_clock_without_rest_is_told_once_in_ten_minutes(clocks: Clocks) -> None:
    """With all that it moved since."""
    for _ in range(600):
        clocks.step(machine=10, database=10)
        clock_watch.look()
    assert len(told()) == 1

    for _ in range(3):
        clock_watch.look()

    assert told() == [("machine and database", 10.0), ("machine and database", 5990.0)]


def test_clock_that_is_set_right_again_at_once_is_told_once(clocks: Clocks) -> None:
    clocks.step(machine=3600)
    clock_watch.look()
    clocks.step(machine=-3600)
    clock_watch.look()
    assert told() == [("machine", 3600.0)]
    clocks.passed += clock_watch.QUIET_SECONDS

    clock_watch.look()

    assert told() == [("machine", 3600.0), ("machine", -3600.0)]


def test_look_that_took_long_or_saw_the_step_happen_concludes_nothing(
    monkeypatch: pytest.MonkeyPatch, transactional_db: None
) -> None:
    passed, wall = iter([100.0, 103.0, 104.0, 104.1]), iter([T0, T0 + 3, T0 + 4, T0 + 4 - 85])
    monkeypatch.setattr(clock_watch, "seconds_passed", lambda: next(passed))
    monkeypatch.setattr(clock_watch.time, "time", lambda: next(wall))

    assert clock_watch._offsets() is None
    assert clock_watch._offsets() is None


@pytest.mark.django_db
def test_steady_clocks_are_no_news(django_assert_num_queries: Callable[..., Any]) -> None:
    """The real ones; a look costs one statement."""
    clock_watch.look()

    with django_assert_num_queries(1):
        assert clock_watch.look() == ()


@pytest.mark.parametrize("by", [-85.0, 85.0])
def test_what_was_read_before_the_machines_step_is_not_used(clocks: Clocks, by: float) -> None:
    """After a step back of some seconds an old reading would look young, and its market time lag behind."""
    AgentStatus.objects.update(market_time=ago(), market_time_read_at=ago(seconds=3))
    SymbolLook.objects.create(symbol="AAPL", looked_at=ago(seconds=-7200))
    SymbolLook.objects.create(symbol="MSFT", looked_at=ago(seconds=90))
    clocks.step(machine=by)

    clock_watch.look()

    assert market_now() is None
    looks = dict(SymbolLook.objects.values_list("symbol", "looked_at"))
    assert looks["MSFT"] < ago(seconds=60) < looks["AAPL"] <= ago()


def test_step_of_another_machines_database_leaves_our_readings(clocks: Clocks) -> None:
    AgentStatus.objects.update(market_time=ago(), market_time_read_at=ago(seconds=3))
    clocks.step(database=-7200)

    clock_watch.look()

    assert market_now() is not None


def test_step_becomes_one_notice_one_line_of_doctor_and_one_count(clocks: Clocks) -> None:
    assert clock_steps().found == "none was noticed"
    clocks.step(machine=-85, database=-85)
    for _ in range(3):
        clock_watch.look()

    (row,) = outbox.next_batch()
    event = outbox.published_form(row, source=outbox.our_source())
    assert problems(event) == []
    take(notifying.our_notices(), json.dumps(event))
    notifying.make_messages()

    message = NoticeMessage.objects.get()
    assert message.title == "Trading Orchestrator: the machine and database's clock stepped back"
    assert "By -85.0 s" in message.body
    assert "stepped by -85.0 s" in clock_steps().found
    counted = add_clock_steps(Totals()).counters["clock_steps"]
    assert {labels[0]: n for labels, n in counted.items()} == {
        "machine": 0,
        "database": 0,
        "machine and database": 1,
        "market": 0,
    }


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("by", "may_jump", "steps"),
    [
        (-7200, False, 1),
        (-85, False, 1),
        (-1, False, 0),
        (85, False, 1),
        (7200, False, 1),
        (-85, True, 1),
        (7200, True, 0),
    ],
)
def test_market_time_that_jumps_is_told_once(by: float, may_jump: bool, steps: int) -> None:
    make_agent()
    now = datetime.now(UTC)
    clock_watch.note_market_clock(now, may_jump=may_jump)

    clock_watch.note_market_clock(now + timedelta(seconds=by), may_jump=may_jump)
    clock_watch.note_market_clock(now + timedelta(seconds=by + 0.1), may_jump=may_jump)
    clock_watch.forget()  # another process, which is told the same
    clock_watch.note_market_clock(now, may_jump=may_jump)
    clock_watch.note_market_clock(now + timedelta(seconds=by), may_jump=may_jump)

    assert [clock for clock, _ in told()] == ["market"] * steps


@pytest.mark.django_db
def test_syncs_watch_the_brokers_clock(account: Outside) -> None:
    sync_portfolio(None)
    clock_watch.note_market_clock(ago(seconds=-10), may_jump=True)  # the venue's market lies in the past

    sync_portfolio(None)

    assert [clock for clock, _ in told()] == ["market"]
    assert market_now() is not None


@given(machine=BEYOND, database=BEYOND)
def test_steps_are_what_moved(machine: float, database: float) -> None:
    steps = steps_between(Offsets(1, T0, T0), Offsets(2, T0 + machine, T0 + database))

    if abs(machine - database) <= THRESHOLD_SECONDS:
        assert [step.clock for step in steps] == [Clock.BOTH]
    else:
        assert [(s.clock, s.by_seconds) for s in steps] == [
            (Clock.MACHINE, pytest.approx(machine, abs=1e-3)),
            (Clock.DATABASE, pytest.approx(database, abs=1e-3)),
        ]


@given(seconds=st.floats(0, 1e6), drift=st.floats(-THRESHOLD_SECONDS / 2, THRESHOLD_SECONDS / 2))
def test_time_that_passes_is_no_step(seconds: float, drift: float) -> None:
    assert steps_between(Offsets(1, T0, T0), Offsets(1 + seconds, T0 + drift, T0 - drift)) == ()
    assert market_step(first=(T0, 1), then=(T0 + seconds + drift, 1 + seconds), may_jump=False) is None
    assert isinstance(market_step(first=(T0, 1), then=(T0 - 60, 1), may_jump=True), Step)
