from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from orchestrator_project.runtime.prepare import FIRST_OPERATOR, prepare

UNSEEN = (
    f"operator {FIRST_OPERATOR}, whose password nobody has seen: this is no terminal, and what is printed may stay in a"
    f" log. Set one: manage.py changepassword {FIRST_OPERATOR}"
)


class Command(BaseCommand):
    help = "Migrate the database and add what a first start needs (operator, limits, settings, schedule)."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--show-password",
            action="store_true",
            help="print the first operator's password although this is no terminal, where it may stay in a log",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        password = prepare()
        if password and (options["show_password"] or self.stdout.isatty()):
            self.stdout.write(f"operator {FIRST_OPERATOR}, password {password} (shown this once)")
        elif password:
            self.stdout.write(UNSEEN)
        self.stdout.write("database ready")
