"""``python -m benchmarks.shadows``: live cycles with and without a shadow strategy whose model hangs for ten minutes.

Whole cycles of a real system, as ``python -m benchmarks`` has them, with the evaluator beside. In turn a cycle runs
while the shadow's model hangs, and one with nobody hanging: what else the machine does hits both alike. Exits with 1
where the median with it is more than 1.02 of that without.

With ``--books N`` it counts instead: N minutes against the venue's stepped market with a shadow that buys and sells in
turn, and its book again by other code, point by point. A busy machine changes nothing of that.
"""

import argparse
import asyncio
import contextlib
import logging
import os
import statistics
import sys
import time
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from benchmarks.churn import flip, prepared, run_cycle
from benchmarks.cycles import cases, measured
from benchmarks.cycles.cases import CASES
from benchmarks.cycles.chat import Chat
from benchmarks.cycles.measured import Measuring, configure, progress, slow
from benchmarks.world import measured_world

BOUND = 1.02
HANGS_SECONDS = 600.0
POLL_SECONDS = 0.1
PATIENCE_SECONDS = 180.0
SHADOW = "Hanging shadow"


@dataclass(slots=True)
class Hanging:
    """A handler of ``tests.ai.chat_server`` that says nothing for ten minutes, or until it is let go."""

    is_let_go: bool = False
    at_hand: int = 0
    asked: int = 0

    async def answer(self, request: Any, body: dict[str, Any]) -> Any:
        """Wait, and fail."""
        from aiohttp import web

        self.asked, self.at_hand = self.asked + 1, self.at_hand + 1
        began = time.monotonic()
        try:
            while not self.is_let_go and time.monotonic() - began < HANGS_SECONDS:
                await asyncio.sleep(POLL_SECONDS)
        finally:
            self.at_hand -= 1
        return web.Response(status=400)


def main() -> int:
    """Measure and print; return 1 where the bound was passed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.shadows", description=__doc__)
    parser.add_argument("--cycles", type=int, default=15, help="of each arm (default %(default)s)")
    parser.add_argument("--books", type=int, metavar="N", help="recompute the book of N cycles instead")
    options = parser.parse_args()
    if options.books:
        text, is_kept = books(options.books)
        sys.stdout.write(text)
        return 0 if is_kept else 1
    alone, beside, asked = run(options.cycles)
    text, is_kept = table(alone, beside, asked)
    sys.stdout.write(text)
    return 0 if is_kept else 1


def run(cycles: int) -> tuple[list[float], list[float], int]:
    """Return the seconds of so many cycles without and with it, and how often the shadow was asked."""
    case = CASES["plain"]
    options: dict[str, Any] = {"fill_latency": cases.FILL_SECONDS, "rate_limit": cases.UNLIMITED}
    with contextlib.ExitStack() as ending:
        venue = ending.enter_context(measured_world(options))
        logging.getLogger("aiohttp.access").setLevel(logging.WARNING)
        from tests.ai.chat_server import ChatServer

        configure(case)
        slow(venue)
        chat, hanging = Chat(), Hanging()
        server = ending.enter_context(ChatServer())
        server.handlers |= {"bench": chat.answer, "hanging": hanging.answer}
        measuring = Measuring(
            case,
            venue,
            chat,
            server.api_base,
            variables={"AI_EVALUATION_BUDGET_USD": "100"},
            also=("evaluator",),
        )
        ending.callback(measuring.system.stop)
        measuring.start()
        measuring.warm_up()
        _make_shadow()
        alone, beside = [], []
        for number in range(1, cycles + 1):
            for hangs in (False, True) if number % 2 else (True, False):  # neither always comes first
                if hangs:
                    beside.append(_beside(hanging, measuring))
                else:
                    _rest(hanging, measuring)
                    alone.append(measuring.cycle(buys=0))
            progress(f"{number}/{cycles}: {alone[-1]:.3f} s without, {beside[-1]:.3f} s beside it")
        if measuring.problems:
            raise RuntimeError("; ".join(measuring.problems))
    return alone, beside, hanging.asked


def books(cycles: int) -> tuple[str, bool]:
    """Return what a recomputation of a shadow's book found over so many minutes, and whether it is the same."""
    from tests.ai.chat_server import ChatServer

    with ChatServer() as server:
        server.handlers["flipper"] = flip
        os.environ |= {
            "AI_API_BASE": server.api_base,
            "AI_API_KEY": "none",
            "AI_EVALUATION_BUDGET_USD": "100",
        }
        with measured_world({"fill_latency": 0}) as venue:
            logging.disable(logging.WARNING)
            venue.clock(paused=True)
            venue.clock(to="open")
            symbols = prepared("on")
            from evaluation.models import ShadowBook
            from evaluation.services.shadow.running import catch_up
            from tests.evaluation.services.shadow.recomputed import recomputed
            from trading.models import Strategy

            live = Strategy.objects.trading().get()
            values = {"model_names": ["openai/flipper"], "size_percent": 2, "allows_fractions": True}
            shadow = Strategy.objects.create(
                name="Flipper", instructions=live.instructions, is_shadow=True, is_active=True, **values
            )
            for number in range(1, cycles + 1):
                venue.clock(advance=60)
                run_cycle([*symbols, "BTC/USD"])
                catch_up(shadow)
                if number % 50 == 0:
                    progress(f"{number}/{cycles} cycles")
            book = ShadowBook.objects.get(strategy=shadow)
            found = recomputed(book)
    lines = [
        f"{found.points} cycles, {found.fills} fills; {book.decided} decided, {book.missed} missed",
        f"largest difference of any point's cash or equity: {float(found.largest):.6f} USD",
        *found.problems[:10],
    ]
    return "\n".join(lines) + "\n", not found.problems and found.largest < Fraction(1, 100)


