import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from connectors.venue import cli
from trading.core.providers import venue_file


class Command(BaseCommand):
    help = (
        "Run the local venue: a paper account, market data, news and a chat model over the real wire"
        " protocols, replaying VENUE_DATA or a seeded synthetic market."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        cli.add_arguments(parser)
        home = Path(settings.ENVIRONMENT.orchestrator_home)
        parser.set_defaults(
            data=settings.ENVIRONMENT.venue_data, state=home / "venue", address_file=venue_file()
        )

    def handle(self, *args: Any, **options: Any) -> None:
        sys.exit(cli.run(Namespace(**options)))
