import dataclasses
import json
import sys
from decimal import Decimal
from typing import Any

from django.core.management.base import CommandError, CommandParser

from risk.domain.numbers import plain_decimal
from risk.errors import SwitchStateError
from risk.services import switch
from trading.access.people import operator_name
from trading.execution.operator_stop import stop_trading
from trading.management.operator_command import OperatorCommand
from trading.management.words import lines_of
from trading.safety import flatten, kill_switch, switch_follow_up


class Command(OperatorCommand):
    help = "Stop all trading (engage), let it go on (release), or say how the switch stands (status)."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("action", choices=["engage", "release", "status"])
        parser.add_argument("--reason", default="", help="why; release needs it")
        parser.add_argument("--flatten", action="store_true", help="with engage: also sell every position")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["flatten"] and options["action"] != "engage":
            raise CommandError("--flatten goes with engage")
        facts: dict[str, Any] = getattr(self, f"_{options['action']}")(options)
        if options["json"]:
            self.stdout.write(json.dumps(facts))
        else:
            self.stdout.write("\n".join(lines_of(facts)))
        if facts.get("problems"):
            sys.exit(1)

    def _engage(self, options: dict[str, Any]) -> dict[str, Any]:
        reason = options["reason"] or "engaged from the command line"
        report = stop_trading(actor=_actor(), reason=reason, flatten=options["flatten"])
        facts: dict[str, Any] = {
            "engaged": True,
            "already_engaged": report.already_engaged,
            "since": report.engagement.engaged_at.isoformat(),
            "cancel_requested": report.cancel_requested,
            "problems": report.problems,
            "remaining_orders": report.remaining_orders,
            "unprotected_positions": report.unprotected_positions,
            "left_alone": report.left_alone,
        }
        if options["flatten"]:
            sold = report.flattening or flatten.FlattenReport()
            facts["flatten_ordered"] = sold.ordered
            facts["remaining_positions"] = _held(sold.remaining)
            facts["problems"] = report.problems + sold.problems
            if not sold.is_done:
                facts["problems"].append("not everything is sold yet: the sweeper goes on until it is")
        return facts

    def _release(self, options: dict[str, Any]) -> dict[str, Any]:
        if not options["reason"].strip():
            raise CommandError(
                '--reason: expected why trading may go on, e.g. --reason "cause found and fixed"'
            )
        try:
            engagement = kill_switch.release(actor=_actor(), reason=options["reason"])
        except SwitchStateError as error:
            raise CommandError(str(error)) from error
        return {"engaged": False, "released_by": engagement.released_by}

    def _status(self, options: dict[str, Any]) -> dict[str, Any]:
        current = switch.current_engagement()
        open_facts = dataclasses.asdict(kill_switch.remaining())
        if current is None:
            return {"engaged": False, **open_facts}
        return {
            "engaged": True,
            "since": current.engaged_at.isoformat(),
            "by": current.engaged_by,
            "trigger": current.trigger,
            "reason": current.reason,
            "not_done": switch_follow_up.not_done(current),
            **open_facts,
        }


def _held(remaining: dict[str, Decimal] | None) -> dict[str, str] | None:
    """Return what is held as text; None: not known, which is not the same as nothing."""
    return None if remaining is None else {s: plain_decimal(q) for s, q in remaining.items()}


def _actor() -> str:
    return f"{operator_name()} (command line)"
