import json
from typing import Any

from django.core.management.base import CommandParser

from trading.access.people import operator_name
from trading.guards.symbol_locks import unlock_symbol
from trading.management.operator_command import OperatorCommand


class Command(OperatorCommand):
    help = "Take back a symbol's lock."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("symbol")
        parser.add_argument("--reason", default="", help="why")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        symbol, actor = options["symbol"], f"{operator_name()} (command line)"
        was_locked = unlock_symbol(symbol=symbol, actor=actor, reason=options["reason"])
        if options["json"]:
            self.stdout.write(json.dumps({"symbol": symbol, "was_locked": was_locked}))
        else:
            self.stdout.write(f"{symbol} is unlocked" if was_locked else f"{symbol} was not locked")
