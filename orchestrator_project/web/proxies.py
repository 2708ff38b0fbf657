"""Proxies in front of the web process, and whose word counts on who asks and whether by TLS."""

from collections.abc import Sequence
from typing import cast

from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from orchestrator_project.web.threads import Application


def behind_proxies(application: Application, trusted: Sequence[str]) -> Application:
    """Take client and scheme from X-Forwarded-For and -Proto where the peer is trusted; nobody's where none is."""
    if not trusted:
        return application
    return cast("Application", ProxyHeadersMiddleware(application, list(trusted)))  # type: ignore[arg-type]  # our own scopes
