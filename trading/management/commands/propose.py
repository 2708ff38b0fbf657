import json
from decimal import Decimal, InvalidOperation
from typing import Any

from django.core.management.base import CommandError, CommandParser

from trading.access.people import operator_name
from trading.analysis.own_proposals import propose_for
from trading.analysis.proposals import start_waiting
from trading.errors import ProposalError
from trading.management.operator_command import OperatorCommand
from trading.models import Strategy
from trading.tasks import launch


class Command(OperatorCommand):
    help = (
        "Propose a trade. It becomes a decision of the next execution cycle and goes the way of every decision: mode,"
        " approval, risk gate. Its size, stop and target are the strategy's."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("action", choices=["buy", "sell"])
        parser.add_argument("symbol", help="AAPL, BTC/USD")
        parser.add_argument("--confidence", required=True, help="0 to 1, judged as a model's is")
        parser.add_argument("--reason", required=True, help="why")
        parser.add_argument("--strategy", help="its name; may be left out where one alone trades")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        actor = f"{operator_name()} (command line)"
        try:
            row = propose_for(
                actor,
                symbol=options["symbol"].upper(),
                action=options["action"],
                confidence=Decimal(options["confidence"]),
                reasoning=options["reason"],
                strategy=options["strategy"] or _only_one(),
            )
        except InvalidOperation:
            said = f"--confidence: was {options['confidence']!r}, expected 0 to 1"
            raise CommandError(said, returncode=2) from None
        except ProposalError as error:
            raise CommandError(str(error), returncode=2 if error.field != "kill switch" else 1) from error
        cycle = start_waiting(started_by=actor)
        if cycle is not None:
            launch(cycle)
        cycle_id = str(cycle.pk) if cycle else None
        if options["json"]:
            facts = {"proposal_id": str(row.pk), "symbol": row.symbol, "action": row.action}
            self.stdout.write(json.dumps(facts | {"cycle_id": cycle_id}))
            return
        what = f"cycle {cycle_id} judges it" if cycle_id else "the next cycle takes it up"
        self.stdout.write(f"{row.action} {row.symbol} is proposed ({row.pk}); {what}")


def _only_one() -> str:
    names = list(Strategy.objects.trading().order_by("name").values_list("name", flat=True))
    if len(names) != 1:
        raise CommandError(
            f"--strategy: was not given, expected one of: {', '.join(names) or 'none trades'}", returncode=2
        )
    return names[0]
