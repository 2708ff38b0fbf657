import json
from typing import Any

from django.core.management.base import CommandError, CommandParser

from trading.access.people import operator_name
from trading.analysis.strategy_versions import roll_back
from trading.errors import StrategyError
from trading.management.operator_command import OperatorCommand
from trading.models import Strategy, StrategyVersion
from trading.queries.changes import differences_of


class Command(OperatorCommand):
    help = "List a strategy's versions with what each changed, or put one of them into force again."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("action", choices=["versions", "roll-back"])
        parser.add_argument("name", help="the strategy's name")
        parser.add_argument("--version-number", type=int, help="roll-back: which version")
        parser.add_argument("--reason", default="", help="roll-back: why")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        strategy = Strategy.objects.filter(name=options["name"]).first()
        if strategy is None:
            known = ", ".join(Strategy.objects.order_by("name").values_list("name", flat=True))
            raise CommandError(f"name: was {options['name']!r}, expected one of: {known}", returncode=2)
        if options["action"] == "versions":
            self._versions(strategy, as_json=options["json"])
            return
        if options["version_number"] is None:
            raise CommandError("--version-number: was not given, expected which version", returncode=2)
        try:
            after = roll_back(
                strategy.pk,
                version=options["version_number"],
                author=f"{operator_name()} (command line)",
                reason=options["reason"],
            )
        except StrategyError as error:
            raise CommandError(str(error), returncode=2) from error
        facts = {"strategy": after.name, "version": after.version, "content_of": options["version_number"]}
        said = "{strategy}: version {version} is in force, with the content of version {content_of}"
        self.stdout.write(json.dumps(facts) if options["json"] else said.format(**facts))

    def _versions(self, strategy: Strategy, *, as_json: bool) -> None:
        told: list[dict[str, Any]] = []
        for kept in StrategyVersion.objects.filter(strategy=strategy).order_by("version"):
            changes = {} if kept.version == 1 else _changes(kept)
            at = kept.created_at.isoformat(timespec="seconds")
            told.append(
                {
                    "version": kept.version,
                    "at": at,
                    "by": kept.author,
                    "reason": kept.reason,
                    "changes": changes,
                }
            )
        if as_json:
            self.stdout.write(json.dumps({"strategy": strategy.name, "versions": told}))
            return
        for one in told:
            why = f": {one['reason']}" if one["reason"] else ""
            self.stdout.write(f"version {one['version']}, {one['at']} by {one['by']}{why}")
            for name, (before, after) in one["changes"].items():
                self.stdout.write(f"  {name}: {before} -> {after}")


def _changes(kept: StrategyVersion) -> dict[str, tuple[str, str]]:
    return {one.name: (one.before, one.after) for one in differences_of(kept)}
