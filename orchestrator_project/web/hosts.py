"""Under which names the web process answers: the allowed ones, and probes of its own machine under that machine's."""

from ipaddress import ip_address

from django.http import HttpRequest, HttpResponsePermanentRedirect
from django.middleware.common import CommonMiddleware

from orchestrator_project.web.threads import PROBES

OWN_NAMES = frozenset({"127.0.0.1", "localhost", "[::1]"})


class HostsChecked(CommonMiddleware):
    """Django's, which refuses other names; a health check inside a container knows no public name."""

    def process_request(self, request: HttpRequest) -> HttpResponsePermanentRedirect | None:
        """Refuse the request, or let it pass."""
        return None if _is_own_probe(request) else super().process_request(request)


def _is_own_probe(request: HttpRequest) -> bool:
    if not request.path_info.startswith(PROBES):
        return False
    name, _, port = (request.META.get("HTTP_HOST") or "").rpartition(":")
    host = name if name and port.isdecimal() else request.META.get("HTTP_HOST")
    try:
        return host in OWN_NAMES and ip_address(request.META.get("REMOTE_ADDR") or "").is_loopback
    except ValueError:
        return False
