import signal
import sys
import threading
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from evaluation.services.jobs import JOBS
from orchestrator_project.runtime.evaluator import Evaluator
from orchestrator_project.standby import give_way

NICENESS = 10


class Command(BaseCommand):
    help = "Do what judges decisions and is never in the way of one: outcomes, calibration. Several do nothing twice."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--once", action="store_true", help="do what is due now, then end; exit 1 where something failed"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        stop = threading.Event()
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, lambda *_: stop.set())
        evaluator = Evaluator(JOBS)
        if options["once"]:
            evaluator.work_once(stop)
            sys.exit(1 if evaluator.failed else 0)
        give_way(NICENESS)
        evaluator.work(stop)
