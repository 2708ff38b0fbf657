"""Half a request, a slow one and an endless one keep nobody from the switch; against the web process as it runs."""

import json
import re
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from django.contrib.auth.models import User
from django.db import connection

from orchestrator_project.web.bodies import LARGEST
from orchestrator_project.web.connections import LARGEST_HEADER, OF_THEM_HALF_SENT, connection_limit
from orchestrator_project.web.lanes import THREADS
from risk.services import switch
from tests.e2e.system import held
from tests.factories import make_user
from tests.seeding import seed_again
from tests.trading.api.half_sent import (
    HALF_BODY,
    HALF_HEADER,
    NOTHING,
    connect,
    half_sent,
    is_open,
    said,
    temporary_files,
)
from tests.trading.api.server import Server
from tests.waiting import wait_until
from trading.access.api_tokens import issue_token
from trading.api.media import LARGEST_BODY

pytestmark = pytest.mark.system

PASSWORD = "a long pass phrase"


@pytest.fixture
def token(transactional_db: None) -> str:
    """The token of somebody who may do everything, and who may log in."""
    seed_again()
    user = make_user(is_superuser=True)
    user.set_password(PASSWORD)
    user.save()
    return issue_token(user=user).text


@pytest.fixture
def username(token: str) -> str:
    return User.objects.exclude(username="admin").get().username


def logged_in(server: Server, username: str) -> requests.Session:
    """Return a session of the console, logged in on its page as a person would."""
    session = requests.Session()
    login = f"{server.url}/admin/login/"
    page = session.get(login, timeout=30)
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text)
    assert token, page.text
    answer = session.post(
        login,
        data={
            "username": username,
            "password": PASSWORD,
            "csrfmiddlewaretoken": token[1],
            "next": "/admin/risk/killswitch/",
        },
        timeout=30,
    )
    assert answer.url.endswith("/admin/risk/killswitch/"), answer.text
    return session


def engage_by_rest(server: Server, token: str) -> None:
    answer = requests.post(
        f"{server.url}/api/kill-switch",
        json={"action": "engage", "reason": "test"},
        headers={"Authorization": f"Token {token}"},
        timeout=30,
    )
    assert answer.status_code == 200, answer.text


def send_for_ever(connection: socket.socket, piece: bytes) -> None:
    while True:
        connection.sendall(piece)


@pytest.mark.parametrize("count", [16, 200])
@pytest.mark.parametrize("start", [HALF_BODY, HALF_HEADER, NOTHING], ids=["body", "header", "nothing"])
def test_half_sent_requests_do_not_keep_the_switch(
    server: Server, token: str, username: str, start: bytes, count: int
) -> None:
    with half_sent(server.url, start, count) as held:
        assert any(is_open(each) for each in held)
        engage_by_rest(server, token)
        console = logged_in(server, username).get(f"{server.url}/admin/risk/killswitch/engage/", timeout=30)

    assert console.status_code == 200
    assert switch.current_engagement() is not None


def test_more_half_sent_requests_than_there_may_be_connections_close_the_oldest(
    server: Server, token: str
) -> None:
    count = int(connection_limit() * OF_THEM_HALF_SENT) + 50
    with half_sent(server.url, HALF_BODY, count) as held:
        engage_by_rest(server, token)

        assert said(held[0]) == b""
        assert len(server.process.net_connections("tcp")) <= connection_limit()


def test_who_is_slow_is_told_so_and_its_connection_closed(server: Server, token: str) -> None:
    """All of them at once: each is given the same seconds."""
    with (
        connect(server.url, HALF_BODY) as slow_body,
        connect(server.url, HALF_HEADER) as half_a_line,
        connect(server.url, b"\r\n\r\n") as blank_lines,
        connect(
            server.url, b"GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" + HALF_HEADER
        ) as after_one,
    ):
        head, _, body = said(slow_body).partition(b"\r\n\r\n")
        assert said(half_a_line).startswith(b"HTTP/1.1 408")
        assert said(blank_lines).startswith(b"HTTP/1.1 408")
        assert said(after_one).startswith(b"HTTP/1.1 200")

    assert head.startswith(b"HTTP/1.1 408")
    assert b"connection: close" in head
    assert b"content-type: application/problem+json" in head
    assert json.loads(body)["type"] == "urn:orchestrator:problem:too-slow"


