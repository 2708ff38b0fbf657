"""``python -m benchmarks.sessions``: replay real sessions in autonomous mode; books and venue agree to the cent.

Daily bars of real stocks (a folder of CSV files that the venue can read, with dividends and splits) are replayed by the
in-process driver (``trading.flow.drive``) on a clock that is stepped: two cycles a session, by the built-in analyst
with the guards' defaults. Beside each step stands what a running system does by itself: a reconciliation and the rounds
that keep what is held protected; so too before the open, when splits are booked. What rests at the
venue fills on the path of the prices between two steps. At every 50th cycle equity, cash, positions and lots are held
against the venue's own. It counts, it does not time: a busy machine changes nothing. Progress is on stderr.
"""

import argparse
import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.venue_process import VenueProcess

SESSIONS = 250
FIRST_DAY = "2020-04-27"
SYMBOLS = 14
# Stocks that split, or pay much, within the year: what the replay is to go over.
ALWAYS = ("NEE", "AAPL", "TSLA", "PFE", "MKC", "XOM", "T", "IBM")
CYCLES = (1_800, 22_800)  # seconds after the open: the cycles of a session
# Bought by hand on the day before a split where nothing of it is held then, so that the replay goes over it.
BY_HAND = {"2020-08-28": ("AAPL", "TSLA"), "2020-10-26": ("NEE",)}
HAND_SHARES = 8
FILLS_WITHIN_SECONDS = 20.0
BEFORE_OPEN = timedelta(minutes=45)
EVERY = 50
CENT, UNITS = Decimal("0.01"), Decimal("0.000001")
ARMS = {"on": "with protection", "off": "without"}
PATIENT = {
    "cycle_interval": "900",
    "cycle_deadline": "900",
    "price_max_age": "900",
    "analysis_timeout": "600",
}


def main() -> int:
    """Run the arms that are asked for, each in a process of its own, and print; 1 where anything differed."""
    options = _options()
    if options.arm:
        sys.stdout.write(json.dumps(run(options.arm, options)) + "\n")
        return 0
    arms = ["off"] if options.unprotected else ["on"] if options.protected else list(ARMS)
    found = {arm: _apart(arm) for arm in arms}
    sys.stdout.write(table(found))
    return 1 if any(one["differences"] for one in found.values()) else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.sessions",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--sessions", type=int, default=SESSIONS, help="default %(default)s")
    parser.add_argument(
        "--from", dest="first", type=date.fromisoformat, default=date.fromisoformat(FIRST_DAY)
    )
    parser.add_argument("--data", default=os.environ.get("VENUE_DATA"), help="folder (default: VENUE_DATA)")
    parser.add_argument("--symbols", type=int, default=SYMBOLS, help="stocks (default %(default)s)")
    only = parser.add_mutually_exclusive_group()
    only.add_argument("--unprotected", action="store_true", help="the arm without stops and targets alone")
    only.add_argument("--protected", action="store_true", help="the arm with them alone")
    parser.add_argument("--arm", choices=list(ARMS), help="one of the two, as JSON")
    options = parser.parse_args()
    if not options.data or not Path(options.data).is_dir():
        parser.error(f"--data (or VENUE_DATA): was {options.data}, expected a folder of CSV files")
    return options


