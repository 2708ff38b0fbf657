import json
from datetime import date
from typing import Any

from django.core.management.base import CommandError, CommandParser

from trading.management.operator_command import OperatorCommand
from trading.performance.rendering import as_csv, as_json, as_lines
from trading.performance.report import GROUPS, performance


class Command(OperatorCommand):
    help = "What trading earned, from what, and how good that was (docs/metrics.md)."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--from", dest="first", type=date.fromisoformat, help="first session, YYYY-MM-DD")
        parser.add_argument("--to", dest="last", type=date.fromisoformat, help="last session, inclusive")
        parser.add_argument("--by", choices=GROUPS, default="strategy", help="what the rows are of")
        shape = parser.add_mutually_exclusive_group()
        shape.add_argument("--json", action="store_true", help="print one JSON object")
        shape.add_argument("--csv", action="store_true", help="print the rows as CSV")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            report = performance(first=options["first"], last=options["last"], by=options["by"])
        except ValueError as error:
            raise CommandError(str(error)) from error
        if options["json"]:
            self.stdout.write(json.dumps(as_json(report)))
        elif options["csv"]:
            self.stdout.write(as_csv(report), ending="")
        else:
            self.stdout.write("\n".join(as_lines(report)))
