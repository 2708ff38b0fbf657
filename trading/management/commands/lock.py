import json
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils.dateparse import parse_datetime

from trading.access.people import operator_name
from trading.errors import GuardError
from trading.guards.symbol_locks import lock_symbol
from trading.management.operator_command import OperatorCommand


class Command(OperatorCommand):
    help = "Lock a symbol against entries (exits go on); unlock SYMBOL takes it back."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("symbol")
        parser.add_argument(
            "--until", type=_moment, help="market time, e.g. 2025-01-31T21:00, UTC without a zone"
        )
        parser.add_argument("--reason", required=True, help="why")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        actor, until = f"{operator_name()} (command line)", options["until"]
        try:
            lock = lock_symbol(symbol=options["symbol"], actor=actor, reason=options["reason"], until=until)
        except GuardError as error:
            raise CommandError(str(error)) from error
        end = lock.until.isoformat() if lock.until else None
        if options["json"]:
            self.stdout.write(json.dumps({"symbol": lock.symbol, "until": end, "reason": lock.reason}))
        else:
            self.stdout.write(f"{lock.symbol} is locked until {end or 'it is unlocked'}: {lock.reason}")


def _moment(text: str) -> datetime:
    moment = parse_datetime(text)
    if moment is None:
        raise ValueError(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
