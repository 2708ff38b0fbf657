"""Ends the sessions that nobody uses any more, before a page is served to whoever sits there now."""

from collections.abc import Callable

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import SESSION_KEY, logout
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils import timezone

from orchestrator_project.web.policy import CONSOLE_PATH
from trading.access.idle_sessions import idle_limit, is_idle, note_use


class IdleSessions:
    """Logs out who was away for too long. To stop trading nobody has to log in again: that page is still served."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer as somebody who is logged in, or no more."""
        if settings.SESSION_COOKIE_NAME in request.COOKIES and SESSION_KEY in request.session:
            self._judge(request)
        return self._get_response(request)

    def _judge(self, request: HttpRequest) -> None:
        now, limit = timezone.now(), idle_limit()
        if is_idle(request.session, now=now, limit=limit):
            if request.path == reverse("admin:risk_killswitch_engage"):
                return
            logout(request)
            if request.path.startswith(CONSOLE_PATH) and not _renews_itself(request):
                minutes = int(limit.total_seconds() // 60)
                lost = " What you sent was not done." if request.method == "POST" else ""
                messages.warning(request, f"Your session ended after {minutes} minutes without use.{lost}")
        elif not _renews_itself(request):
            note_use(request.session, now=now)


def _renews_itself(request: HttpRequest) -> bool:
    """Whether it is a page that asks by itself, which it does as long as it is open."""
    return request.headers.get("HX-Request") == "true"
