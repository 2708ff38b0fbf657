"""An HTTP transport whose time limits are totals, not limits per packet.

``requests`` applies its read timeout to every single ``recv``: a server that drips one byte a second
holds a caller for ever. Here the whole reply, status line to last byte, has one deadline, and the
connect timeout covers the name lookup, every address tried and, once more, the TLS handshake.
"""

import http.client
import io
import socket
import threading
from ipaddress import ip_address
from time import monotonic
from typing import TYPE_CHECKING, Any

from requests import PreparedRequest
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError
from urllib3.util.connection import create_connection

from connectors.departure import current_departure

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class _DeadlineReader(io.RawIOBase):
    """A socket's byte stream that gives every read only what is left of one deadline."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket, expires_at: float) -> None:
        self._raw = raw
        self._sock = sock
        self._expires_at = expires_at

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer", /) -> int | None:
        remaining = self._expires_at - monotonic()
        if remaining <= 0:
            raise TimeoutError("the reply took longer than its total deadline")
        self._sock.settimeout(remaining)
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _DeadlineResponse(http.client.HTTPResponse):
    """A response that reads the socket's timeout, when the reply begins, as the limit for all of it."""

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        timeout = sock.gettimeout()
        if timeout is not None:
            reader = _DeadlineReader(self.fp.detach(), sock, monotonic() + timeout)
            self.fp = io.BufferedReader(reader)


class _BoundedConnect(HTTPConnection):
    """What both schemes share: one limit for lookup and connect, and a fresh one for sending."""

    response_class = _DeadlineResponse

    def _new_conn(self) -> socket.socket:
        timeout = float(self.timeout or 0)
        expires_at = monotonic() + timeout
        failure: Exception = ConnectTimeoutError(self, f"no connection to {self.host} within {timeout} s")
        try:
            addresses = resolve(self.host, timeout)
        except socket.gaierror as exc:
            raise NameResolutionError(self.host, self, exc) from exc
        except TimeoutError as exc:
            raise failure from exc
        for address in addresses:
            remaining = expires_at - monotonic()
            if remaining <= 0:
                break
            try:
                return create_connection(
                    (address, self.port), remaining, self.source_address, self.socket_options
                )
            except OSError as exc:
                if not isinstance(exc, TimeoutError):
                    failure = NewConnectionError(self, f"cannot connect: {exc}")
        raise failure

    def request(self, *args: Any, **kwargs: Any) -> None:
        if self.sock is not None:  # kept alive: its timeout is what the last reply left over
            self.sock.settimeout(self.timeout)
        try:
            super().request(*args, **kwargs)
        finally:
            departure = current_departure()
            if departure is not None:
                departure.has_left()

    def send(self, data: Any) -> None:
        """Send a piece of the request, if it may leave."""
        departure = current_departure()
        if departure is not None:
            if self.sock is None:  # a proof must not grow old while a connection is made
                self.connect()
            departure.allow()
        super().send(data)


class _BoundedHTTPConnection(_BoundedConnect):
    pass


class _BoundedHTTPSConnection(_BoundedConnect, HTTPSConnection):
    def connect(self) -> None:
        """Connect and shake hands; a failure here is a failure to connect: no request has left."""
        try:
            super().connect()
        except TimeoutError as exc:
            raise ConnectTimeoutError(self, f"TLS handshake with {self.host} timed out") from exc
        except OSError as exc:
            raise NewConnectionError(self, f"TLS handshake failed: {exc}") from exc


class _BoundedHTTPPool(HTTPConnectionPool):
    ConnectionCls = _BoundedHTTPConnection


class _BoundedHTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _BoundedHTTPSConnection


class DeadlineAdapter(HTTPAdapter):
    """A requests adapter for one origin, without retries, on connections with total time limits."""

    def __init__(self, *, connections: int) -> None:
        super().__init__(pool_connections=1, pool_maxsize=connections, max_retries=0)
        self._pools: dict[Any, HTTPConnectionPool] = {}

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _BoundedHTTPPool, "https": _BoundedHTTPSPool}

    def get_connection_with_tls_context(
        self, request: PreparedRequest, verify: Any, proxies: Any = None, cert: Any = None
    ) -> HTTPConnectionPool:
        """Return the origin's connections, which are looked for once."""
        if (verify, cert) not in self._pools:
            found: Any = super().get_connection_with_tls_context(request, verify, proxies=proxies, cert=cert)
            self._pools[verify, cert] = found
        return self._pools[verify, cert]

    def close(self) -> None:
        """End the connections; a request after that makes new ones."""
        super().close()
        self._pools.clear()


def resolve(host: str, timeout_seconds: float) -> list[str]:
    """Return the host's addresses, in the resolver's order.

    Args:
        host: a name or an IP address, IPv6 with or without brackets.

    Raises:
        TimeoutError: the resolver, which knows no timeout of its own, took too long.
        socket.gaierror: there is no such name.
    """
    bare = host.strip("[]")
    try:
        return [str(ip_address(bare))]
    except ValueError:
        pass
    addresses: list[str] = []
    errors: list[OSError] = []

    def look_up() -> None:
        try:
            found = socket.getaddrinfo(bare, None, type=socket.SOCK_STREAM)
        except OSError as exc:
            errors.append(exc)
        except UnicodeError as exc:  # a label longer than 63 characters, say
            errors.append(socket.gaierror(socket.EAI_NONAME, str(exc)))
        else:
            addresses.extend(dict.fromkeys(str(entry[4][0]) for entry in found))

    thread = threading.Thread(target=look_up, name="name-lookup", daemon=True)
    thread.start()
    thread.join(timeout_seconds)
    if errors:
        raise errors[0]
    if thread.is_alive():
        raise TimeoutError(f"name lookup of {bare} took longer than {timeout_seconds} s")
    return addresses
