import json
from decimal import Decimal, InvalidOperation
from typing import Any

from django.core.management.base import CommandError, CommandParser

from connectors.errors import ConnectorError
from risk.domain.numbers import plain_decimal
from trading.access.people import operator_name
from trading.errors import TradingError
from trading.exits.closing import as_listed
from trading.exits.moving import move_stop
from trading.management.operator_command import OperatorCommand


class Command(OperatorCommand):
    help = (
        "Move the price at which a position's stop sells, up or down; down no further than the account's limits allow."
        " The orders at the broker follow within a second or two. To stop trading: kill_switch engage."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("symbol", help="AAPL, BTC/USD, btcusd")
        parser.add_argument("--price", required=True, help="USD per base unit, below the price now")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        symbol = as_listed(options["symbol"])
        try:
            price = Decimal(options["price"])
            move_stop(symbol, stop_price=price, actor=f"{operator_name()} (command line)")
        except InvalidOperation:
            raise CommandError(f"--price: was {options['price']!r}, expected a number") from None
        except (ConnectorError, TradingError) as error:
            raise CommandError(str(error)) from error
        if options["json"]:
            self.stdout.write(json.dumps({"symbol": symbol, "stop_price": plain_decimal(price)}))
        else:
            self.stdout.write(f"{symbol} is sold at {plain_decimal(price)} USD or below")
