import sys
from argparse import Namespace
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from connectors.venue import cli
from orchestrator_project.runtime.processes import venue_defaults


class Command(BaseCommand):
    help = (
        "Run the local venue: a paper account, market data, news and a chat model over the real wire"
        " protocols, replaying VENUE_DATA or a seeded synthetic market."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        cli.add_arguments(parser)
        parser.set_defaults(**venue_defaults())

    def handle(self, *args: Any, **options: Any) -> None:
        sys.exit(cli.run(Namespace(**options)))
