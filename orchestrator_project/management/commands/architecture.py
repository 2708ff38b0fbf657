from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from orchestrator_project import rooms


class Command(BaseCommand):
    help = "Print the picture of the rooms and their imports as the code has them, or write it to docs/architecture.md."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the switch that writes."""
        parser.add_argument("--write", action="store_true", help="write docs/architecture.md")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the picture, or write it."""
        try:
            made = rooms.rendered(rooms.read_arrows())
            document = rooms.updated(rooms.FILE.read_text(), made) if options["write"] else ""
        except ModuleNotFoundError as error:
            raise CommandError(
                f"{error.name} is not installed: it reads the imports, and comes with the packages for development"
                " (`make install-dev`)"
            ) from error
        except ValueError as error:
            raise CommandError(str(error)) from error
        if not options["write"]:
            self.stdout.write(made)
            return
        rooms.FILE.write_text(document)
        self.stdout.write(f"wrote {rooms.FILE.name}")
