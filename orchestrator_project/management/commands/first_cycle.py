from typing import Any

from django.core.management.base import BaseCommand

from orchestrator_project.runtime.bootstrap import first_steps


class Command(BaseCommand):
    help = "Wait for the broker, list its assets where they are not known, and start a cycle at once."

    def handle(self, *args: Any, **options: Any) -> None:
        first_steps(self._say)

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()