def test_header_without_end_is_refused(server: Server, token: str) -> None:
    with connect(server.url, HALF_HEADER + b"x" * (LARGEST_HEADER + 1)) as connection:
        assert said(connection).startswith(b"HTTP/1.1 431")


def test_declared_body_that_is_too_large_is_refused_unread(server: Server, token: str) -> None:
    head = b"POST /api/kill-switch HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 300000000\r\n\r\n"
    with connect(server.url, head) as connection:
        answer = said(connection)

    assert answer.startswith(b"HTTP/1.1 413")
    assert b"connection: close" in answer
    assert b"application/problem+json" in answer


def test_page_is_refused_in_plain_words(server: Server, token: str) -> None:
    head = b"POST /admin/login/ HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 300000000\r\n\r\n"
    with connect(server.url, head) as connection:
        answer = said(connection)

    assert answer.startswith(b"HTTP/1.1 413")
    assert b"text/plain" in answer


def test_body_of_unknown_length_is_refused_where_it_grows_too_large(server: Server, token: str) -> None:
    head = b"POST /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunk = b"10000\r\n" + b"x" * 65_536 + b"\r\n"
    with connect(server.url, head) as connection:
        for _ in range(LARGEST // 65_536 + 1):
            connection.sendall(chunk)
            assert temporary_files(server.process.pid) == []
        answer = said(connection)

    assert answer.startswith(b"HTTP/1.1 413")


def test_trailers_without_end_are_cut_off(server: Server, token: str) -> None:
    head = b"POST /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"
    with connect(server.url, head) as connection, pytest.raises(OSError, match=r"reset|pipe"):
        send_for_ever(connection, b"X-More: " + b"x" * 65_536 + b"\r\n")


def test_largest_body_is_read(server: Server, token: str) -> None:
    body = b" " * (LARGEST - 2) + b"{}"

    answer = requests.post(
        f"{server.url}/api/cycles/stop",
        data=body,
        headers={"Authorization": f"Token {token}", "Content-Type": "application/json"},
        timeout=30,
    )

    assert answer.status_code == 409, answer.text
    assert LARGEST == LARGEST_BODY


def test_client_that_does_not_read_holds_no_thread(server: Server, token: str) -> None:
    """Static files are the largest answers that anybody gets."""
    path = "/static/drf_spectacular_sidecar/swagger-ui-dist/swagger-ui-bundle.js"
    ask = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode() * 4
    unread: list[socket.socket] = []
    try:
        for _ in range(24):
            connection = socket.socket()
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.settimeout(30)
            connection.connect(("127.0.0.1", int(server.url.rpartition(":")[2])))
            connection.sendall(ask)
            unread.append(connection)
        wait_until(lambda: all(each.recv(1) for each in unread), what="all are being answered")

        assert server.get("/mode", token=token).status_code == 200
    finally:
        for connection in unread:
            connection.close()


def test_slow_views_do_not_keep_the_switch(server: Server, token: str, username: str) -> None:
    with ThreadPoolExecutor(THREADS + 4) as clients:
        with held("LOCK TABLE universe_candidates IN ACCESS EXCLUSIVE MODE"):
            slow = [
                clients.submit(server.get, "/universe/candidates", token=token) for _ in range(THREADS + 4)
            ]
            wait_until(lambda: waiting_for_the_table() >= THREADS, what="every common thread is at work")
            engage_by_rest(server, token)
            console = logged_in(server, username).get(
                f"{server.url}/admin/risk/killswitch/engage/", timeout=30
            )
            assert not any(each.done() for each in slow)
        assert [each.result(60).status_code for each in slow] == [200] * len(slow)

    assert console.status_code == 200


def waiting_for_the_table() -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'universe_candidates'::regclass"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        )
        return int(cursor.fetchone()[0])
