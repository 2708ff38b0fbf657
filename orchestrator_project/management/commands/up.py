import sys
from argparse import ArgumentTypeError
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from ai.builtin import LABEL as ANALYST_LABEL
from orchestrator_project.runtime import image
from orchestrator_project.runtime.apart import Apart
from orchestrator_project.runtime.connection_count import (
    FEWEST_WORKERS,
    MOST_WORKERS,
    default_workers,
    needed,
    offered,
)
from orchestrator_project.runtime.launch import BAD_START, embedded_engines
from orchestrator_project.runtime.ports import port_is_free
from orchestrator_project.runtime.prepare import FIRST_OPERATOR, prepare
from orchestrator_project.runtime.processes import VENUE, process_specs, terminal_specs, venue_defaults
from orchestrator_project.runtime.supervisor import AlreadyRunningError, Supervisor, only_one
from trading.core.modes import current_mode
from trading.core.providers import PAPER, REPLAY, SYNTHETIC

WORKERS_HELP = (
    f"child processes (default: one for each core, {FEWEST_WORKERS} at least, {MOST_WORKERS} at most)"
)
FEW_CONNECTIONS = (
    "the database has {offered} connections for us, and up to {needed} may be wanted: raise its max_connections, or"
    " start with fewer --workers; when none is left, work is refused until one is free"
)
PORT_TAKEN = (
    "port {port} is taken: choose another with `manage.py up --port {other}` (or `make demo PORT={other}`)"
)


class Command(BaseCommand):
    help = "Start everything: engines, web, workers, beat, sweeper, listener and the local venue."
    requires_system_checks = []  # they take their time beside the migrations

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", type=_port, default=8000, help="of the console (default: 8000)")
        parser.add_argument("--workers", type=_positive, default=default_workers(), help=WORKERS_HELP)
        parser.add_argument("--no-venue", action="store_true", help="without the local venue")
        parser.add_argument("--venue-speed", default="1.0", help="market seconds per second (default: 1)")

    def handle(self, *args: Any, **options: Any) -> None:
        home = Path(settings.ENVIRONMENT.orchestrator_home)
        try:
            with only_one(home) as lock:
                self._run(home, lock, options)
        except AlreadyRunningError as error:
            raise CommandError(str(error)) from error

    def _run(self, home: Path, lock: int, options: dict[str, Any]) -> None:
        port = options["port"]
        if not port_is_free("127.0.0.1", port):
            raise CommandError(PORT_TAKEN.format(port=port, other=port + 1), returncode=BAD_START)
        image.seal()
        venue = None
        if settings.ENVIRONMENT.venue_enabled and not options["no_venue"]:
            given = {"speed": options["venue_speed"], **venue_defaults()}
            venue = tuple(f"--{name.replace('_', '-')}={value}" for name, value in given.items())
        specs = [
            *process_specs(home=home, port=port, workers=options["workers"], venue=venue),
            *terminal_specs(home=home, since=timezone.now(), keep_engines=bool(embedded_engines)),
        ]
        cleanup = (sys.executable, "-m", "orchestrator_project.runtime.engines", str(home))
        supervisor = Supervisor(specs, self._say, lock=lock, after_kill=cleanup)
        with supervisor.started_ahead(VENUE):
            self._prepare(port, options["workers"])
            supervisor.run()
        if refused := supervisor.refused():
            raise CommandError(_last_words(refused.log), returncode=BAD_START)
        self._say("stopped; the next start continues with the same state")

    def _prepare(self, port: int, workers: int) -> None:
        """Check the project and prepare the database, beside each other and apart from what is forked later."""
        checks = Apart(self.check)
        try:
            Apart(lambda: self._bring_up_to_date(port, workers)).finish()
            checks.finish()
        finally:
            checks.end()

    def _bring_up_to_date(self, port: int, workers: int) -> None:
        self._announce(port, prepare())
        if (most := needed(workers)) > (has := offered()):
            self._say(FEW_CONNECTIONS.format(offered=has, needed=most))

    def _announce(self, port: int, password: str | None) -> None:
        environment = settings.ENVIRONMENT
        if not environment.venue_enabled:
            market = PAPER
        elif environment.venue_data:
            market = f"{REPLAY} from {environment.venue_data}"
        else:
            market = f"{SYNTHETIC} (set VENUE_DATA to a folder of CSV files to replay real ones)"
        self._say("Trading Orchestrator: paper trading only")
        self._say(f"market:   {market}")
        self._say(f"analyst:  {', '.join(environment.ai_models) or ANALYST_LABEL}")
        mode = current_mode()
        self._say(f"mode:     {mode}")
        if mode != environment.orchestrator_mode:
            self._say(
                f"          (kept from before; ORCHESTRATOR_MODE={environment.orchestrator_mode} is for a first start:"
                f" change it with `manage.py mode {environment.orchestrator_mode}`)"
            )
        self._say(f"console:  http://127.0.0.1:{port}/admin/")
        if password:
            self._say(f"operator: {FIRST_OPERATOR}, password {password} (shown this once)")
        else:
            self._say("operator: as before (`manage.py changepassword admin` sets a new password)")

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()


def _last_words(log: Path) -> str:
    """Return the last line a process wrote before it ended; the supervisor's own lines begin with ---."""
    lines = [line for line in log.read_text(errors="replace").splitlines() if not line.startswith("---")]
    return lines[-1] if lines else f"a process refused to start, see {log}"


def _port(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise ArgumentTypeError(f"expected a port from 1 to 65535, was {text!r}")
    return int(text)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise ArgumentTypeError(f"expected a whole number from 1, was {text!r}")
    return int(text)
