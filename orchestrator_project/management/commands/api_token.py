from argparse import ArgumentTypeError
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError, CommandParser

from trading.access.api_tokens import LIFE_DAYS, issue_token, revoke_token
from trading.models import ApiToken

LONGEST_DAYS = 3650
ACTOR = "command line"


def _days(text: str) -> int:
    if not text.isdecimal() or int(text) > LONGEST_DAYS:
        raise ArgumentTypeError(f"was {text!r}, expected days, 0 (never) to {LONGEST_DAYS}")
    return int(text)


class Command(BaseCommand):
    help = "Make a further API token of a user and print it, alone on a line; it cannot be shown again."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("user", help="user name, e.g. admin")
        parser.add_argument(
            "--expires",
            metavar="DAYS",
            type=_days,
            default=LIFE_DAYS,
            help=f"days until it expires; 0 for never, {LIFE_DAYS} by default",
        )
        act = parser.add_mutually_exclusive_group()
        act.add_argument("--list", action="store_true", help="say which tokens the user has; makes none")
        act.add_argument(
            "--revoke",
            nargs="?",
            const="",
            metavar="PREFIX",
            help="end all the user's tokens, or those that begin like this; makes none",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        user = User.objects.filter(username=options["user"]).first()
        if user is None:
            names = ", ".join(User.objects.order_by("username").values_list("username", flat=True))
            raise CommandError(f"user: there is no {options['user']!r}, expected one of {names}")
        if options["list"]:
            for token in user.api_tokens.all():
                self.stdout.write(_line(token))
        elif options["revoke"] is not None:
            self._revoke(user, options["revoke"])
        else:
            self.stdout.write(issue_token(user=user, days=options["expires"]).text)

    def _revoke(self, user: User, prefix: str) -> None:
        found = user.api_tokens.filter(prefix__startswith=prefix[:8], revoked_at=None)
        revoked = [token for token in found if revoke_token(token=token, actor=ACTOR)]
        if prefix and not revoked:
            raise CommandError(f"--revoke: {user} has no token in force that begins with {prefix[:8]!r}")
        self.stdout.write(f"{len(revoked)} revoked")


def _line(token: ApiToken) -> str:
    times = {
        "made": token.created_at,
        "expires": token.expires_at,
        "used": token.last_used_at,
        "revoked": token.revoked_at,
    }
    return "  ".join(
        [
            str(token),
            *(f"{word} {f'{time:%Y-%m-%d %H:%M}' if time else 'never'}" for word, time in times.items()),
        ]
    )
