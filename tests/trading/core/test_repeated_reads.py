"""Reads are repeated as the settings say, within their stage's time: every stage, and its requests counted."""

from collections.abc import Callable
from typing import Any

import pytest

from connectors.errors import UnavailableError
from connectors.transport import BoundedSession, SendError
from tests.factories import make_cycle, make_strategy
from tests.trading.outside import COIN, STOCK, Outside
from trading.core import repeated_reads
from trading.core.repeated_reads import read_repeatedly
from trading.core.settings import set_runtime_setting
from trading.cycle import fetching, finishing
from trading.market.assets import refresh_assets
from trading.market.headlines import fetch_headlines
from trading.models import Cycle

pytestmark = pytest.mark.django_db


def settle(**values: str) -> None:
    for name, value in values.items():
        set_runtime_setting(name=name, value=value, actor="test")


def failing(calls: list[float]) -> Callable[[float], None]:
    def fail(left: float) -> None:
        calls.append(left)
        raise UnavailableError("alpaca", "account", "HTTP 503")

    return fail


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Let the pauses pass at once; return how long they would have been."""
    slept: list[float] = []
    real = repeated_reads.call_with_retry
    monkeypatch.setattr(
        repeated_reads, "call_with_retry", lambda call, **more: real(call, sleep=slept.append, **more)
    )
    return slept


def test_three_attempts_a_second_doubled_and_jitter_unless_somebody_says_otherwise(
    pauses: list[float],
) -> None:
    calls: list[float] = []

    with pytest.raises(UnavailableError):
        read_repeatedly(failing(calls), within_seconds=60)

    assert len(calls) == 3
    assert 1 <= pauses[0] <= 2
    assert 2 <= pauses[1] <= 3


def test_settings_reach_reads(pauses: list[float]) -> None:
    settle(read_attempts="5", retry_base="2", retry_factor="3", retry_cap="10")
    calls: list[float] = []

    with pytest.raises(UnavailableError):
        read_repeatedly(failing(calls), within_seconds=600)

    assert len(calls) == 5
    assert 2 <= pauses[0] <= 4
    assert 6 <= pauses[1] <= 8
    assert pauses[2:] == [10, 10]


def test_no_attempt_begins_that_could_not_end_in_time() -> None:
    calls: list[float] = []

    with pytest.raises(UnavailableError):
        read_repeatedly(failing(calls), within_seconds=1.5)

    assert len(calls) == 1


def test_requests_of_an_attempt_end_with_the_time_of_all() -> None:
    def late(left: float) -> None:
        assert left == 0
        session = BoundedSession("http://127.0.0.1:1", connect_timeout_seconds=3, total_timeout_seconds=5)
        session.get("http://127.0.0.1:1/")

    with pytest.raises(SendError, match="no time is left"):
        read_repeatedly(late, within_seconds=0)


def stocks(cycle: Cycle) -> object:
    return fetching.fetch_stocks(cycle.pk, [STOCK], batch_count=1)


def coins(cycle: Cycle) -> object:
    return fetching.fetch_coins(cycle.pk, [COIN])


def news(cycle: Cycle) -> object:
    return fetch_headlines(cycle.pk, [STOCK])


def account_of(cycle: Cycle) -> object:
    return fetching.fetch_account(cycle.pk)


def finish(cycle: Cycle) -> object:
    Cycle.objects.filter(pk=cycle.pk).update(stage="executing")
    return finishing.finish_cycle(cycle.pk)


def assets(cycle: Cycle) -> object:
    return refresh_assets()


READS = [
    ("/v2/stocks/snapshots", stocks),
    ("/v1beta3/crypto/us/snapshots", coins),
    ("/v2/stocks/bars", stocks),
    ("/v1beta3/crypto/us/bars", coins),
    ("/v1beta1/news", news),
    ("/v2/account", account_of),
    ("/v2/account", finish),
    ("/v2/assets", assets),
]


@pytest.mark.parametrize(("path", "read"), READS, ids=lambda value: getattr(value, "__name__", value))
def test_every_read_is_asked_three_times(account: Outside, path: str, read: Callable[[Cycle], Any]) -> None:
    settle(retry_base="0.1", limit_alpaca_data="1000", breaker_failures="100")
    make_strategy()
    cycle = make_cycle(status="running", symbols=[STOCK, COIN])
    account.venue.fault(kind="error", status=503, route=f"GET {path}", times=2)

    read(cycle)

    asked = [request["status"] for request in account.requests() if request["path"] == path]
    assert asked[:3] == [503, 503, 200]
    cycle.refresh_from_db()
    assert cycle.errors == []
