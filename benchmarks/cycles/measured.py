"""One case in a process of its own: ``python -m benchmarks.cycles.measured NAME CYCLES FILE STATEMENTS``.

The engines, the venue and the system's processes are its own; what it brought is written to FILE as JSON, and which
statements were counted to STATEMENTS.
"""

import contextlib
import json
import logging
import os
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Collection, Mapping
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.cycles import cases, history, limit, statements, stretches, wide_market
from benchmarks.cycles.cases import CASES, Case
from benchmarks.cycles.chat import Chat
from benchmarks.cycles.result import Result, Stretch
from benchmarks.world import measured_world

if TYPE_CHECKING:
    from tests.venue_process import VenueProcess

DATA_ROUTES = ("GET /v2/stocks*", "GET /v1beta*", "GET /coingecko/*", "GET /finnhub/*")
POLL_SECONDS = (
    0.1  # the ends are read from the rows: looking more often would only take from what is measured
)
CYCLE_PATIENCE_SECONDS = 400
WARM_UPS = 2
PAUSED = "cycle.pause"  # the event, as the transitions name it
ROOM = 40  # requests in the last minute: a measured cycle begins with the broker's minute before it
TRADING = "/v2/"
BESIDE = ("relay", "consumer")
ENGINES = ("postgres", "valkey-server")


def progress(words: str) -> None:
    """Say what is being done, on stderr."""
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {words}\n")
    sys.stderr.flush()


class Measuring:
    """The running system of one case.

    Args:
        variables: further ones of its environment.
        also: processes besides those of every case.
    """

    def __init__(
        self,
        case: Case,
        venue: "VenueProcess",
        chat: Chat,
        chat_url: str,
        *,
        variables: Mapping[str, str] | None = None,
        also: Collection[str] = (),
    ) -> None:
        from tests.e2e.system import System

        self.case, self.venue, self.chat = case, venue, chat
        self.home = Path(os.environ["ORCHESTRATOR_HOME"])
        self.system = System(
            self.home,
            workers=case.workers,
            variables={
                "AI_MODELS": "openai/bench",
                "AI_API_BASE": chat_url,
                "AI_API_KEY": "bench",
                **(variables or {}),
            },
            also=frozenset({*BESIDE, *also}),
        )
        self._also = (*BESIDE, *also)
        self.symbols: list[str] = []
        self.problems: list[str] = []
        self.last: tuple[Any, datetime, list[dict[str, Any]]] | None = None
        self._ended: datetime | None = None

    def start(self) -> None:
        """Start every process that `up` starts, but beat and web."""
        self.system.start()
        for name in self._also:
            self.system.start_one(name)

    def prepare(self) -> None:
        """Sell what is held, and wait until the broker's minute is nearly whole again."""
        self._sell_everything()
        self._wait_for_room()

    def cycle(self, *, buys: int) -> float:
        """Run a cycle that buys so many; return its seconds."""
        self.chat.buys, self.chat.sells = frozenset(self.symbols[:buys]), ()
        return self._run()

    def warm_up(self) -> None:
        """Run two cycles that order nothing: history is fetched, libraries are loaded."""
        for _ in range(WARM_UPS):
            self._run()
        assert self.last is not None
        self.symbols = list(self.last[0].symbols)

    def _sell_everything(self) -> None:
        from trading.models import Position

        held = frozenset(Position.objects.values_list("symbol", flat=True))
        if held:
            self._wait_for_room()
            self.chat.buys, self.chat.sells = (), held
            progress(f"  sells what is held ({len(held)}): {self._run():.2f} s")
            left = list(Position.objects.order_by("symbol").values_list("symbol", flat=True))
            if left:
                self.problems.append(
                    f"{len(left)} of {len(held)} positions were not sold: {self._why_not(left[0])}"
                )

    def _why_not(self, symbol: str) -> str:
        from trading.models import AIDecision

        assert self.last is not None
        of_symbol = AIDecision.objects.filter(cycle_id=self.last[0].pk, symbol=symbol)
        rows = of_symbol.values_list("action", "status", "reason", "reason_detail")
        return f"{symbol} " + "; ".join(" ".join(row) for row in rows)

    def _wait_for_room(self) -> None:
        """Wait until the broker's minute is nearly whole again."""
        if not self.case.broker_limit:
            return
        while True:
            since = time.time() - 61
            asked = [
                request for request in self.venue.requests() if _is_trading(request) and _at(request) > since
            ]
            if len(asked) <= ROOM:
                return
            time.sleep(2)

    def _run(self) -> float:
        from django.utils import timezone

        from trading.cycle.cycles import start_cycle
        from trading.tasks import launch

        _wait_until_nothing_is_open()
        self.chat.calls.clear()
        before = len(self.venue.requests())
        began = timezone.now()
        cycle = start_cycle(trigger="benchmark")
        launch(cycle)
        ended = self._ended = _ended_at(cycle)
        self.last = (cycle, began, self.venue.requests(after=str(before)))
        if cycle.status != "completed":
            self.problems.append(f"a cycle {cycle.status}: {cycle.reason}")
        return (ended - began).total_seconds()

    def span(self) -> tuple[datetime, datetime]:
        """Return when the last cycle began and ended."""
        assert self.last is not None
        assert self._ended is not None
        return self.last[1], self._ended

    def orders(self) -> int:
        """Return how many orders of the last cycle were booked."""
        from trading.models import Saga

        assert self.last is not None
        return Saga.objects.filter(cycle_id=self.last[0].pk, status="completed").count()

    def pauses(self) -> int:
        """Return how often the last cycle was paused."""
        from trading.models import Event

        assert self.last is not None
        return Event.objects.filter(cycle_id=self.last[0].pk, type=PAUSED).count()

    def asked(self) -> dict[str, int]:
        """Return the last cycle's requests to trading addresses by kind."""
        assert self.last is not None
        kinds = Counter(_kind(request) for request in self.last[2] if _is_trading(request))
        return dict(kinds.most_common())

    def stretches(self) -> list[Stretch]:
        """Return the last cycle's waterfall."""
        assert self.last is not None
        cycle, began, requests = self.last
        return stretches.stretches_of(cycle, began=began, requests=requests, calls=self.chat.calls)

    def cpu(self) -> dict[str, float]:
        """Return the CPU seconds that each process and its children have used, the engines' too."""
        import psutil

        used = {}
        for name in self.system.names:
            with contextlib.suppress(psutil.NoSuchProcess, KeyError):
                used[name] = sum(sum(p.cpu_times()[:2]) for p in self.system.processes(name))
        used["venue"] = sum(psutil.Process(self.venue.pid).cpu_times()[:2])
        return used | _of_engines(str(self.home))


