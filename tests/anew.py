"""A process that was forked, read its own environment: what the one it comes from made of another is left behind."""

import importlib
import sys
from contextlib import suppress

from django.apps import apps
from django.conf import settings
from django.db import connections
from django.utils.functional import empty

from connectors import proxies
from orchestrator_project.environment import BadEnvironmentError

SETTINGS = "orchestrator_project.settings"


def read_settings(*, at_once: bool = False) -> None:
    """Let this fork, whose environment and command line are set, find no settings but those it reads itself.

    Args:
        at_once: into the module that others may have imported, which is left aside otherwise.

    Raises:
        BadEnvironmentError: it can be read at once, and is wrong.
    """
    if at_once:
        importlib.reload(sys.modules[SETTINGS])
    else:
        sys.modules.pop(SETTINGS)
    settings._wrapped = empty
    for one in connections.all(initialized_only=True):
        del connections[one.alias]
    connections.__dict__.pop("settings", None)
    connections._settings = None
    proxies.current.cache_clear()
    with suppress(BadEnvironmentError):  # who starts says so
        apps.get_app_config("orchestrator_project").ready()  # again: it goes by who the process is
