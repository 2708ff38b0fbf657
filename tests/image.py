"""The project, loaded once by the server of tests/forked.py: what ``up`` forks its processes from.

``up``'s forks share its environment. These have one each, so the settings are read anew in every fork (tests/anew.py),
and nothing that was made of the server's own settings is left in it.
"""

import functools
import gc
import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "orchestrator_project.settings")

import django

from connectors.venue import app
from connectors.venue.world.synthetic import synthetic_world
from orchestrator_project.runtime import image

django.setup()
image.seal()
# Each venue is a process of its own, whose world the others cannot touch.
made_once = functools.cache(synthetic_world)
made_once(7)  # the usual seed
vars(app)["synthetic_world"] = made_once
gc.collect()
gc.freeze()
gc.enable()
