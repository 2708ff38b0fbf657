from typing import Any

import redis
from django.core.management.base import BaseCommand, CommandError, CommandParser

from trading.access.login_limits import by_address, by_user, forget_all, forget_wrong_passwords


class Command(BaseCommand):
    help = (
        "End the pauses that follow wrong passwords: all of them, or those of the names and addresses given."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("names", nargs="*", metavar="NAME|ADDRESS", help="users' names or addresses")

    def handle(self, *args: Any, **options: Any) -> None:
        names: list[str] = options["names"]
        guessers = [guesser for name in names for guesser in (by_user(name), by_address(name))]
        try:
            if not names:
                forget_all()
            elif not forget_wrong_passwords(*guessers):
                raise CommandError(
                    "Redis does not answer; restart the web process, which counts for itself meanwhile"
                )
        except redis.RedisError as error:
            raise CommandError(
                "Redis does not answer; restart the web process, which counts for itself meanwhile"
            ) from error
        self.stdout.write("lifted")
