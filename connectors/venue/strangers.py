"""Who may talk to the venue: programs of this machine. Web pages may not, whichever machine they are read on.

A page in a browser on this machine reaches loopback addresses, too: by the name of a server whose address it changed
(the Host header has that name), or across origins (the Origin header is there, and a body that needs no permission to
be sent is no JSON). Another program of this machine has none of these marks, and is not kept out: what curl and Python
call a form unless they are told otherwise is one only where a browser sends it, and browsers say what they are.
"""

import ipaddress
from urllib.parse import urlsplit

from aiohttp import web

from connectors.venue.middleware import Handler

LOOKING = ("GET", "HEAD")
FORM = "application/x-www-form-urlencoded"


@web.middleware
async def refuse_strangers(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer 403 to what a web page may have sent, before anything is noted or counted."""
    reason = _refusal(request)
    if reason:
        return web.json_response(
            {"message": f"{reason}: the venue serves programs of this machine"}, status=403
        )
    return await handler(request)


def _refusal(request: web.Request) -> str:
    if not _is_ours(f"//{request.headers.get('Host', '')}"):
        return "Host: expected a loopback address or localhost"
    is_act = request.method not in LOOKING or request.path.startswith("/venue/")
    origin = request.headers.get("Origin")
    if origin is not None and (is_act or not _is_ours(origin)):
        return "Origin: expected none"
    has_type = request.method not in LOOKING and "Content-Type" in request.headers
    is_unlabelled = request.content_type == FORM and not _is_of_a_browser(request)
    if has_type and request.content_type != "application/json" and not is_unlabelled:
        return f"Content-Type: was {request.content_type}, expected application/json"
    return ""


def _is_of_a_browser(request: web.Request) -> bool:
    """Tell whether it has what every browser sends and no page can leave out."""
    is_marked = any(name.lower().startswith("sec-fetch-") for name in request.headers)
    return is_marked or request.headers.get("User-Agent", "").startswith("Mozilla/")


def _is_ours(address: str) -> bool:
    try:
        host = urlsplit(address).hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