def _of_engines(home: str) -> dict[str, float]:
    """Return the CPU seconds of PostgreSQL and Valkey, backends that have ended included."""
    import psutil

    used = {}
    for engine in psutil.process_iter(["name", "cmdline"]):
        name = engine.info["name"]
        if name in ENGINES and any(home in word for word in engine.info["cmdline"] or ()):
            with contextlib.suppress(psutil.NoSuchProcess):
                alive = [sum(child.cpu_times()[:2]) for child in engine.children(recursive=True)]
                used[name] = sum(engine.cpu_times()[:4]) + sum(alive)
    return used


def _ended_at(cycle: Any) -> datetime:
    """Wait until the cycle and all its sagas have ended; return when the last of them did."""
    from trading.models import Cycle, Saga

    deadline = time.monotonic() + CYCLE_PATIENCE_SECONDS
    while time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
        if not Cycle.objects.filter(pk=cycle.pk, ended_at__isnull=False).exists():
            continue
        cycle.refresh_from_db()
        ends = list(Saga.objects.filter(cycle_id=cycle.pk).values_list("ended_at", flat=True))
        if None not in ends:
            return max([cycle.ended_at, *ends])
    raise TimeoutError(f"the cycle has not ended: {cycle.status} {cycle.stage}")


def _wait_until_nothing_is_open() -> None:
    from trading.models import Cycle

    while any(cycle.is_open for cycle in Cycle.objects.order_by("-started_at")[:3]):
        time.sleep(POLL_SECONDS)
    time.sleep(0.5)  # what follows a cycle's end is not the next one's


def _at(request: dict[str, Any]) -> float:
    return datetime.fromisoformat(request["at"]).timestamp()


def _is_trading(request: dict[str, Any]) -> bool:
    path: str = request["path"]
    return path.startswith(TRADING) and not path.startswith("/v2/stocks/")


def _kind(request: dict[str, Any]) -> str:
    """Return method and path, ids as {id}."""
    parts = request["path"].split("/")
    if len(parts) > 3 and parts[2] in ("orders", "positions"):
        parts[3] = "{id}"
    query = request["query"]
    status = f"?status={query['status']}" if "status" in query else ""
    return f"{request['method']} {'/'.join(parts)}{status}"