def _apart(arm: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.sessions", *sys.argv[1:], "--arm", arm]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)  # noqa: S603 - our own interpreter and module
    if done.returncode:
        raise RuntimeError(f"the arm {arm} ended with {done.returncode}")
    brought: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return brought


def run(arm: str, options: argparse.Namespace) -> dict[str, Any]:
    """Replay the sessions; return what was traded, earned, and what differed from the venue."""
    os.environ["ORCHESTRATOR_MODE"] = "autonomous"
    from benchmarks.world import measured_world

    start = f"{options.first}T09:31"
    with measured_world({"data": Path(options.data).resolve(), "start": start, "fill_latency": 0}) as venue:
        logging.disable(logging.WARNING)
        venue.clock(paused=True)
        without_waiting_for_the_disk()
        replay = Replay(venue, protects=arm == "on", symbols=options.symbols)
        replay.prepare()
        signal.signal(signal.SIGTERM, lambda *_: replay.stop())  # what there is until then is told
        for number in range(1, options.sessions + 1):
            if replay.is_stopped:
                break
            replay.session()
            _say(f"{arm}: session {number} of {options.sessions}, {replay.words}")
        return replay.brought()


def _say(words: str) -> None:
    sys.stderr.write(f"{datetime.now(UTC):%H:%M:%S} {words}\n")
    sys.stderr.flush()


def without_waiting_for_the_disk() -> None:
    """Have the database of the measurement acknowledge commits before they are on disk."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit TO off")


class Replay:
    """One account that lives through sessions of a venue whose clock is stepped.

    Args:
        protects: positions have stops and targets, at the venue and watched.
        symbols: how many stocks: those that are always among them, and the most traded.
    """

    def __init__(self, venue: "VenueProcess", *, protects: bool, symbols: int = SYMBOLS) -> None:
        self._venue = venue
        self._protects = protects
        self._count = symbols
        self.symbols: list[str] = []
        self.cycles = 0
        self.compared = 0
        self.differences: list[str] = []
        self.is_stopped = False

    def stop(self) -> None:
        """End after the session that is under way."""
        self.is_stopped = True

    def prepare(self) -> None:
        """Set up the agent: autonomous, the guards as they are by default, whole shares where they are protected."""
        from trading.core.settings import set_runtime_setting
        from trading.domain.guards.rules import ALL_OFF
        from trading.domain.runtime_settings import NUMBERS
        from trading.models import AgentStatus, Asset, Strategy

        guards = {name: str(NUMBERS[name].default) for name in ALL_OFF}
        for name, value in {**PATIENT, **guards}.items():
            set_runtime_setting(name=name, value=value, actor="benchmark")
        AgentStatus.objects.update(mode="autonomous")
        if not self._protects:  # fractions bring no orders along, and nobody watches here
            Strategy.objects.update(allows_fractions=True)
        stocks = Asset.objects.filter(asset_class="stock").order_by("-dollar_volume", "symbol")
        listed = list(stocks.values_list("symbol", flat=True))
        first = [symbol for symbol in ALWAYS if symbol in listed]
        rest = [symbol for symbol in listed if symbol not in first]
        self.symbols = [*first, *rest][: self._count]

    def session(self) -> None:
        """Live through one session: the morning before it, its cycles, its close."""
        from trading.core.settings import read_once

        with read_once():  # nobody changes settings meanwhile
            self._session()

    def _session(self) -> None:
        opening = datetime.fromisoformat(str(self._venue.get("/v2/clock")["next_open"]))
        self._go(opening - BEFORE_OPEN)
        self._settle()
        for seconds in CYCLES:
            self._go(opening + timedelta(seconds=seconds))
            self._settle()
            self._cycle()
            self._keep()
        self._buy_by_hand(f"{opening:%Y-%m-%d}")
        self._venue.clock(to="close")

    @property
    def words(self) -> str:
        """How far it is, for a person who waits."""
        from trading.models import AgentStatus, Position

        market = AgentStatus.objects.get(pk=1).market_time
        equity = self._venue.get("/v2/account")["equity"]
        held = Position.objects.count()
        return f"{market:%Y-%m-%d}: equity {equity}, {held} held, {len(self.differences)} differences"

    def brought(self) -> dict[str, Any]:
        """Compare once more; return figures and the table of results by exit reason."""
        from trading.models import Event
        from trading.performance.report import performance

        self._compare()
        report = performance(by="exit")
        told = Event.objects.filter(type="books.differ").order_by("sequence")
        return {
            "cycles": self.cycles,
            "compared": self.compared,
            "differences": self.differences,
            "told": [row.payload["reason"] for row in told],
            "activities": _activities(),
            "splits": _splits(),
            "change": str(report.equity.change.value),
            "parts": {
                name: str(getattr(report.equity, name).value)
                for name in ("realised", "unrealised", "income", "brought_in", "unexplained")
            },
            "drawdown": report.drawdown.depth if report.drawdown else None,
            "sharpe": report.figures["sharpe"].value,
            "trades": report.trades.trades,
            "rows": [
                [
                    row.label,
                    row.trades.trades,
                    row.trades.wins,
                    *(f"{usd:.2f}" for usd in (row.trades.realised, row.unrealised.value or 0, row.income)),
                ]
                for row in report.rows
            ],
        }

    def _buy_by_hand(self, day: str) -> None:
        held = {row["symbol"] for row in self._venue.get("/v2/positions")}
        wanted = [one for one in BY_HAND.get(day, ()) if one in self.symbols and one not in held]
        for symbol in wanted:
            order = {
                "symbol": symbol,
                "qty": str(HAND_SHARES),
                "side": "buy",
                "type": "market",
                "time_in_force": "day",
            }
            self._venue.request("POST", "/v2/orders", order)
        deadline = time.monotonic() + FILLS_WITHIN_SECONDS
        while wanted and time.monotonic() < deadline:
            time.sleep(0.05)
            held = {row["symbol"] for row in self._venue.get("/v2/positions")}
            wanted = [symbol for symbol in wanted if symbol not in held]
        if BY_HAND.get(day):
            self._settle()

    def _go(self, moment: datetime) -> None:
        self._venue.clock(to=moment.isoformat())

    def _settle(self) -> None:
        """Do what a running system does by itself between cycles."""
        from trading.execution.reconciliation import reconcile

        reconcile()
        self._work()
        self._keep()

    def _keep(self) -> None:
        """Bring what rests at the venue to what is held; each round makes one step for a position."""
        from trading.exits.rounds import Rounds
        from trading.protection.coverage import unprotected_positions

        if not self._protects:
            return
        for _ in range(4):
            Rounds().look()
            self._work()
            if not unprotected_positions():
                return

    def _work(self) -> None:
        from trading.domain.order_ids import PROTECTIVE
        from trading.flow import Step, drive
        from trading.models import Cycle, Order, Saga
        from trading.work.sweeping import find_work

        ours = Order.objects.open().exclude(purpose__in=PROTECTIVE)
        while Cycle.objects.open().exists() or Saga.objects.open().exists() or ours.exists():
            for work in find_work():
                drive(Step(work.kind.value, (str(work.id),)))

    def _cycle(self) -> None:
        from trading import flow
        from trading.cycle.cycles import start_cycle
        from trading.flow import drive

        drive(flow.begin(start_cycle(trigger="benchmark", symbols=self.symbols, slotted=False)))
        self._work()
        self.cycles += 1
        if self.cycles % EVERY == 0:
            self._compare()

    def _compare(self) -> None:
        found = differences(self._venue)
        self.compared += 1
        self.differences += [f"cycle {self.cycles}: {words}" for words in found]
        for words in found:
            _say(f"cycle {self.cycles}: {words}")


def differences(venue: "VenueProcess") -> list[str]:
    """Hold equity, cash, positions and lots against the venue's; return what differs by more than a cent, in words."""
    from trading.execution.portfolio import sync_portfolio
    from trading.models import BookCheck, EquitySnapshot, Lot, Position
    from trading.performance import lots
    from trading.performance.comparison import compare_books
    from trading.performance.report import performance

    sync_portfolio(None)
    compare_books()
    account = venue.get("/v2/account")
    theirs = {row["symbol"]: row for row in venue.get("/v2/positions")}
    snapshot, check = EquitySnapshot.objects.newest(), BookCheck.objects.get()
    assert snapshot is not None
    report = performance().equity
    parts = (report.realised, report.unrealised, report.income, report.brought_in, report.transferred)
    explained = sum((part.value or Decimal(0) for part in parts), report.start.value or Decimal(0))
    found = [
        f"{name}: {ours} here, {said} there"
        for name, ours, said in (
            ("equity", explained, account["equity"]),
            ("cash", snapshot.cash, account["cash"]),
            ("cash unexplained", check.unexplained_cash, "0"),
            ("cents rounded", check.rounding, "0"),
        )
        if abs(ours - Decimal(said)) > CENT
    ]
    held = {row.symbol: row.quantity for row in Position.objects.all()}
    in_lots: Counter[str] = Counter()
    for lot in Lot.objects.filter(remaining__gt=0):
        in_lots[lot.symbol] += lot.remaining  # type: ignore[assignment]  # a sum of Decimals
    for name, ours in (("position", held), ("lots", dict(in_lots))):
        for symbol in sorted(ours.keys() | theirs.keys()):
            there = Decimal(theirs[symbol]["qty"]) if symbol in theirs else Decimal(0)
            if abs(ours.get(symbol, Decimal(0)) - there) > UNITS:
                found.append(f"{name} {symbol}: {ours.get(symbol, 0)} here, {there} there")
    return found + [f"lots of {symbol} are not what its executions make" for symbol in lots.rebuild()]


def _activities() -> dict[str, int]:
    from trading.models import AccountActivity

    return dict(Counter(AccountActivity.objects.values_list("kind", flat=True)))


def _splits() -> list[str]:
    """Return each split with what was sold of its symbol on that day."""
    from trading.models import AccountActivity, RoundTrip

    found = []
    for row in AccountActivity.objects.filter(kind="split").order_by("happened_at"):
        day = RoundTrip.objects.filter(symbol=row.symbol, closed_at__date=row.happened_at.date())
        sold = ", ".join(f"{trip.exit_reason} {trip.quantity} at {trip.exit_price}" for trip in day)
        found.append(
            f"{row.happened_at:%Y-%m-%d} {row.symbol} 1:{row.price.normalize():f}, sold: {sold or 'none'}"
        )
    return found


def table(found: dict[str, dict[str, Any]]) -> str:
    """Return what each arm came to, as text in Markdown."""
    lines = []
    for arm, one in found.items():
        lines += [
            f"**{ARMS[arm]}**: {one['cycles']} cycles, compared {one['compared']} times, "
            f"{len(one['differences'])} differences, {len(one['told'])} told; activities {one['activities']}, "
            f"splits {one['splits']}; "
            f"change of equity {one['change']} USD ({one['parts']}), {one['trades']} trades, "
            f"drawdown {one['drawdown']}, Sharpe {one['sharpe']}\n",
            "| exit | trades | won | realised, USD | unrealised, USD | income, USD |",
            "|---|---:|---:|---:|---:|---:|",
        ]
        lines += ["| " + " | ".join(map(str, row)) + " |" for row in one["rows"]]
        lines += ["", *(f"- {words}" for words in (*one["differences"], *one["told"])), ""]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
