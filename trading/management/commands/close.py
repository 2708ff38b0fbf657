import json
from decimal import Decimal, InvalidOperation
from typing import Any

from django.core.management.base import CommandError, CommandParser

from connectors.errors import ConnectorError
from risk.domain.numbers import plain_decimal
from trading.access.people import operator_name
from trading.domain.performance.exit_reasons import ExitReason
from trading.errors import TradingError
from trading.exits.closing import as_listed, close_position
from trading.management.operator_command import OperatorCommand


class Command(OperatorCommand):
    help = (
        "Sell what is held of a symbol at the market, all of it or a part. What rests at the broker to protect it is"
        " cancelled first; what is left of it is protected anew."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("symbol", help="AAPL, BTC/USD, btcusd")
        parser.add_argument("--quantity", help="base units; all that is held where it is not given")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        symbol = as_listed(options["symbol"])
        try:
            order = close_position(
                symbol,
                quantity=_quantity(options["quantity"]),
                reason=ExitReason.OPERATOR,
                actor=f"{operator_name()} (command line)",
            )
        except (ConnectorError, TradingError) as error:
            raise CommandError(str(error)) from error
        quantity = plain_decimal(order.quantity or Decimal(0))
        if options["json"]:
            facts = {
                "order_id": str(order.pk),
                "symbol": symbol,
                "quantity": quantity,
                "status": order.status,
            }
            self.stdout.write(json.dumps(facts | {"message": order.broker_message}))
            return
        said = f": {order.broker_message}" if order.broker_message else ""
        self.stdout.write(f"sell {quantity} {symbol}: order {order.pk} is {order.status}{said}")


def _quantity(text: str | None) -> Decimal | None:
    if text is None:
        return None
    try:
        return Decimal(text)
    except InvalidOperation:
        raise CommandError(f"--quantity: was {text!r}, expected a number") from None
