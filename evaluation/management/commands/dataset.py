from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from evaluation.errors import EvaluationError
from evaluation.services.datasets import make_dataset
from evaluation.services.replay.selecting import Selection


class Command(BaseCommand):
    help = "Keep decisions under a name, with all that asking them again needs: retention takes nothing from them."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("action", choices=["make"])
        parser.add_argument("name", help="what the data set is to be called")
        parser.add_argument(
            "--from", dest="first", required=True, help="first day in the market's time, YYYY-MM-DD"
        )
        parser.add_argument("--to", dest="last", required=True, help="last day, inclusive")
        parser.add_argument("--description", default="", help="a line for whoever finds it")

    def handle(self, *args: Any, **options: Any) -> None:
        selection = Selection(first=options["first"], last=options["last"])
        try:
            dataset = make_dataset(options["name"], selection, description=options["description"])
        except EvaluationError as error:
            raise CommandError(str(error), returncode=2) from error
        self.stdout.write(f"{dataset.items.count()} decisions are kept as {dataset.name}")
