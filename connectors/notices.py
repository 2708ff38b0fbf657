"""Notices to people by apprise: an address is a service with its keys, so none of it leaves this module but the scheme.

apprise loads some 150 services at once, 21 MB and two seconds: it is imported by the first call, and so only where
something is sent.
"""

import logging
import os
import re
import threading
from typing import Any
from urllib.parse import unquote, urlsplit

from connectors import proxies
from connectors.errors import ConfigurationError, UnavailableError

PROVIDER = "notices"
LONGEST_TIMEOUT_SECONDS = 10.0
LIMIT_SECONDS = 20.0
APP = "Trading Orchestrator"
HIDDEN = "***"
SHORTEST_HIDDEN = 3
WITHOUT_HTTP = frozenset(
    {"mailto", "mailtos", "syslog", "rsyslog", "mqtt", "mqtts", "dbus", "gnome", "macosx"}
)
_BETWEEN_PARTS = re.compile(r"[/?&=:;@,]+")
_BETWEEN_WORDS = re.compile(r"[^\w.-]+")


def service_of(address: str) -> str:
    """Return the kind of service, e.g. ``mailto``; it is the only part of an address that is no secret."""
    return address.partition("://")[0].lower()


def check(address: str) -> None:
    """Have apprise read the address, sending nothing.

    Raises:
        ConfigurationError: apprise cannot read it.
    """
    _service(address)


def send(address: str, *, title: str, body: str, severity: str) -> None:
    """Send a plain text to one address; returns when the service has taken it.

    An answer is waited for 4 s, or what the address says (``cto``, ``rto``), but never longer than 10 s; for
    all there is to do, 20 s.

    Args:
        severity: info, success, warning or failure.

    Raises:
        ConfigurationError: apprise cannot read the address.
        UnavailableError: it was not taken, or it is not known; the words have nothing of the address.
    """
    if words := _no_way_to(address):
        raise UnavailableError(PROVIDER, service_of(address), words)
    service = _service(address)
    service.socket_read_timeout = min(service.socket_read_timeout, LONGEST_TIMEOUT_SECONDS)
    service.socket_connect_timeout = min(service.socket_connect_timeout, LONGEST_TIMEOUT_SECONDS)
    service.retry = 0  # the caller tries again; what goes on beyond our limit could only repeat
    problems: list[str] = []

    def deliver() -> None:
        try:
            problems.extend(_problems(service, title, body, severity))
        except Exception as error:  # noqa: BLE001 - whatever a service raises: it was not sent
            problems.append(type(error).__name__)

    # A daemon: one that drips its answer for ever must keep neither us nor the end of the process.
    sending = threading.Thread(target=deliver, name="notice", daemon=True)
    sending.start()
    sending.join(LIMIT_SECONDS)
    if sending.is_alive():
        problems.append(f"no end within {LIMIT_SECONDS:g} s")
    if problems:
        detail = without_address("; ".join(problems), address)
        raise UnavailableError(PROVIDER, service_of(address), detail[:300])


def without_address(text: str, address: str) -> str:
    """Return text on one line without any part of the address: hosts, users, passwords, tokens, paths."""
    parts = set(_BETWEEN_PARTS.split(address.partition("://")[2]))
    parts |= {unquote(part) for part in parts}
    parts |= {word for part in parts for word in _BETWEEN_WORDS.split(part)}
    for part in sorted(parts, key=len, reverse=True):
        if len(part) >= SHORTEST_HIDDEN:
            text = re.sub(rf"(?<![\w-]){re.escape(part)}(?![\w-])", HIDDEN, text)
    return " ".join(text.split())


def _no_way_to(address: str) -> str:
    """Return what is wrong with the proxy by which this service would have to be reached, "" where nothing is."""
    try:
        host = urlsplit(address).hostname or ""
    except ValueError:
        host = ""
    return "" if service_of(address) in WITHOUT_HTTP else proxies.current().problem(f"https://{host}")


def _problems(service: Any, title: str, body: str, severity: str) -> list[str]:
    """Return why the service did not take it; nothing where it did."""
    apprise = _load()
    sender = apprise.Apprise(asset=service.asset)
    sender.add(service)
    result = sender.notify(body=body, title=title, notify_type=severity, body_format="text")
    if result:
        return []
    return [entry.message for entry in result.logs()] or ["it was not taken"]


def _service(address: str) -> Any:
    apprise = _load()
    # Its own time limit works with threads that a process waits for at its end; ours does not.
    asset = apprise.AppriseAsset(app_id=APP, async_mode=False, service_timeout=0)
    service = apprise.Apprise.instantiate(address, asset=asset)
    if service is None:
        raise ConfigurationError(PROVIDER, service_of(address), "apprise cannot read this address")
    return service


def _load() -> Any:
    proxies.current().apply(os.environ)
    import apprise  # late, see above

    # What it logs names hosts and, at debug level, whole addresses; results carry what we need.
    logging.getLogger("apprise").propagate = False
    return apprise
