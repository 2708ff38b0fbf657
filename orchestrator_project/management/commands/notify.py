import json
import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from connectors import notices
from connectors.errors import ConnectorError
from trading.domain.events.notices import NAME, Severity
from trading.events import notifying

TITLE = f"{NAME}: a test"
BODY = "This is how you are told when something needs you. Nothing is to be done."


class Command(BaseCommand):
    help = (
        "Say how notices stand; with --test, send one to each address of APPRISE_URLS. Exit 1 if one failed."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--test", action="store_true", help="send a test to each address")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        addresses = settings.ENVIRONMENT.apprise_urls
        if options["test"] and not addresses:
            raise CommandError("APPRISE_URLS: was not set, expected apprise addresses, comma-separated")
        facts = _tested(addresses) if options["test"] else _standing(addresses)
        if options["json"]:
            self.stdout.write(json.dumps(facts))
        elif options["test"]:
            for each in facts["addresses"]:
                words = "ok" if each["ok"] else f"FAILED  {each['error']}"
                self.stdout.write(f"{each['number']}  {each['service']:<12} {words}")
        else:
            for name, value in facts.items():
                self.stdout.write(f"{name}: {value}")
        if options["test"] and not facts["ok"]:
            sys.exit(1)


def _tested(addresses: tuple[str, ...]) -> dict[str, Any]:
    """Send to each; they are told apart by their place in APPRISE_URLS, because an address holds keys."""
    answers = []
    for number, address in enumerate(addresses, start=1):
        error = ""
        try:
            notices.send(address, title=TITLE, body=BODY, severity=Severity.INFO)
        except ConnectorError as problem:
            error = problem.detail
        answers.append(
            {"number": number, "service": notices.service_of(address), "ok": not error, "error": error}
        )
    return {"ok": all(answer["ok"] for answer in answers), "addresses": answers}


def _standing(addresses: tuple[str, ...]) -> dict[str, Any]:
    standing = notifying.notice_standing()
    return {
        "services": [notices.service_of(address) for address in addresses],
        "waiting": standing.waiting,
        "last_sent_at": standing.last_sent_at.isoformat() if standing.last_sent_at else None,
        "last_failed_at": standing.last_failed_at.isoformat() if standing.last_failed_at else None,
        "last_error": standing.last_error,
    }
