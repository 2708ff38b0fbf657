"""The project, loaded once by the server of tests/forked.py: what ``up`` forks its processes from.

``up``'s forks share its environment. These have one each, so the settings are read anew in every fork, and nothing
that was made of the server's own settings is left in it.
"""

import gc
import os
import sys
from contextlib import suppress

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "orchestrator_project.settings")

import django
from django.apps import apps
from django.conf import settings
from django.db import connections
from django.utils.functional import empty

from connectors import proxies
from orchestrator_project.environment import BadEnvironmentError
from orchestrator_project.runtime import image

django.setup()
image.seal()
gc.enable()


def become_another() -> None:
    """Let this fork, whose environment and command line are set, find no settings but those it reads itself."""
    sys.modules.pop("orchestrator_project.settings")
    settings._wrapped = empty
    for one in connections.all(initialized_only=True):
        del connections[one.alias]
    connections.__dict__.pop("settings", None)
    connections._settings = None
    proxies.current.cache_clear()
    with suppress(BadEnvironmentError):  # who starts says so
        apps.get_app_config("orchestrator_project").ready()  # again: it goes by who the process is
