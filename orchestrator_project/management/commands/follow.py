import signal
import threading
from datetime import datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser
from django.db import connection

from orchestrator_project.runtime.engines import ensure_running
from orchestrator_project.runtime.event_tail import EventTail
from orchestrator_project.runtime.watching import keep_watching


class Command(BaseCommand):
    help = "Print what happens, a line an event, as `manage.py up` does, until Ctrl-C."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--since", type=datetime.fromisoformat, help="ISO time with its zone (default: now)"
        )
        parser.add_argument(
            "--keep-engines", action="store_true", help="start embedded engines again that died"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        stop = threading.Event()
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, lambda *_: stop.set())
        home = Path(settings.ENVIRONMENT.orchestrator_home)
        tail = EventTail(self._say, since=options["since"])

        def look() -> None:
            for name in ensure_running(home) if options["keep_engines"] else ():
                self._say(f"{name} had died and was started again")
            try:
                tail.look()
            finally:
                connection.close_if_unusable_or_obsolete()

        keep_watching(look, self._say, stop)

    def _say(self, line: str) -> None:
        try:
            self.stdout.write(line)
            self.stdout.flush()
        except (OSError, ValueError):  # the terminal is gone: what is watched goes on
            return
