import json
from typing import Any

from django.core.management.base import CommandError, CommandParser

from trading.access.people import operator_name
from trading.errors import GuardError
from trading.guards import pause
from trading.management.operator_command import OperatorCommand


class Command(OperatorCommand):
    help = "Pause entries (exits go on), resume them, or say how they stand."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("action", choices=["pause", "resume", "status"])
        parser.add_argument("--reason", default="", help="why; pause needs it")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        actor = f"{operator_name()} (command line)"
        try:
            if options["action"] == "pause":
                pause.pause_entries(actor=actor, reason=options["reason"])
            elif options["action"] == "resume":
                pause.resume_entries(actor=actor, reason=options["reason"])
        except GuardError as error:
            raise CommandError(f"--{error}") from error
        stands = pause.entries_pause()
        facts = {
            "paused": stands.is_paused,
            "since": stands.since.isoformat() if stands.since else None,
            "by": stands.author,
            "reason": stands.reason,
        }
        if options["json"]:
            self.stdout.write(json.dumps(facts))
        elif stands.is_paused:
            self.stdout.write(
                f"paused since {stands.since:%Y-%m-%d %H:%M:%S} UTC by {stands.author}: {stands.reason}"
            )
        else:
            self.stdout.write("not paused")
