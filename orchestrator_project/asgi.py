"""The ASGI entry point of the web process."""

import gc
import os
from importlib import import_module

import django

from orchestrator_project.threads import LentThreads, OneThreadHandler

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "orchestrator_project.settings")
django.setup(set_prefix=False)
import_module("orchestrator_project.urls")  # all that a request needs, before what is there is set aside
application = LentThreads(OneThreadHandler())
# What was loaded stays for good: the collector need not look through it again in the middle of a request.
gc.collect()
gc.freeze()
