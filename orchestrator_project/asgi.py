"""The ASGI entry point of the web process."""

import os

from django.core.asgi import get_asgi_application

from orchestrator_project.threads import LentThreads

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "orchestrator_project.settings")

application = LentThreads(get_asgi_application())
