"""The proxy variables of desktops and VPN tools, read once, as the libraries that obey them can use them.

Brokers and sources of prices are asked directly, whatever is set here, and so is everything on this machine. Models and
notices go by libraries that read the variables themselves, each a little differently: one spelling that httpx does
not know, or a SOCKS address without its package, and not even the built-in analyst answers any more.
"""

import importlib.util
import os
import re
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from functools import cache
from ipaddress import ip_address, ip_network
from types import MappingProxyType
from urllib.parse import urlsplit

from connectors.redaction import redact

SCHEMES = ("http", "https")
NAMES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
LOOPBACK = ("localhost", "127.0.0.1", "::1")
EVERYTHING = "*"
SOCKS_PACKAGES = {"socksio": "socksio", "socks": "PySocks"}  # httpx wants the first, requests the second
_HTTP = frozenset({"http", "https"})
_SOCKS = frozenset({"socks", "socks5", "socks5h"})  # GNOME and GTK write the first
_HOST = re.compile(r"\.?[A-Za-z0-9_]([A-Za-z0-9._-]*[A-Za-z0-9_])?(:[0-9]{1,5})?")
_ADDRESS = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9]*)://(?P<user>[!-.0-9:;=A-Z_a-z~]*@)?"
    r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_][A-Za-z0-9._-]*)(:(?P<port>[0-9]{1,5})?)?/*"
)
_WITH_PORT = re.compile(r"\[([0-9A-Fa-f:.]+)\](:[0-9]{1,5})?")


@dataclass(frozen=True, slots=True)
class Proxies:
    """What the environment says about proxies.

    Args:
        environment: what the libraries shall find instead of all proxy variables.
        unusable: scheme (``http``, ``https``) → what is wrong with its proxy, and the remedy.
        left_out: entries of NO_PROXY that mean nothing.
    """

    environment: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    unusable: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    left_out: tuple[str, ...] = ()

    def problem(self, address: str) -> str:
        """Return why this http(s) address cannot be asked; "" where it can, with or without a proxy."""
        parts = urlsplit(address if "://" in address else f"https://{address}")
        words = self.unusable.get(parts.scheme, "")
        return words if words and not self.is_direct(parts.hostname or "") else ""

    def is_direct(self, host: str) -> bool:
        """Return whether a host is asked without a proxy: on this machine, or named by NO_PROXY."""
        host = host.strip("[]").lower()
        if host.endswith(".localhost") or _is_loopback(host):
            return True
        entries = self.environment.get("no_proxy", "").lower().split(",")
        return EVERYTHING in entries or any(_covers(entry, host) for entry in entries if entry)

    def lines(self) -> list[str]:
        """Return what a person who starts something should know, one sentence each."""
        odd = f"NO_PROXY: {', '.join(self.left_out)} is no host, address or network, and is left out"
        return [*dict.fromkeys(self.unusable.values()), *([odd] if self.left_out else [])]

    def apply(self, environ: MutableMapping[str, str]) -> None:
        """Let libraries that are loaded from now on find what they can use."""
        for name in NAMES:
            environ.pop(name, None)
            environ.pop(name.upper(), None)
        environ.update(self.environment)


@cache
def current() -> Proxies:
    """Return what this process's environment said when it was asked first: before anything was applied to it."""
    return read_proxies(os.environ)


def read_proxies(environ: Mapping[str, str], *, is_installed: Callable[[str], bool] | None = None) -> Proxies:
    """Read the proxy variables, lower case before upper case; loopback is always direct.

    Args:
        is_installed: whether a module can be imported, for tests.
    """
    given = {name: _given(environ, name) for name in NAMES}
    is_installed = is_installed or _is_installed
    missing = [package for module, package in SOCKS_PACKAGES.items() if not is_installed(module)]
    usable, unusable = {}, {}
    for scheme in SCHEMES:
        name = f"{scheme}_proxy" if given[f"{scheme}_proxy"] else "all_proxy"
        if not given[name]:
            continue
        address, problem = _judged(given[name], missing)
        if problem:
            shown = given[name] if "://" in given[name] else f"http://{given[name]}"
            unusable[scheme] = f"{name.upper()}: {redact(shown)} cannot be used: {problem}"
        else:
            usable[f"{scheme}_proxy"] = address
    hosts, left_out = _direct_hosts(given["no_proxy"])
    if not usable and not unusable:
        return Proxies(MappingProxyType({}), left_out=left_out)
    return Proxies(
        MappingProxyType({**usable, "no_proxy": ",".join(hosts)}), MappingProxyType(unusable), left_out
    )


def _given(environ: Mapping[str, str], name: str) -> str:
    return (environ.get(name) or environ.get(name.upper()) or "").strip()


def _is_installed(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def _judged(value: str, missing: list[str]) -> tuple[str, str]:
    """Return the address as libraries read it, and "" or what is wrong with it."""
    found = _ADDRESS.fullmatch(value if "://" in value else f"http://{value}")
    port = found["port"] if found else None
    if found is None or _host(found["host"]) is None or (port and not 0 < int(port) < 65536):
        return "", "it is no address; write http://host:port, or unset it"
    scheme = found["scheme"].lower()
    address = f"{found['user'] or ''}{found['host']}" + (f":{port}" if port else "")
    if scheme in _HTTP:
        return f"{scheme}://{address}", ""
    if scheme not in _SOCKS:
        return "", "only http, https and socks5 proxies are known; write http://host:port, or unset it"
    if missing:
        remedy = "write it as http://host:port, which most such proxies speak too, or unset it"
        return "", f"SOCKS needs {' and '.join(missing)}, not installed here: install that, {remedy}"
    return f"{'socks5' if scheme == 'socks' else scheme}://{address}", ""


def _direct_hosts(value: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return NO_PROXY's hosts in the one spelling all libraries read, loopback first, and what means nothing."""
    hosts, left_out = list(LOOPBACK), []
    for entry in (word for word in re.split(r"[\s,;]+", value) if word):
        host = _host(entry)
        if host is None:
            left_out.append(redact(entry))
        else:
            hosts.append(host)
    return tuple(dict.fromkeys(hosts)), tuple(left_out)


def _host(entry: str) -> str | None:
    if entry == EVERYTHING:
        return entry
    bare = entry.rpartition("://")[2].rstrip("/")
    bracketed = _WITH_PORT.fullmatch(bare)
    bare = bracketed[1] if bracketed else bare.removeprefix("*")
    try:
        return str(ip_address(bare))
    except ValueError:
        pass
    if "/" in bare:
        try:
            return str(ip_network(bare, strict=False)) if ":" not in bare else None
        except ValueError:
            return None
    port = bare.partition(":")[2]
    return bare if _HOST.fullmatch(bare) and int(port or 80) < 65536 else None


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _covers(entry: str, host: str) -> bool:
    bare = entry.partition(":")[0] if entry.count(":") == 1 else entry
    if "/" in bare:
        try:
            return ip_address(host) in ip_network(bare)
        except ValueError:
            return False
    return host == bare.lstrip(".") or host.endswith(f".{bare.lstrip('.')}")