def measure(case: Case, cycles: int, listing: Path) -> Result:
    """Run the case; return what it brought, and write which statements were counted to ``listing``."""
    options: dict[str, Any] = {
        "fill_latency": cases.FILL_SECONDS,
        "rate_limit": case.broker_limit,
    }
    with contextlib.ExitStack() as ending:
        if case.symbols > cases.SYNTHETIC_SYMBOLS:
            folder = Path(ending.enter_context(tempfile.TemporaryDirectory(prefix="market-")))
            options["data"] = wide_market.write(folder, symbols=case.symbols)
        venue = ending.enter_context(measured_world(options))
        logging.getLogger("aiohttp.access").setLevel(logging.WARNING)
        from tests.ai.chat_server import ChatServer
        from tests.venue_process import VenueProcess

        statements.name_own_connection()
        configure(case)
        bare = ending.enter_context(VenueProcess(**{**options, "rate_limit": cases.UNLIMITED}))
        for one in (venue, bare):
            slow(one)
        chat = Chat()
        server = ending.enter_context(ChatServer())
        server.handlers["bench"] = chat.answer
        measuring = Measuring(case, venue, chat, server.api_base)
        ending.callback(measuring.system.stop)
        measuring.start()
        return _measured(measuring, bare, server.api_base, cycles, listing)


def _measured(
    measuring: Measuring, bare: "VenueProcess", chat_url: str, cycles: int, listing: Path
) -> Result:
    case = measuring.case
    measuring.warm_up()
    progress(f"{case.name}: warm, {len(measuring.symbols)} symbols")
    if len(measuring.symbols) != case.symbols:
        progress(f"  {len(measuring.symbols)} symbols instead of {case.symbols}")
    baseline = []
    if case.past_cycles:
        baseline = [_timed(measuring) for _ in range(cycles)]
        progress(
            f"{case.name}: without any, {', '.join(f'{one:.2f}' for one in baseline)} s; writes the past"
        )
        progress(f"{case.name}: written in {history.fill(case.past_cycles):.0f} s")
        measuring.warm_up()
    seconds, limits, rows = [], [], []
    orders, pauses, requests, cpu = [], [], [], []
    for number in range(1, cycles + 1):
        limits.append(limit.measure(case, venue_url=bare.url, chat_url=chat_url, symbols=measuring.symbols))
        measuring.prepare()
        before = measuring.cpu()
        seconds.append(measuring.cycle(buys=case.orders))
        after = measuring.cpu()
        cpu.append({name: after[name] - before.get(name, 0.0) for name in after})
        orders.append(measuring.orders())
        pauses.append(measuring.pauses())
        requests.append(measuring.asked())
        rows.append(measuring.stretches())
        progress(
            f"{case.name} {number}/{cycles}: {seconds[-1]:.2f} s (limit {limits[-1]:.2f}), {orders[-1]} orders booked,"
            f" {pauses[-1]} pauses, {sum(requests[-1].values())} requests to trading addresses"
        )
    measuring.prepare()
    with statements.counted(measuring.home) as log:
        measuring.cycle(buys=case.orders)
    began, ended = measuring.span()
    asked = log.between(began, ended + statements.TOLD_WITHIN)
    listing.write_text(statements.listed(asked, began))
    middle = sorted(range(cycles), key=lambda number: seconds[number])[cycles // 2]
    return Result(
        name=case.name,
        seconds=seconds,
        limits=limits,
        orders=orders,
        pauses=pauses,
        requests=requests,
        statements=statements.by_process(asked),
        cpu_seconds=cpu[middle],
        stretches=rows[middle],
        baseline=baseline,
        problem="; ".join(dict.fromkeys(measuring.problems)),
    )


def _timed(measuring: Measuring) -> float:
    measuring.prepare()
    return measuring.cycle(buys=measuring.case.orders)


def slow(venue: "VenueProcess") -> None:
    """Delay data answers and orders."""
    for route in DATA_ROUTES:
        venue.fault(kind="latency", route=route, seconds=cases.DATA_SECONDS)
    venue.fault(kind="latency", route="POST /v2/orders", seconds=cases.POST_SECONDS)


def configure(case: Case) -> None:
    """Set what the case sets."""
    from risk.services.limits import LIMIT_FIELDS, add_version, limits_in_force
    from trading.core.settings import set_runtime_setting
    from trading.models import AgentStatus, Strategy

    AgentStatus.objects.update(mode="autonomous")
    for name, value in {"model_concurrency": str(cases.MODEL_CALLS), **case.settings}.items():
        set_runtime_setting(name=name, value=value, actor="benchmark")
    Strategy.objects.update(size_percent=Decimal(case.size_percent))
    now = limits_in_force()
    if now is not None and case.orders > now.max_positions:
        values = {name: getattr(now, name) for name in LIMIT_FIELDS}
        values |= {"max_positions": case.orders, "max_exposure_percent": Decimal(100)}
        add_version(values=values, author="benchmark", note="raised to measure", based_on=now.version)


def main() -> int:
    """Measure one case and write what it brought."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # engines, venue and processes are ended on the way
    name, cycles, target, listing = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]), Path(sys.argv[4])
    result = measure(CASES[name], cycles, listing)
    target.write_text(json.dumps(result.to_json()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
