"""The ASGI entry point of the web process."""

import gc
import os
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from typing import Any

import django
from asgiref.sync import ThreadSensitiveContext, sync_to_async
from django.core.handlers.asgi import ASGIHandler
from django.http import HttpRequest
from django.http.response import HttpResponseBase

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "orchestrator_project.settings")
IDLE_THREADS_KEPT = 8


class KeptThreads(ASGIHandler):
    """Django's handler, which does a request in one thread, and keeps the threads.

    Its own makes a thread for each request. Connections belong to threads, so each request would connect to
    PostgreSQL anew and plan every statement anew, which takes longer than most answers. And it changes between
    thread and event loop at every middleware, which are all synchronous here: two milliseconds.
    """

    def __init__(self) -> None:
        super().__init__()
        self.idle: list[ThreadPoolExecutor] = []

    def load_middleware(self, is_async: bool = False) -> None:
        """Build the chain as for a synchronous server, asynchronous views included."""
        super().load_middleware(is_async=False)

    async def get_response_async(self, request: HttpRequest) -> HttpResponseBase:
        """Go through the whole chain in the request's thread; a stream is sent by the event loop afterwards."""
        return await sync_to_async(self.get_response)(request)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request in a thread that nobody else uses meanwhile."""
        if scope["type"] != "http":
            await super().__call__(scope, receive, send)
            return
        thread = self.idle.pop() if self.idle else ThreadPoolExecutor(1, thread_name_prefix="request")
        try:
            async with ThreadSensitiveContext(executor=thread):
                await self.handle(scope, receive, send)
        finally:
            if len(self.idle) < IDLE_THREADS_KEPT:
                self.idle.append(thread)
            else:
                thread.shutdown(wait=False)


django.setup(set_prefix=False)
import_module("orchestrator_project.urls")  # all that a request needs, before what is there is set aside
application = KeptThreads()
# What was loaded stays for good: the collector need not look through it again in the middle of a request.
gc.collect()
gc.freeze()
