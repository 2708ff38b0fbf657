import json
from typing import Any

from django.core.management.base import CommandParser

from trading.access.people import operator_name
from trading.core import modes
from trading.management.operator_command import OperatorCommand
from trading.models import Mode


class Command(OperatorCommand):
    help = "Show the trading mode, or set it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("mode", nargs="?", choices=list(Mode.values))
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["mode"]:
            modes.set_mode(mode=options["mode"], actor=f"{operator_name()} (command line)")
        mode = modes.current_mode()
        self.stdout.write(json.dumps({"mode": mode}) if options["json"] else mode)
