from typing import Any

from django.core.management.base import BaseCommand

from orchestrator_project.prepare import FIRST_OPERATOR, prepare


class Command(BaseCommand):
    help = "Migrate the database and add what a first start needs (operator, limits, settings, schedule)."

    def handle(self, *args: Any, **options: Any) -> None:
        password = prepare()
        if password:
            self.stdout.write(f"operator {FIRST_OPERATOR}, password {password} (shown this once)")
        self.stdout.write("database ready")
