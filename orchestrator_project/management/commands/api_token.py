from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError, CommandParser
from rest_framework.authtoken.models import Token


class Command(BaseCommand):
    help = "Print a user's API token, alone on a line; made at the first call."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("user", help="user name, e.g. admin")

    def handle(self, *args: Any, **options: Any) -> None:
        user = User.objects.filter(username=options["user"]).first()
        if user is None:
            names = ", ".join(User.objects.order_by("username").values_list("username", flat=True))
            raise CommandError(f"user: there is no {options['user']!r}, expected one of {names}")
        token, _ = Token.objects.get_or_create(user=user)
        self.stdout.write(token.key)