def table(alone: list[float], beside: list[float], asked: int) -> tuple[str, bool]:
    """Return the table, and whether the bound was kept."""
    ratio = statistics.median(beside) / statistics.median(alone)
    is_kept = ratio <= BOUND
    lines = [
        f"{'arm':32}{'median':>10}{'fastest':>10}{'slowest':>10}",
        *(
            f"{name:32}{statistics.median(each):>9.3f}s{min(each):>9.3f}s{max(each):>9.3f}s"
            for name, each in (("without a shadow", alone), ("a shadow hangs ten minutes", beside))
        ),
        f"{len(alone)} cycles each, in turn; the shadow's model was asked {asked} times",
        f"ratio of the medians {ratio:.3f}, bound {BOUND}: {'kept' if is_kept else 'PASSED'}",
    ]
    return "\n".join(lines) + "\n", is_kept


def _make_shadow() -> None:
    from trading.models import Strategy

    live = Strategy.objects.trading().get()
    Strategy.objects.create(
        name=SHADOW,
        instructions=live.instructions,
        model_names=["openai/hanging"],
        is_shadow=True,
        is_active=False,
    )


def _set_active(*, is_active: bool) -> None:
    from trading.models import Strategy

    Strategy.objects.filter(name=SHADOW).update(is_active=is_active)


def _rest(hanging: Hanging, measuring: Measuring) -> None:
    """Have nobody hang: the evaluator has no child."""
    _set_active(is_active=False)
    hanging.is_let_go = True
    _wait_for(lambda: len(measuring.system.processes("evaluator")) == 1, "the shadow's child ends")


def _beside(hanging: Hanging, measuring: Measuring) -> float:
    """Return the seconds of a cycle while the shadow's model hangs."""
    _hang(hanging)
    seconds = measuring.cycle(buys=0)
    if not hanging.at_hand:
        measuring.problems.append("it did not hang all through a cycle")
    return seconds


def _hang(hanging: Hanging) -> None:
    """Have the shadow's model hang at the cycle before."""
    hanging.is_let_go = False
    _set_active(is_active=True)
    _wait_for(lambda: hanging.at_hand > 0, "the shadow is asked")


def _wait_for(is_so: Any, what: str) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while not is_so():
        if time.monotonic() > until:
            raise TimeoutError(f"{what}: not within {PATIENCE_SECONDS:.0f} s")
        time.sleep(measured.POLL_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
