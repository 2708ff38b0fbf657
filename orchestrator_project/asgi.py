"""The ASGI entry point of the web process."""

import gc
import os
from importlib import import_module

import django
from asgiref.sync import sync_to_async
from django.conf import settings
from django.core.handlers.asgi import ASGIHandler
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from orchestrator_project.web.proxies import behind_proxies
from orchestrator_project.web.threads import LentThreads

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "orchestrator_project.settings")


class OneThreadHandler(ASGIHandler):
    """Django's handler, which goes through all middleware and the view in one thread.

    Its own changes between thread and event loop at every middleware, which are all synchronous here: that took half
    of the time of a small answer. What streams is sent by the event loop, as before.
    """

    def load_middleware(self, is_async: bool = False) -> None:
        """Build the chain as for a synchronous server, asynchronous views included."""
        super().load_middleware(is_async=False)

    async def get_response_async(self, request: HttpRequest) -> HttpResponseBase:
        """Return the response from the thread that was lent to the request."""
        return await sync_to_async(self.get_response)(request)


django.setup(set_prefix=False)
import_module("orchestrator_project.urls")  # all that a request needs, before what is there is set aside
application = behind_proxies(
    LentThreads(OneThreadHandler(), refusal=import_module("orchestrator_project.web.refusals").refusal),
    settings.ENVIRONMENT.trusted_proxies,
)
# What was loaded stays for good: the collector need not look through it again in the middle of a request.
gc.collect()
gc.freeze()
