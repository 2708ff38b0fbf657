"""A sender stopped on each line between the claim of an order and its request, while another worker takes over.

Judged at the venue: no order is posted when it is too old, or after it was concluded; nothing is doubled or sold
twice, nothing is short. A sender that is continued may post, hold back, or die; the order's truth is one.
"""

import json
import math
import random
import signal
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import psutil
import pytest

from connectors.departure import LAST_BYTE_SECONDS
from tests import forked
from tests.chaos.conftest import Length, Say
from tests.chaos.engaging import LOADING_SECONDS
from tests.chaos.floor import engage_environment, next_cycle
from tests.chaos.monitors import moment_of
from tests.chaos.second_worker import READY
from tests.chaos.stopping import Stops, is_stopped, stops
from tests.factories import make_limits, switch_guards_off
from tests.trading.outside import PROTECTS, Outside
from tests.trading.scenes import advanced_to_its_end, forget_prices
from tests.waiting import wait_until
from trading.core.settings import set_runtime_setting
from trading.domain.statuses import OrderStatus
from trading.execution import decision_execution
from trading.execution.portfolio import sync_portfolio
from trading.models import AIDecision, Order, Saga

pytestmark = [pytest.mark.system, pytest.mark.django_db(transaction=True), pytest.mark.timeout(60_000)]
CONCLUDED = (OrderStatus.FAILED, OrderStatus.EXPIRED, OrderStatus.CANCELED, OrderStatus.REJECTED)
BATCH = {True: 10, False: 10}  # senders at once
HELD = Decimal(3)


@dataclass(frozen=True, slots=True)
class Pace:
    """The product's limits in seconds, as they are or all made small by the same measure."""

    shortened: dict[str, float]
    order_timeout: int
    age: float  # an order older than this is not posted
    stop_seconds: tuple[float, float]

    @property
    def oldest(self) -> float:
        """The age at which a request may begin at the latest: proved young, then bounded."""
        return self.age + max(self.order_timeout, LAST_BYTE_SECONDS) + 1.0


LONG = Pace({}, 10, 60.0, (1.0, 180.0))
# The lease outlives the age: who takes over then finds an order that is too old to be sent, however fast all starts.
QUICK = Pace({"REQUEST_LEASE": 10.0, "INTENT_MAX_AGE": 8.0, "QUIET": 4.0}, 1, 8.0, (16.0, 16.0))


@dataclass(slots=True)
class Sender:
    """One that is stopped: its saga, the line, and what became of it."""

    symbol: str
    saga: Saga
    line: str | None
    process: ForkServerProcess
    record: Path
    side: str
    seconds: float = 0.0
    stopped_at: float | None = None
    concluded: tuple[str, float] | None = None  # its order's status, and when another worker had written it
    again: Saga | None = None

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid or 0


@dataclass(slots=True)
class Tally:
    """Figures of all batches, and a sentence for each broken promise."""

    stops: int = 0
    lines: set[str] = field(default_factory=set)
    missed: int = 0
    taken_over: int = 0
    posted_late: int = 0
    killed: int = 0
    findings: list[str] = field(default_factory=list)


