"""An order leaves with its proof, or not at all; a process that is stopped in between sends nothing afterwards."""

import os
import signal
import subprocess
import sys
import time

import pytest

from connectors import departure
from connectors.base import BrokerOrder
from connectors.errors import OutcomeUnknownError
from tests.connectors import samples
from tests.connectors.alpaca.test_submit_order import make_request
from tests.connectors.conftest import make_broker
from tests.connectors.server import Answer, ProviderServer
from tests.waiting import wait_until


class NotAllowedError(Exception):
    pass


def timer_runs() -> bool:
    return signal.getitimer(signal.ITIMER_REAL)[0] > 0


def submit(server: ProviderServer, permit: object) -> BrokerOrder:
    return make_broker(server).submit_order(make_request(), permit=permit)  # type: ignore[arg-type]


def test_permit_is_asked_once_before_the_first_byte_under_a_timer(server: ProviderServer) -> None:
    server.on("POST", "/v2/orders", Answer(samples.order()))
    asked: list[tuple[int, bool]] = []

    submit(server, lambda: asked.append((len(server.seen), timer_runs())))

    assert asked == [(0, True)]
    assert len(server.requests_to("/v2/orders")) == 1
    assert not timer_runs()


def test_what_the_permit_raises_passes_and_nothing_was_sent(server: ProviderServer) -> None:
    server.on("POST", "/v2/orders", Answer(samples.order()))

    def refuse() -> None:
        raise NotAllowedError

    with pytest.raises(NotAllowedError):
        submit(server, refuse)

    assert server.seen == []
    assert not timer_runs()


def test_proof_that_has_grown_old_sends_nothing(
    server: ProviderServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.on("POST", "/v2/orders", Answer(samples.order()))
    passed = [0.0]
    monkeypatch.setattr(departure, "elapsed_seconds", lambda: passed[0])

    def stopped_meanwhile() -> None:
        passed[0] += departure.LAST_BYTE_SECONDS + 1

    with pytest.raises(OutcomeUnknownError, match="stopped too long"):
        submit(server, stopped_meanwhile)

    assert server.seen == []
    assert not timer_runs()


def test_timer_is_wound_for_the_departure_that_is_due_first() -> None:
    first, second = (departure.Departure(lambda: None) for _ in range(2))

    first.allow()
    due_first = signal.getitimer(signal.ITIMER_REAL)[0]
    second.allow()
    both = signal.getitimer(signal.ITIMER_REAL)[0]
    first.has_left()
    then = signal.getitimer(signal.ITIMER_REAL)[0]
    second.has_left()

    assert 0 < both <= due_first <= departure.ENDS_PROCESS_SECONDS
    assert both <= then <= departure.ENDS_PROCESS_SECONDS
    assert not timer_runs()


SENDER = """
import os, signal, sys
from connectors import departure
from connectors.alpaca.broker import AlpacaBroker
from tests.connectors.alpaca.test_submit_order import make_request

departure.ENDS_PROCESS_SECONDS = 1.0
departure.LAST_BYTE_SECONDS = 1e9  # the kernel's bound alone
stop = lambda: os.kill(os.getpid(), signal.SIGSTOP)
AlpacaBroker("key", "secret", sys.argv[1]).submit_order(make_request(), permit=stop)
"""


@pytest.mark.parametrize("stopped_seconds", [0.0, 2.0])
def test_kernel_ends_a_process_that_was_stopped_between_proof_and_request(
    server: ProviderServer, stopped_seconds: float
) -> None:
    server.on("POST", "/v2/orders", Answer(samples.order()))
    with subprocess.Popen([sys.executable, "-c", SENDER, server.url], stderr=subprocess.PIPE) as sender:
        wait_until(lambda: _state(sender.pid) == "T", seconds=180, what="the sender is stopped")
        time.sleep(stopped_seconds)
        os.kill(sender.pid, signal.SIGCONT)
        code = sender.wait(60)

    if stopped_seconds:
        assert code == -signal.SIGALRM
        assert server.seen == []
    else:
        assert code in (0, -signal.SIGALRM)  # a machine this slow counts as a stop


def _state(pid: int) -> str:
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rpartition(")")[2].split()[0]
