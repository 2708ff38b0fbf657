"""Time limits below HTTP: name lookup, connecting, TLS."""

import socket
import threading
from collections.abc import Iterator
from time import monotonic

import pytest

from connectors import deadline
from connectors.transport import BoundedSession, SendError, time_limit
from tests.connectors.server import Answer, ProviderServer, drip


@pytest.fixture
def mute_port() -> Iterator[int]:
    """A port that accepts and says nothing, not even hello in TLS."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def make_session(url: str, *, connect: float = 60, total: float = 180) -> BoundedSession:
    return BoundedSession(url, connect_timeout_seconds=connect, total_timeout_seconds=total)


def test_a_tls_handshake_that_hangs_is_unsent_and_in_time(mute_port: int) -> None:
    url = f"https://127.0.0.1:{mute_port}"
    started = monotonic()

    with pytest.raises(SendError, match="TLS handshake") as caught:
        make_session(url, connect=0.3).get(url)

    assert not caught.value.sent
    assert monotonic() - started < 300


def test_a_connection_nobody_answers_is_unsent_and_in_time() -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        fillers = [_begin_to_connect(full.getsockname()) for _ in range(3)]
        url = f"http://127.0.0.1:{full.getsockname()[1]}"
        started = monotonic()

        with pytest.raises(SendError, match="no connection") as caught:
            make_session(url, connect=0.3).get(url)

        assert not caught.value.sent
        assert monotonic() - started < 300
        for filler in fillers:
            filler.close()


def test_a_name_lookup_that_hangs_is_unsent_and_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()

    def hang(*_: object, **__: object) -> list[object]:
        release.wait(60)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    started = monotonic()

    with pytest.raises(SendError, match="no connection") as caught:
        make_session("http://provider.example", connect=0.3).get("http://provider.example/")

    release.set()
    assert not caught.value.sent
    assert monotonic() - started < 300


def test_an_unknown_name_is_unsent(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)

    with pytest.raises(SendError, match="Name or service not known") as caught:
        make_session("http://provider.example").get("http://provider.example/")

    assert not caught.value.sent


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:80801/x", "http://127.0.0.2:8080/x", "ftp://127.0.0.1:8080/x"]
)
def test_a_session_talks_to_its_own_origin_only(url: str) -> None:
    with pytest.raises(SendError) as caught:
        make_session("http://127.0.0.1:8080").get(url)

    assert not caught.value.sent


def test_a_kept_connection_is_used_again_with_a_deadline_of_its_own(server: ProviderServer) -> None:
    server.on("GET", "/a", Answer(7), Answer(8), drip(9, seconds=0.5))
    session = make_session(server.url)

    assert [session.get(f"{server.url}/a").json() for _ in range(2)] == [7, 8]
    with pytest.raises(SendError, match="timed out") as caught, time_limit(3):
        session.get(f"{server.url}/a")

    assert caught.value.sent
    assert len({seen.peer for seen in server.seen}) == 1


def test_the_next_address_of_a_name_is_tried(server: ProviderServer, monkeypatch: pytest.MonkeyPatch) -> None:
    server.on("GET", "/a", Answer(7))
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, 0)) for ip in ("127.0.0.9", "127.0.0.1")]
    real = socket.getaddrinfo
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda host, *args, **kwargs: found if host == "provider.example" else real(host, *args, **kwargs),
    )
    url = f"http://provider.example:{server.port}"

    assert make_session(url).get(f"{url}/a").json() == 7


def test_a_name_that_cannot_be_one_is_unsent() -> None:
    url = f"http://{'x' * 64}.example"

    with pytest.raises(SendError) as caught:
        make_session(url).get(url)

    assert not caught.value.sent


@pytest.mark.parametrize(("host", "addresses"), [("127.0.0.1", ["127.0.0.1"]), ("[::1]", ["::1"])])
def test_an_address_needs_no_lookup(host: str, addresses: list[str]) -> None:
    assert deadline.resolve(host, 1) == addresses


def test_localhost_resolves() -> None:
    assert "127.0.0.1" in deadline.resolve("localhost", 120)


def _begin_to_connect(address: tuple[str, int]) -> socket.socket:
    filler = socket.socket()
    filler.setblocking(False)
    filler.connect_ex(address)
    return filler