class Stage:
    """The account, its venue, and the processes that meet in one batch."""

    def __init__(self, outside: Outside, folder: Path, pace: Pace) -> None:
        self.outside = outside
        self.folder = folder
        self.pace = pace
        make_limits(max_exposure_percent=Decimal(90), max_positions=200, max_daily_loss_percent=Decimal(50))
        switch_guards_off()
        set_runtime_setting(name="order_timeout", value=str(pace.order_timeout), actor="test")
        set_runtime_setting(name="saga_timeout", value="3600", actor="test")
        set_runtime_setting(name="critical_errors", value="100", actor="test")
        forget_prices()
        listed = outside.venue.get("/v2/assets?asset_class=us_equity&status=active")
        self.symbols = [one["symbol"] for one in listed if one["fractionable"]]
        self.awaits_takeover = 0.0  # seconds for which a sender stands still until its order is concluded
        self._number = 0

    def lines(self, side: str) -> list[str]:
        """Return the lines of the region, in the order in which a sender passes them."""
        symbol = self.symbols[-1]
        if side == "sell":
            self.outside.hold(symbol, HELD)
        saga = self._passed([symbol], side)[0]
        sender = self._send(saga, symbol, None, side)
        sender.process.join(LOADING_SECONDS)
        told = json.loads(sender.record.read_text())
        assert len(told["passed"]) > 20, f"the region was not found: {self._log(sender)}"
        advanced_to_its_end(saga.pk)  # the fill may have come after the sender's only look
        return list(told["passed"])

    def begin_one(self, line: str) -> Sender:
        """Start one sender of a new order, which will stop on a line."""
        symbol = self.symbols[0]
        return self._send(self._passed([symbol], "buy")[0], symbol, line, "buy")

    def play(self, wanted: Sequence[tuple[str, str]], tally: Tally, chance: random.Random) -> None:
        """Stop one sender on each line of a side, let another worker take over, let them go on, and judge."""
        plan = [(symbol, *one) for symbol, one in zip(self.symbols, wanted, strict=False)]
        for symbol in [symbol for symbol, side, _ in plan if side == "sell"]:
            self.outside.hold(symbol, HELD)
        sagas: dict[str, Saga] = {}
        for group in ("buy", "sell"):
            symbols = [symbol for symbol, side, _ in plan if side == group]
            sagas |= dict(zip(symbols, self._passed(symbols, group) if symbols else [], strict=True))
        began = time.monotonic()
        senders = [self._send(sagas[symbol], symbol, line, side) for symbol, side, line in plan]
        with stops() as standing, self._second_worker():
            for sender in senders:
                self._wait_for_the_stop(sender, standing)
            for sender in senders:
                low, high = self.pace.stop_seconds
                sender.seconds = math.exp(chance.uniform(math.log(low), math.log(high)))
            self._wait_until_all_went_on(senders, standing)
            self._end(senders, tally)
        tally.findings += self._judged(senders, began, tally)
        self._clean()

    def _passed(self, symbols: Iterable[str], side: str) -> list[Saga]:
        """Return sagas that passed the gate, in a cycle of their own: the next one."""
        decisions = next_cycle(symbols, side)
        for decision in decisions:
            decision_execution.execute_decision(decision.pk)
        sagas = Saga.objects.filter(decision__in=decisions).select_related("order", "decision")
        found = {saga.order.symbol: saga for saga in sagas}
        denied = AIDecision.objects.filter(pk__in=[each.pk for each in decisions]).exclude(symbol__in=found)
        assert [(each.symbol, each.reason, each.reason_detail) for each in denied] == []
        return [found[decision.symbol] for decision in decisions]

    def _send(self, saga: Saga, symbol: str, line: str | None, side: str) -> Sender:
        self._number += 1
        record = self.folder / f"sender-{self._number}.json"
        task = {"saga": str(saga.pk), "line": line, "record": str(record), "shortened": self.pace.shortened}
        argv = [sys.executable, "-m", "tests.chaos.stopped_sender", json.dumps(task)]
        process = forked.start(argv, env=engage_environment(), log=record.with_suffix(".log"))
        return Sender(symbol, saga, line, process, record, side)

    @contextmanager
    def _second_worker(self) -> Iterator[None]:
        argv = [sys.executable, "-m", "tests.chaos.second_worker", json.dumps(self.pace.shortened)]
        self._number += 1
        log = self.folder / f"second-{self._number}.log"
        process = forked.start(argv, env=engage_environment(), log=log)
        try:
            wait_until(lambda: log.exists() and READY in log.read_text(), seconds=LOADING_SECONDS, what=READY)
            yield
        finally:
            process.terminate()
            process.join(120)
            process.kill()

    def _wait_for_the_stop(self, sender: Sender, standing: Stops) -> None:
        def has_come() -> bool:
            return is_stopped(sender.pid) or not sender.process.is_alive()

        wait_until(has_come, seconds=LOADING_SECONDS, what=f"{sender.line}: {self._log(sender)}")
        if sender.process.is_alive():
            sender.stopped_at = time.monotonic()
            standing.stop(sender.symbol, [psutil.Process(sender.pid)])

    def _wait_until_all_went_on(self, senders: list[Sender], standing: Stops) -> None:
        """Meanwhile do what the next cycle does with a symbol whose order was concluded: trade it again."""
        began = time.monotonic()
        waiting = [sender for sender in senders if sender.stopped_at is not None]
        while waiting:
            for sender in list(waiting):
                self._look(sender)
                is_awaited = sender.concluded is None and time.monotonic() < began + self.awaits_takeover
                if time.monotonic() >= began + sender.seconds and not is_awaited:
                    standing.go_on(sender.symbol)
                    waiting.remove(sender)
            time.sleep(0.1)

    def _look(self, sender: Sender) -> None:
        status = Order.objects.values_list("status", flat=True).get(pk=sender.saga.order_id)
        if sender.concluded is None and status in CONCLUDED:
            sender.concluded = (status, time.monotonic())
            sender.again = advanced_to_its_end(self._passed([sender.symbol], sender.side)[0].pk)

    def _end(self, senders: list[Sender], tally: Tally) -> None:
        """Wait for the senders and for every saga to end."""
        for sender in senders:
            sender.process.join(120)
            if sender.process.is_alive():
                tally.findings.append(f"{sender.line}: pid {sender.pid} did not end after SIGCONT")
                sender.process.kill()
            tally.killed += sender.process.exitcode == -signal.SIGALRM
        wait_until(lambda: not Saga.objects.open().exists(), seconds=150, what="the end of all sagas")

    def _judged(self, senders: list[Sender], began: float, tally: Tally) -> list[str]:
        log = [
            p for p in self.outside.venue.requests(method="POST", path="/v2/orders") if p["client_order_id"]
        ]
        log = [post for post in log if post["monotonic"] > began]
        found = []
        for sender in senders:
            tally.stops += sender.stopped_at is not None
            tally.missed += sender.stopped_at is None
            tally.taken_over += sender.concluded is not None
            if sender.stopped_at is not None and sender.line:
                tally.lines.add(sender.line)
            words = self._words(sender, log)
            tally.posted_late += len(words) > 0
            found += [
                f"{sender.side} {sender.symbol}, pid {sender.pid}, {sender.line}: {word}" for word in words
            ]
        short = [p["symbol"] for p in self.outside.venue.get("/v2/positions") if Decimal(p["qty"]) < 0]
        return found + [f"{symbol} is short" for symbol in short]

    def _words(self, sender: Sender, log: list[dict[str, Any]]) -> list[str]:
        order = Order.objects.get(pk=sender.saga.order_id)
        mine = [post for post in log if post["client_order_id"] == order.client_order_id]
        found = []
        for post in mine:
            age = (
                (moment_of(post["at"]) - order.created_at).total_seconds() + post["whole"] - post["monotonic"]
            )
            if age > self.pace.oldest:
                found.append(f"posted {age:.1f} s after it was created (stopped for {sender.seconds:.0f} s)")
            if sender.concluded and post["whole"] > sender.concluded[1]:
                late = post["whole"] - sender.concluded[1]
                found.append(
                    f"posted {late:.1f} s after another worker had concluded it {sender.concluded[0]}"
                )
        every = [
            p
            for p in log
            if p["order"]["symbol"] == sender.symbol and not PROTECTS.search(p["client_order_id"])
        ]
        names = {p["client_order_id"] for p in every if sender.side == "sell" or p["status"] == 200}
        if len(names) > 1:
            what = "sold twice" if sender.side == "sell" else "doubled"
            found.append(f"{what}: {sorted(names)}, answers {[p['status'] for p in every]}")
        return found

    def _clean(self) -> None:
        self.outside.sell_everything()
        sync_portfolio(None)

    def _log(self, sender: Sender) -> str:
        path = sender.record.with_suffix(".log")
        return path.read_text(errors="replace")[-2_000:] if path.exists() else ""


