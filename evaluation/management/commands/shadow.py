import argparse
import json
from decimal import Decimal, InvalidOperation
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from evaluation.errors import EvaluationError, SelectionError
from evaluation.services.shadow.books import open_book
from evaluation.services.shadow.reading import curve_of, positions_of, standing_of, standings, state_of
from evaluation.services.shadow.rendering import detail_json, detail_lines, standing_json, standing_line
from trading.models import Strategy

SHOWN = 20
EPILOG = """examples:
  manage.py shadow list                              every shadow strategy in a line, beside the account
  manage.py shadow show "Bold" --json                what it holds, decided and filled
  manage.py shadow open "Bold" --equity 5000         begin with 5,000 USD; else it begins with what the account is worth
A shadow strategy is made in the console: a strategy with a tick at "shadow".
exit codes: 0 done; 2 arguments
"""


class Command(BaseCommand):
    help = "Show the strategies that decide on what cycles saw and never trade, beside the account that does."

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        shown = {"epilog": EPILOG, "formatter_class": argparse.RawDescriptionHelpFormatter}
        return super().create_parser(prog_name, subcommand, **kwargs, **shown)

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("action", choices=["list", "show", "open"])
        parser.add_argument("name", nargs="?", default="", help="a shadow strategy's name")
        parser.add_argument("--equity", help="open: USD that its book begins with")
        parser.add_argument("--json", action="store_true", help="as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        if (options["action"] == "list") is bool(options["name"]):
            expected = "none" if options["name"] else "a shadow strategy's name"
            raise CommandError(f"name: was {options['name']!r}, expected {expected}", returncode=2)
        if (options["action"] == "open") is (options["equity"] is None):
            raise CommandError("--equity: expected USD with open, and with nothing else", returncode=2)
        try:
            getattr(self, f"_{options['action']}")(**options)
        except EvaluationError as error:
            raise CommandError(str(error), returncode=2) from error

    def _list(self, **options: Any) -> None:
        found = standings()
        if options["json"]:
            self._write([standing_json(each) for each in found])
            return
        for each in found:
            self.stdout.write(standing_line(each))
        if not found:
            self.stdout.write("there is no shadow strategy: tick shadow at a strategy in the console")

    def _show(self, **options: Any) -> None:
        found = standing_of(options["name"])
        book = found.book
        positions = positions_of(state_of(book)) if book else []
        decisions = list(book.decisions.all()[:SHOWN]) if book else []
        fills = list(book.fills.all()[:SHOWN]) if book else []
        if options["json"]:
            curve = curve_of(book) if book else []
            shown = detail_json(found, positions=positions, curve=curve, decisions=decisions, fills=fills)
            self._write(shown)
            return
        for line in detail_lines(found, positions=positions, decisions=decisions, fills=fills):
            self.stdout.write(line)

    def _open(self, **options: Any) -> None:
        strategy = Strategy.objects.filter(name=options["name"]).first()
        if strategy is None:
            raise SelectionError(f"strategy: was {options['name']!r}, expected one that there is")
        try:
            equity = Decimal(options["equity"])
        except InvalidOperation:
            raise SelectionError(f"--equity: was {options['equity']!r}, expected a sum in USD") from None
        book = open_book(strategy, equity)
        self.stdout.write(f"{strategy.name} begins with {book.start_equity:,.2f} USD at the next cycle")

    def _write(self, values: Any) -> None:
        self.stdout.write(json.dumps(values, indent=2, ensure_ascii=False))
