import argparse
import json
import signal
import sys
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from ai.replaying import AnswerPolicy
from evaluation.errors import EvaluationError
from evaluation.models import Run
from evaluation.services.replay import selecting, variation
from evaluation.services.replay.estimating import estimate
from evaluation.services.replay.orders import Order, order_replay, stop
from evaluation.services.replay.rendering import as_json, as_lines, estimate_line
from evaluation.services.replay.running import carry_out
from evaluation.services.replay.selecting import Selection
from evaluation.services.replay.variation import LIMITS, PROMPTS, STOPS, Variation, pairs

INCOMPLETE, ARGUMENTS, DIFFERENT = 1, 2, 4
EPILOG = """examples:
  manage.py replay 3f2a11c8                                   ask one decision again, as it was
  manage.py replay --cycle 0199… --model openai/gpt-4o-mini   what another model would have said
  manage.py replay --from 2026-10-01 --to 2026-10-31 --limits max_positions=20   asks nobody, costs nothing
exit codes: 0 done; 1 incomplete; 2 arguments; 4 something differs, with --expect-same
"""


class Command(BaseCommand):
    help = (
        "Ask recorded decisions again: of another model, in other words, under other limits; and show what would"
        " differ. What was answered once is read from the store; asking costs what AI_EVALUATION_BUDGET_USD allows."
    )

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        shown = {"epilog": EPILOG, "formatter_class": argparse.RawDescriptionHelpFormatter}
        return super().create_parser(prog_name, subcommand, **kwargs, **shown)

    def add_arguments(self, parser: CommandParser) -> None:
        what = parser.add_argument_group("what is asked again: one of")
        what.add_argument("decision", nargs="?", default="", help="a decision's id, or its last 8 characters")
        what.add_argument("--cycle", default="", help="all decisions of a cycle")
        what.add_argument(
            "--from", dest="first", default="", help="first day in the market's time, YYYY-MM-DD"
        )
        what.add_argument("--to", dest="last", default="", help="last day, inclusive")
        what.add_argument("--dataset", default="", help="a named data set (manage.py dataset make)")
        how = parser.add_argument_group("what is other than it was")
        how.add_argument("--model", default="", help="litellm names, comma-separated")
        how.add_argument("--prompt", choices=PROMPTS, help="version of the prompt")
        how.add_argument("--strategy", default="", help="NAME or NAME@VERSION: its instructions and rules")
        how.add_argument("--instructions", type=Path, help="file with the strategy's instructions")
        how.add_argument("--temperature", type=float, help="0 to 2")
        how.add_argument("--samples", type=int, default=1, help="answers to each question (1)")
        how.add_argument("--limits", default="", help=f"of the account: {', '.join(LIMITS)}")
        how.add_argument("--threshold", help="confidence from which an entry may pass, 0 to 1")
        how.add_argument("--stops", default="", help=f"of the strategy: {', '.join(STOPS)}")
        where = parser.add_mutually_exclusive_group()
        where.add_argument("--cached-only", action="store_true", help="read the store, and ask nobody")
        where.add_argument("--fresh", action="store_true", help="ask, whatever the store has")
        parser.add_argument("--max-usd", help="what this replay may cost at most")
        parser.add_argument("--expect-same", action="store_true", help="exit with 4 where anything differs")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        order = self._order(options)
        said = estimate(order)
        if order.asks:
            self.stderr.write(estimate_line(said))
        run = order_replay(order, author="cli")
        signal.signal(signal.SIGINT, lambda *_: self._stop(run))
        run = carry_out(run, on_progress=self._progress)
        if self.stderr.isatty():
            self.stderr.write("")
        if options["json"]:
            self.stdout.write(json.dumps(as_json(run)))
        else:
            self.stdout.write("\n".join(as_lines(run)))
        if run.status != Run.Status.COMPLETED:
            sys.exit(INCOMPLETE)
        if options["expect_same"] and run.figures["same"] < run.figures["decisions"]:
            sys.exit(DIFFERENT)

    def _order(self, options: dict[str, Any]) -> Order:
        """Return what the arguments ask for.

        Raises:
            CommandError: one of them cannot be taken, or nothing matches.
        """
        try:
            selection = selecting.checked(
                Selection(*(options[name] for name in ("decision", "cycle", "first", "last", "dataset")))
            )
            changed = variation.checked(self._variation(options), api_base=settings.ENVIRONMENT.ai_api_base)
            order = Order(selection, changed, self._money(options["max_usd"]))
            if next(selecting.sources_of(selection, wanting_only=not order.asks), None) is None:
                raise CommandError(f"nothing to ask again in {selection.words}", returncode=ARGUMENTS)
        except (EvaluationError, OSError) as error:
            raise CommandError(str(error), returncode=ARGUMENTS) from error
        return order

    def _variation(self, options: dict[str, Any]) -> Variation:
        policy = AnswerPolicy.FRESH if options["fresh"] else AnswerPolicy.REPLAY
        file: Path | None = options["instructions"]
        return Variation(
            models=tuple(filter(None, (name.strip() for name in options["model"].split(",")))),
            prompt=options["prompt"],
            strategy=options["strategy"],
            instructions=file.read_text(encoding="utf-8") if file else None,
            temperature=options["temperature"],
            samples=options["samples"],
            threshold=options["threshold"],
            limits=pairs("--limits", options["limits"], LIMITS),
            stops=pairs("--stops", options["stops"], STOPS),
            policy=AnswerPolicy.CACHED_ONLY if options["cached_only"] else policy,
        )

    def _money(self, said: str | None) -> str | None:
        if said is None:
            return None
        try:
            amount = Decimal(said)
        except InvalidOperation:
            amount = Decimal("NaN")
        if not (amount.is_finite() and amount >= 0):
            raise CommandError(
                f"--max-usd: was {said!r}, expected an amount in USD, e.g. 0.50", returncode=ARGUMENTS
            )
        return said

    def _stop(self, run: Run) -> None:
        self.stderr.write("stopping: what is under way is waited for; the same command takes it up")
        stop(run)

    def _progress(self, done: int, asked: int) -> None:
        if self.stderr.isatty():
            self.stderr.write(f"\r{done} decisions done, {asked} requests asked", ending="")
