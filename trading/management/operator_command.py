"""What the commands of this room have in common."""

from django.core.management.base import BaseCommand


class OperatorCommand(BaseCommand):
    """A command that does one thing for a person who waits for it.

    ``up`` and ``check`` look at the whole project. Here Django's look at it, which loads the console and the REST API,
    would take as long as all the rest.
    """

    requires_system_checks: list[str] = []
