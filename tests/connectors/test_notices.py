"""Notices over real HTTP: what a service takes, and each way it does not, without a word of its address."""

import logging
import socket
from collections.abc import Iterator

import pytest

from connectors import notices, proxies
from connectors.errors import ConfigurationError, UnavailableError
from connectors.proxies import read_proxies
from tests.connectors.server import Answer, Handler, ProviderServer, hang, reset

SECRETS = ("s3cret-user", "s3cret-pass", "t0ken-path", "127.0.0.1")


@pytest.fixture
def service() -> Iterator[ProviderServer]:
    with ProviderServer() as server:
        yield server


class Lines(logging.Handler):
    """What reaches the process's own log; pytest's handler listens to every logger and would not tell."""

    def __init__(self) -> None:
        super().__init__()
        self.text = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.text += record.getMessage()


@pytest.fixture
def log() -> Iterator[Lines]:
    """The log while everybody is at their most talkative, as DJANGO_DEBUG makes them."""
    lines, root, theirs = Lines(), logging.getLogger(), logging.getLogger("apprise")
    before = root.level
    root.addHandler(lines)
    root.setLevel(logging.DEBUG)
    theirs.setLevel(logging.DEBUG)
    yield lines
    theirs.setLevel(logging.NOTSET)
    root.setLevel(before)
    root.removeHandler(lines)


def address_at(port: int, options: str = "") -> str:
    return f"json://s3cret-user:s3cret-pass@127.0.0.1:{port}/t0ken-path/{options}"


def send(address: str) -> None:
    notices.send(address, title="A title", body="First line\nsecond <line>", severity="failure")


def test_text_arrives_as_it_is(service: ProviderServer) -> None:
    service.on("POST", "/t0ken-path/", Answer({}))

    send(address_at(service.port))

    (seen,) = service.seen
    assert (seen.body["title"], seen.body["message"]) == ("A title", "First line\nsecond <line>")
    assert seen.body["type"] == "failure"


@pytest.mark.parametrize("answer", [Answer({}, 500), hang, reset, Answer({"echo": "t0ken-path"}, 403)])
def test_what_is_not_taken_says_so_without_the_address(
    service: ProviderServer, answer: Handler, log: Lines
) -> None:
    service.on("POST", "/t0ken-path/", answer)
    address = address_at(service.port, "?rto=0.3")

    with pytest.raises(UnavailableError, match=r"^notices json: ") as error:
        send(address)

    said = str(error.value) + log.text
    assert [secret for secret in (*SECRETS, str(service.port)) if secret in said] == []


def test_refused_connection() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound and not listening: it refuses, and nobody else takes the port

        with pytest.raises(UnavailableError, match=r"A Connection error occurred .* to \*\*\*\."):
            send(address_at(closed.getsockname()[1]))


@pytest.mark.parametrize("address", ["nobody://s3cret-user", "tgram://s3cret-user"])
def test_address_that_cannot_be_read(address: str) -> None:
    with pytest.raises(ConfigurationError, match="apprise cannot read this address") as error:
        send(address)

    assert "s3cret" not in str(error.value)


def test_no_part_of_an_address_is_left_in_words() -> None:
    words = "Pool(host='T00aa', port=443): url: /B00/p%40ss/, p@ss, B00K, for joe@x.org"

    left = notices.without_address(words, "slack://T00aa/B00/p%40ss/?to=joe@x.org")

    assert left == "Pool(host='***', port=443): url: /***/***/, ***, B00K, for ***@***"


def test_service_behind_a_proxy_of_no_use_is_not_asked_and_says_why(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Not past the proxy either: whoever set one may mean that nothing leaves without it."""
    broken = read_proxies({"ALL_PROXY": "socks5://127.0.0.1:9"}, is_installed=lambda _: False)
    monkeypatch.setattr(proxies, "current", lambda: broken)

    with pytest.raises(UnavailableError, match=r"ALL_PROXY: socks5://127\.0\.0\.1:9 cannot be used"):
        notices.send("json://hooks.invalid/x", title="A title", body="A body", severity="info")
