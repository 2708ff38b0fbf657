from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from orchestrator_project.runtime import first_schema


class Command(BaseCommand):
    help = "Print the tables that the migrations make, in one piece, as a first start makes them."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--write", action="store_true", help="into the file that a start uses")

    def handle(self, *args: Any, **options: Any) -> None:
        text = first_schema.made_by_migrations()
        if not options["write"]:
            self.stdout.write(text)
            return
        first_schema.FILE.write_text(text)
        self.stdout.write(f"wrote {first_schema.FILE.name}")
