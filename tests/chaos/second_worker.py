"""The other worker: the real sweeper, which does what it revives itself, in a process of its own.

``python -m tests.chaos.second_worker SHORTENED`` (JSON, as ``stopped_sender.shorten``) runs until SIGTERM.
"""

import json
import sys

READY = "the second worker sweeps"


def main(shortened: dict[str, float]) -> None:
    """Sweep."""
    import django

    django.setup()
    from django.core.management import call_command

    from orchestrator_project.celery import app
    from orchestrator_project.management.commands import sweeper
    from tests.chaos.stopped_sender import shorten

    app.conf.task_always_eager = True
    shorten(shortened)
    if shortened:
        sweeper.REVIVE_AGAIN_SECONDS = 1.0
    sys.stdout.write(f"{READY}\n")
    call_command("sweeper")


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
