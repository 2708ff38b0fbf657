import dataclasses
import json
from typing import Any

from django.core.management.base import CommandError, CommandParser

from connectors.errors import ConnectorError
from trading.errors import TradingError
from trading.execution.reconciliation import reconcile
from trading.management.operator_command import OperatorCommand
from trading.management.words import lines_of


class Command(OperatorCommand):
    help = "Compare orders, fills and positions with the broker and heal differences toward the broker."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            report = reconcile()
        except (ConnectorError, TradingError) as error:
            raise CommandError(str(error)) from error
        facts = dataclasses.asdict(report)
        if options["json"]:
            self.stdout.write(json.dumps(facts))
            return
        self.stdout.write("\n".join(lines_of(facts)))
