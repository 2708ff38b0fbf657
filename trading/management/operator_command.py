"""What the commands of this room have in common."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser


class OperatorCommand(BaseCommand):
    """A command that does one thing for a person who waits for it.

    ``up`` and ``check`` look at the whole project. Here Django's look at it, which loads the console and the REST API,
    would take as long as all the rest: it is as if ``--skip-checks``, which stays an option, were always given.
    """

    def create_parser(self, prog_name: str, subcommand: str, **words: Any) -> CommandParser:
        """Return Django's parser."""
        parser = super().create_parser(prog_name, subcommand, **words)
        parser.set_defaults(skip_checks=True)
        return parser
