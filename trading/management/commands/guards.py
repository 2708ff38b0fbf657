import dataclasses
import json
from typing import Any

from django.core.management.base import CommandParser
from django.core.serializers.json import DjangoJSONEncoder

from trading.management.operator_command import OperatorCommand
from trading.queries.guard_report import GuardReport, guard_report


class Command(OperatorCommand):
    help = "Say what is blocked now: by which guard, in which symbol, until when (market time)."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        report = guard_report()
        if options["json"]:
            self.stdout.write(json.dumps(dataclasses.asdict(report), cls=DjangoJSONEncoder))
            return
        for line in _lines(report):
            self.stdout.write(line)


def _lines(report: GuardReport) -> list[str]:
    paused = report.pause
    said = [f"entries paused by {paused.author}: {paused.reason}"] if paused.is_paused else []
    for line in report.lines:
        until = f" until {line.until:%Y-%m-%d %H:%M:%S}" if line.until else ""
        said.append(f"{line.guard}: {line.symbol or 'every symbol'}, {line.blocks}{until} ({line.detail})")
    return said or ["nothing is blocked"]
