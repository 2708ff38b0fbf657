import argparse
import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from evaluation.domain.figures import Window
from evaluation.domain.outcomes import LabelSpec
from evaluation.errors import EvaluationError, NotPublishedError
from evaluation.models import CalibrationReport
from evaluation.services.calibration.publishing import publish_trust
from evaluation.services.calibration.rendering import as_json, as_lines
from evaluation.services.calibration.reports import report_of, store
from evaluation.services.calibration.scopes import DEFAULT_LABEL, Question, ReportScope, asked_scopes

REFUSED, ARGUMENTS = 1, 2
EPILOG = """examples:
  manage.py calibrate                                   every model, by its excess return over 5 sessions
  manage.py calibrate --model openai/gpt-4o-mini --label excess-1s-v1
  manage.py calibrate --strategy "Trend and dips" --publish    put what was learnt of it before the gate
exit codes: 0 done; 1 something that was to be published was refused; 2 arguments
"""


class Command(BaseCommand):
    help = (
        "Say whether stated confidences are true and worth anything: figures with their intervals, n and effective n."
        " Reports are kept. With --publish they become trust curves, which can only shrink entries."
    )

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        shown = {"epilog": EPILOG, "formatter_class": argparse.RawDescriptionHelpFormatter}
        return super().create_parser(prog_name, subcommand, **kwargs, **shown)

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--model", default="", help="as it is asked for, or as it answers (all)")
        parser.add_argument(
            "--strategy", default="", help="a strategy's name: it alone, by prompt version (all)"
        )
        parser.add_argument("--label", default="", help=f"one of {', '.join(LabelSpec)} ({DEFAULT_LABEL})")
        parser.add_argument(
            "--window",
            default="",
            help=f"where decisions lie to the model's training: {', '.join(Window)} (all)",
        )
        parser.add_argument("--from", dest="first", default="", help="first session, YYYY-MM-DD")
        parser.add_argument("--to", dest="last", default="", help="last session, inclusive")
        parser.add_argument("--publish", action="store_true", help="publish trust curves of what it says")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        names = ("model", "strategy", "label", "window", "first", "last")
        try:
            scopes = asked_scopes(Question(**{name: options[name] for name in names}))
        except EvaluationError as error:
            raise CommandError(str(error), returncode=ARGUMENTS) from error
        found: list[tuple[ReportScope, CalibrationReport]] = []
        for place, scope in enumerate(scopes, start=1):
            self._progress(f"{place} of {len(scopes)}: {scope.model}, {scope.label_spec}")
            report = report_of(scope)
            if report is not None:
                found.append((scope, store(report)))
        self._progress("")
        curves = self._publish(found) if options["publish"] else {}
        reports = [report for _, report in found]
        if options["json"]:
            self.stdout.write(json.dumps(as_json(reports, curves)))
        else:
            self.stdout.write("\n".join(as_lines(reports, curves)))
        if options["publish"] and not any(isinstance(each, int) for each in curves.values()):
            raise CommandError("nothing was published", returncode=REFUSED)

    def _publish(self, found: list[tuple[ReportScope, CalibrationReport]]) -> dict[str, int | str]:
        """Return, by report, the version of its curve, or why there is none."""
        said: dict[str, int | str] = {}
        for scope, report in found:
            try:
                said[str(report.pk)] = publish_trust(scope, report, author="cli").version
            except NotPublishedError as error:
                said[str(report.pk)] = str(error)
        return said

    def _progress(self, words: str) -> None:
        if self.stderr.isatty():
            self.stderr.write(f"\r\x1b[K{words}", ending="")
