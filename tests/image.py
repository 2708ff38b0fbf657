"""The project, loaded once by the server of tests/forked.py: what ``up`` forks its processes from.

``up``'s forks share its environment. These have one each, so the settings are read anew in every fork (tests/anew.py),
and nothing that was made of the server's own settings is left in it.
"""

import gc
import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "orchestrator_project.settings")

import django

from orchestrator_project.runtime import image

django.setup()
image.seal()
gc.enable()
