import dataclasses
import json
import sys
import time
from typing import Any

from django.core.management.base import CommandParser
from django.db import DatabaseError

from orchestrator_project.celery import app
from orchestrator_project.runtime.bootstrap import first_steps
from trading.access.people import operator_name
from trading.core.trace_spans import note_cycle, span
from trading.cycle.cycles import CycleReport, report, start_cycle
from trading.domain.statuses import CycleStatus
from trading.domain.symbols import EXPECTED, parse_symbols
from trading.errors import CycleRunningError, SymbolsError
from trading.management.operator_command import OperatorCommand
from trading.market.universe import checked_symbols
from trading.models import Asset, Cycle
from trading.tasks import launch

FAILED, BAD_ARGUMENTS, NO_WORKER = 1, 2, 3
STOPPED = (
    "trading is stopped: `manage.py kill_switch status` says why,"
    " `manage.py kill_switch release --reason …` lets it go on"
)
WORKER_PATIENCE_SECONDS = 10.0
POLL_SECONDS = 0.25


class Command(OperatorCommand):
    help = "Run one cycle now, after the running one, and report how it ended."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--symbols", help="comma-separated, e.g. AAPL,MSFT,BTC/USD (default: the universe)"
        )
        parser.add_argument("--type", choices=list(Cycle.Type.values), default=Cycle.Type.ANALYSIS)
        parser.add_argument("--json", action="store_true", help="print one JSON object")
        parser.add_argument(
            "--first",
            action="store_true",
            help="as `up` does: wait for the broker, list its assets, start, end",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["first"]:
            first_steps(self._say)
            return
        symbols, malformed = (
            parse_symbols(options["symbols"]) if options["symbols"] is not None else (None, [])
        )
        if malformed:
            self._end(
                BAD_ARGUMENTS, f"--symbols: malformed {', '.join(map(repr, malformed))}, expected {EXPECTED}"
            )
        try:
            if not Asset.objects.exists():
                self._end(NO_WORKER, "nothing was started here yet: start `manage.py up`")
            chosen = checked_symbols(symbols) if symbols is not None else None
        except SymbolsError as error:
            self._end(BAD_ARGUMENTS, f"--symbols: {error}")
        except DatabaseError as error:
            self._end(NO_WORKER, f"the database is not ready ({type(error).__name__}): start `manage.py up`")
        if not _worker_answers():
            self._end(NO_WORKER, "no worker answers within 10 s: start `manage.py up`")
        cycle = _run(options["type"], chosen)
        self._print(report(cycle), as_json=options["json"])
        if cycle.status != CycleStatus.COMPLETED:
            sys.exit(FAILED)

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()

    def _print(self, facts: CycleReport, *, as_json: bool) -> None:
        if as_json:
            self.stdout.write(json.dumps(dataclasses.asdict(facts)))
            return
        reason = facts.reason.replace("_", " ")
        self.stdout.write(f"cycle {facts.cycle_id} {facts.status}{f': {reason}' if reason else ''}")
        if facts.reason == "kill_switch":
            self.stdout.write(STOPPED)
        self.stdout.write(
            f"{len(facts.symbols)} symbols, {facts.decisions_count} decisions, {facts.trades_count} trades,"
            f" {facts.duration_seconds:.1f} s"
        )
        self.stdout.write(
            f"market: {facts.market or 'not known yet'}; analyst: {facts.analyst or 'not asked'}"
        )
        for reason, count in sorted(facts.skipped.items()):
            self.stdout.write(f"  not traded, {reason}: {count}")
        for entry in facts.errors:
            self.stdout.write(f"  problem in {entry['operation']}: {entry['message']}")
        for entry in facts.warnings:
            self.stdout.write(f"  note on {entry['operation']}: {entry['message']}")

    def _end(self, code: int, message: str) -> None:
        self.stderr.write(message)
        sys.exit(code)


def _worker_answers() -> bool:
    give_up = time.monotonic() + WORKER_PATIENCE_SECONDS
    while time.monotonic() < give_up:
        try:
            if app.control.ping(timeout=1.0):
                return True
        except Exception:  # noqa: BLE001, S110 - whatever the broker's client raises: nobody answers
            pass
        time.sleep(POLL_SECONDS)
    return False


def _run(cycle_type: str, symbols: list[str] | None) -> Cycle:
    """Start the cycle when none runs any more, and wait for its end (the sweeper sees to it)."""
    with span("start_cycle"):
        while True:
            try:
                cycle = start_cycle(
                    cycle_type=cycle_type, trigger="command", started_by=operator_name(), symbols=symbols
                )
                break
            except CycleRunningError:
                time.sleep(POLL_SECONDS)
        note_cycle(cycle.pk)
        launch(cycle)
    while cycle.is_open:
        time.sleep(POLL_SECONDS)
        cycle.refresh_from_db()
    return cycle