def spread(lines: Sequence[str], count: int, *, offset: float = 0.0) -> list[str]:
    """Return so many of the lines, evenly spread; the last two, next to the request, are among them."""
    step = (len(lines) - 2) / (count - 2)
    return [lines[int((n + offset) * step)] for n in range(count - 2)] + list(lines[-2:])


def _report(tally: Tally, lines: dict[str, list[str]], say: Say) -> None:
    every = len({line for known in lines.values() for line in known})
    say(
        f"stopped senders: {tally.stops} stops on {len(tally.lines)} of {every} lines, {tally.missed} not reached,"
        f" {tally.taken_over} taken over, {tally.killed} ended by their timer, {len(tally.findings)} findings"
    )
    for kind in ("posted", "doubled", "sold twice", "short"):
        say(f"stopped senders: {kind:<10} {sum(kind in words for words in tally.findings)}")
    for words in tally.findings[:40]:
        say(f"stopped senders: {words}")


def test_a_stopped_sender_never_posts_what_is_no_longer_its_to_post(
    trading_account: Outside, tmp_path: Path, length: Length, say: Say
) -> None:
    stage = Stage(trading_account, tmp_path, LONG if length.is_long else QUICK)
    lines = {side: stage.lines(side) for side in ("buy", "sell")}
    tally, chance = Tally(), random.Random(length.seed)
    if not length.is_long:
        half = BATCH[False] // 2
        chosen = [
            (side, line) for side in lines for line in spread(lines[side], half, offset=chance.random())
        ]
        stage.play(chosen, tally, chance)
    else:
        every = [(side, line) for side in lines for line in lines[side]]
        chance.shuffle(every)
        number, wanted = length.first, 200 if length.stops is None else length.stops
        while tally.stops < wanted:
            stage.play([every[(number + n) % len(every)] for n in range(BATCH[True])], tally, chance)
            number += BATCH[True]
            say(f"stopped senders: {tally.stops} stops, go on with --chaos-first {number}")

    _report(tally, lines, say)
    assert not tally.findings, "\n".join(tally.findings)
    assert tally.stops > 0
