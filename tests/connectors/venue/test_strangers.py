"""The venue serves programs of this machine: what a web page in its browser may send is refused, and noted nowhere."""

import json
import stat
from collections.abc import Iterator

import pytest

from tests.connectors.venue.client import Client
from tests.venue_process import VenueProcess

FAULT = json.dumps({"kind": "error", "route": "/v2/account"})
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def own_venue() -> Iterator[VenueProcess]:
    """A venue that nobody has asked anything yet."""
    with VenueProcess(is_forked=True) as venue:
        yield venue


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "10.0.0.1", "", "["]
)
@pytest.mark.parametrize("path", ["/venue/state", "/v2/account", "/venue/health"])
def test_unknown_host_is_refused(client: Client, host: str, path: str) -> None:
    """A name whose address was changed to this machine's is not a name of this machine."""
    reply = client.send("GET", path, headers={"Host": host})

    assert reply.status_code in (400, 403), reply.text
    assert "market_time" not in reply.text


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:8001", "[::1]", "[::1]:80", "LOCALHOST"])
def test_own_hosts_are_served(client: Client, host: str) -> None:
    assert client.send("GET", "/v2/account", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/venue/faults", FAULT),
        ("DELETE", "/venue/faults", None),
        ("POST", "/venue/clock", '{"paused": true}'),
        ("GET", "/venue/state", None),
        ("GET", "/venue/requests", None),
        ("POST", "/v2/orders", "{}"),
        ("DELETE", "/v2/orders/1", None),
        ("GET", "/v2/account", None),
        ("POST", "/ai/v1/chat/completions", "{}"),
    ],
)
@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://10.0.0.1"])
def test_web_page_is_refused(client: Client, method: str, path: str, body: str | None, origin: str) -> None:
    reply = client.send(method, path, data=body, headers={"Origin": origin, **JSON})

    assert reply.status_code == 403, reply.text


def test_page_of_this_machine_may_not_command_the_venue(client: Client) -> None:
    origin = {"Origin": "http://127.0.0.1:3000"}

    assert client.send("POST", "/venue/faults", data=FAULT, headers=origin | JSON).status_code == 403
    assert client.send("GET", "/venue/state", headers=origin).status_code == 403


@pytest.mark.parametrize(
    "kind",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/json"],
)
@pytest.mark.parametrize("browser", [{"Sec-Fetch-Site": "cross-site"}, {"User-Agent": "Mozilla/5.0 (X11)"}])
def test_body_that_a_page_may_send_unasked_is_refused(
    client: Client, kind: str, browser: dict[str, str]
) -> None:
    reply = client.send("POST", "/venue/faults", data=FAULT, headers={"Content-Type": kind, **browser})

    assert reply.status_code == 403
    assert "expected application/json" in reply.json()["message"]


def test_form_that_a_program_did_not_mean_is_read_as_json(venue: VenueProcess, client: Client) -> None:
    """curl's -d and Python's urllib call every body a form."""
    kinds = {"Content-Type": "application/x-www-form-urlencoded", "User-Agent": "curl/8.5.0"}

    reply = client.send("POST", "/venue/faults", data=FAULT, headers=kinds)
    other = client.send("POST", "/venue/faults", data=FAULT, headers=kinds | {"Content-Type": "text/plain"})

    assert (reply.status_code, other.status_code) == (201, 403)
    assert [rule["route"] for rule in venue.faults()] == ["/v2/account"]


def test_refused_requests_leave_no_trace(own_venue: VenueProcess) -> None:
    client = Client(own_venue.url)

    client.send("POST", "/venue/faults", data=FAULT, headers={"Origin": "https://evil.example", **JSON})
    client.send("GET", "/v2/account", headers={"Host": "evil.example"})

    assert own_venue.faults() == []
    assert own_venue.requests() == []


def test_files_of_the_venue_are_its_users_alone(own_venue: VenueProcess) -> None:
    files = [file for file in own_venue.state.iterdir() if file.name.startswith(("venue.sqlite3", "address"))]

    assert {file.name for file in files} >= {"venue.sqlite3", "address.json"}
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_files_that_an_older_version_left_open_are_closed(own_venue: VenueProcess) -> None:
    database = own_venue.state / "venue.sqlite3"
    own_venue.stop()
    database.chmod(0o644)

    own_venue.start()

    assert stat.S_IMODE(database.stat().st_mode) == 0o600
