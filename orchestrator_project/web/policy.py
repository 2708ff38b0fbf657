"""What a page of ours may load and do in a browser; a stranger's script that gets into one does not run.

The console's theme evaluates expressions in attributes (Alpine), which needs ``unsafe-eval`` there, and has inline
styles. No page needs an inline script.
"""

from collections.abc import Callable

from django.http import HttpRequest
from django.http.response import HttpResponseBase

_COMMON = (
    "default-src 'none'; {scripts}; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:;"
    " connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
CONSOLE = _COMMON.format(scripts="script-src 'self' 'unsafe-eval'")
PAGES = _COMMON.format(scripts="script-src 'self'")
NO_PAGE = "default-src 'none'; frame-ancestors 'none'"
PERMISSIONS = "camera=(), geolocation=(), microphone=(), payment=(), usb=()"
CONSOLE_PATH = "/admin/"


class ContentPolicy:
    """Sets the headers. Ours, because two policies without a nonce would be no shorter with django-csp."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer with the policy of the page."""
        response = self._get_response(request)
        if response.status_code == 304:
            return response  # its headers would replace those of the page that the browser has
        if not response.headers.get("Content-Type", "").startswith("text/html"):
            response.headers.setdefault("Content-Security-Policy", NO_PAGE)
            return response
        policy = CONSOLE if request.path_info.startswith(CONSOLE_PATH) else PAGES
        response.headers.setdefault("Content-Security-Policy", policy)
        response.headers.setdefault("Permissions-Policy", PERMISSIONS)
        return response
