"""The night itself: cycles one after the other, a case switched on and off each few, the switch now and then."""

import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.ai.chat_server import ChatServer
from tests.chaos.arena import Arena
from tests.chaos.monitors import Monitors
from tests.chaos.night_cases import CASES, Case, switch_off, switch_on
from tests.chaos.rest import CYCLE_SECONDS, Rest
from tests.waiting import wait_until

QUIET_SECONDS = 1.0  # as long after an answer no order may have come


@dataclass
class Night:
    """A night over a running system.

    Args:
        few: how many cycles a case lasts.
        engage_every: after how many cycles the switch is engaged in the middle of one.
        maintain_every: after how many cycles one of maintenance follows.
    """

    arena: Arena
    chat: ChatServer
    seed: int
    say: Callable[[str], None]
    few: int = 4
    engage_every: int = 20
    maintain_every: int = 25
    cycles: Counter[str] = field(default_factory=Counter)
    cases: Counter[str] = field(default_factory=Counter)
    engaged_after: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._chance = random.Random(self.seed)
        self._deck: list[Case] = []
        self.rest = Rest(self.arena)

    def pass_by(self, cycles: int) -> None:
        """Run so many cycles of analysis."""
        switch_off(self.arena.venue, self.chat)
        for number in range(cycles):
            if number % self.few == 0:
                self._next_case()
            self._one_cycle({}, engages=number % self.engage_every == self.engage_every - 1)
            if number % self.maintain_every == self.maintain_every - 1:
                self.maintain()
            self.chat.requests.clear()
            if number % 50 == 49:
                self.say(f"night: {number + 1} cycles, {dict(self.cycles)}, {len(self.wrong)} wrong")
        switch_off(self.arena.venue, self.chat)

    def maintain(self) -> None:
        """Run a cycle of maintenance, which also stores what the account holds."""
        self._one_cycle({"cycleType": "maintenance"}, engages=False)

    def _next_case(self) -> None:
        """Switch to another case, each as often as the others; every fourth time to none."""
        if self._chance.random() < 0.25:
            switch_off(self.arena.venue, self.chat)
            return
        if not self._deck:
            self._deck = self._chance.sample(CASES, len(CASES))
        case = self._deck.pop()
        self.cases[case.name] += 1
        switch_on(case, self.arena.venue, self.chat)
        if case.is_maintained:
            self.maintain()

    def _one_cycle(self, asked: dict[str, str], *, engages: bool) -> None:
        started = self.rest.start_cycle(asked)
        if engages:
            self._engage_and_release()
        wait_until(
            lambda: self._status(started) != "running", seconds=CYCLE_SECONDS, what="the end of a cycle"
        )
        self.cycles[self._status(started)] += 1

    def _engage_and_release(self) -> None:
        time.sleep(self._chance.uniform(0, 2.0))  # any moment of the cycle
        began = time.monotonic()
        answer = self.rest.ask(
            "POST", "/kill-switch", {"action": "engage", "reason": "a moment of the night"}
        )
        self.engaged_after.append(time.monotonic() - began)
        moment = time.time()
        if answer.status_code != 200:
            self.wrong.append(f"engage answered {answer.status_code}: {answer.text[:200]}")
            return
        time.sleep(QUIET_SECONDS)
        judge = Monitors(self.arena.database_url, self.arena.venue)
        self.wrong += [f"an order after engage: {words}" for words in judge.orders_after(moment, time.time())]
        release = {"action": "release", "reason": "the moment is over"}
        wait_until(
            lambda: self.rest.ask("POST", "/kill-switch", release).status_code == 200,
            seconds=120,
            what="the release",
        )

    def _status(self, cycle: str) -> str:
        ((status, ended),) = self.arena.rows("SELECT status, ended_at FROM cycles WHERE id = %s", cycle)
        return "running" if ended is None else str(status)
