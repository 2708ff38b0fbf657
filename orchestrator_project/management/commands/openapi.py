from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from orchestrator_project.web.openapi import FILE, document


class Command(BaseCommand):
    help = "Print the OpenAPI document as the code has it, or write it to docs/openapi.json."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--write", action="store_true", help="write docs/openapi.json")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["write"]:
            FILE.write_bytes(document())
            self.stdout.write(f"wrote {FILE.name}")
        else:
            self.stdout.write(document().decode(), ending="")
