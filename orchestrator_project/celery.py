"""The Celery application: settings measured under faults, see docs/adr/0003-celery.md."""

import os
from typing import Any

from celery import Celery
from celery.signals import setup_logging

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "orchestrator_project.settings")

app = Celery("orchestrator_project")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@setup_logging.connect
def _use_project_logging(**_: Any) -> None:
    """Keep the logging that Django's settings configured: Celery must not replace it."""
