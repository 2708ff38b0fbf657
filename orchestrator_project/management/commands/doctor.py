import dataclasses
import json
import sys
from collections.abc import Iterator
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from orchestrator_project.runtime.doctor import Examination, Status, examine
from orchestrator_project.runtime.doctor.processes import starts_by_itself

LABELS = {Status.OK: "ok", Status.WARNING: "WARNING", Status.FAILED: "FAILED", Status.OFF: "off"}


class Command(BaseCommand):
    help = "Look at everything a cycle needs; a line each, with its remedy. Exit 1 if a cycle could not run."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        examination = examine()
        if options["json"]:
            self.stdout.write(json.dumps(_as_object(examination)))
        else:
            self.stdout.write("\n".join(_as_lines(examination)))  # at once: a pipe may close early
        if not examination.ok:
            sys.exit(1)


def _as_lines(examination: Examination) -> Iterator[str]:
    for finding in examination.findings:
        yield f"{LABELS[finding.status]:<8} {finding.name:<12} {finding.found}"
        if finding.remedy:
            yield f"{'':<22}-> {finding.remedy}"
    for section, facts in examination.configuration.items():
        yield f"\n{section}:{'' if facts else ' not known'}"
        for name, value in (facts or {}).items():
            yield f"  {name} = {value}" if value else f"  {name} is not set"
    yield f"\n{_last_words(examination)}"


def _last_words(examination: Examination) -> str:
    if not examination.ok:
        return "a cycle could not run: see FAILED above"
    looks = {finding.name: finding for finding in examination.findings}
    if looks["schedule"].status is Status.WARNING and not starts_by_itself():
        return "no cycle starts by itself: see WARNING schedule above (one started by hand would run)"
    return "a cycle can run"


def _as_object(examination: Examination) -> dict[str, Any]:
    return {
        "ok": examination.ok,
        "checks": [dataclasses.asdict(finding) for finding in examination.findings],
        "configuration": examination.configuration,
    }
