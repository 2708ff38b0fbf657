"""Requests that stop or release trading, or ask how the switch stands, may use the reserve of connections."""

from collections.abc import Callable

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from orchestrator_project.db.reserve import for_the_switch

SWITCH_PATHS = ("/kill-switch", "/api/kill-switch", "/admin/risk/killswitch/")


class SwitchReserve:
    """The first of the chain, so that who asks is looked up with the reserve, too."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer, with the reserve for the switch."""
        if not request.path_info.startswith(SWITCH_PATHS):
            return self._get_response(request)
        with for_the_switch():
            return self._get_response(request)
