import json
from typing import Any
from uuid import UUID

from django.core.management.base import CommandError, CommandParser

from trading.access.people import operator_name
from trading.errors import WithdrawalError
from trading.execution.by_hand.withdrawing import withdraw
from trading.management.operator_command import OperatorCommand


class Command(OperatorCommand):
    help = (
        "Withdraw a person's approval before its order has left: it is never sent, and the decision expires."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("decision", type=UUID, help="the decision's id")
        parser.add_argument("--reason", required=True, help="why")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        actor = f"{operator_name()} (command line)"
        try:
            decision = withdraw(options["decision"], actor=actor, reason=options["reason"])
        except WithdrawalError as error:
            raise CommandError(f"nothing was withdrawn: {error}") from error
        if options["json"]:
            self.stdout.write(json.dumps({"decision_id": str(decision.pk), "status": decision.status}))
        else:
            self.stdout.write(f"{decision.action} {decision.symbol}: withdrawn, nothing was sent")
