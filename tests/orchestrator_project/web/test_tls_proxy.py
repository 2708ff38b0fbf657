"""The console behind a proxy that speaks TLS, and probes under the machine's own name."""

import re
from pathlib import Path

import pytest
import requests
from django.test import Client, override_settings

from orchestrator_project.environment import BadEnvironmentError, load_environment
from orchestrator_project.runtime.prepare import seed
from tests.factories import make_user
from tests.orchestrator_project.test_bad_configuration import manage
from tests.orchestrator_project.web.tls_proxy import OWN_ADDRESS, tls_server
from tests.paths import ROOT
from tests.trading.api.server import running_server

pytestmark = pytest.mark.system

PASSWORD = "correct horse"


@pytest.mark.django_db(transaction=True)
def test_operator_logs_in_through_a_proxy_that_speaks_tls(tmp_path: Path) -> None:
    seed()
    user = make_user(is_superuser=True)
    with tls_server(tmp_path) as (handler, port, certificate):
        public = f"https://localhost:{port}"
        names = {
            "DJANGO_ALLOWED_HOSTS": "trading.example.com",
            "DJANGO_PUBLIC_URL": public,
            "DJANGO_TRUSTED_PROXIES": OWN_ADDRESS,
        }
        with running_server(**names) as server, requests.Session() as session:
            session.trust_env, session.verify = False, str(certificate)  # not the machine's bundle
            handler.target = ("127.0.0.1", int(server.url.rpartition(":")[2]))
            page = session.get(f"{public}/admin/login/", timeout=120)
            token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text)
            assert token, page.text
            form = {"username": user.username, "password": PASSWORD, "csrfmiddlewaretoken": token[1]}
            answer = session.post(
                f"{public}/admin/login/",
                {**form, "next": "/admin/risk/killswitch/"},
                headers={"Origin": public},
                timeout=120,
            )
            from_elsewhere = session.post(
                f"{public}/admin/login/", form, headers={"Origin": "https://evil.example"}, timeout=120
            )
            direct = requests.get(f"{server.url}/metrics", timeout=120, headers={"Host": "evil.example"})

    assert (answer.status_code, answer.url) == (200, f"{public}/admin/risk/killswitch/")
    assert {cookie.name: cookie.secure for cookie in session.cookies} == {
        "csrftoken": True,
        "sessionid": True,
    }
    assert page.headers["Strict-Transport-Security"].startswith("max-age=")
    assert from_elsewhere.status_code == 403
    assert direct.status_code == 400


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("path", "host", "address", "status"),
    [
        ("/health/live", "127.0.0.1:8000", "127.0.0.1", 200),
        ("/api/health/live", "localhost", "::1", 200),
        ("/health/live", "[::1]:8000", "::1", 200),
        ("/health/live", "trading.example.com", "10.0.0.1", 200),
        ("/health/live", "127.0.0.1:8000", "10.0.0.1", 400),
        ("/health/live", "evil.example", "127.0.0.1", 400),
        ("/admin/login/", "127.0.0.1:8000", "127.0.0.1", 400),
    ],
)
def test_probes_are_answered_under_the_machines_own_name(
    path: str, host: str, address: str, status: int
) -> None:
    with override_settings(ALLOWED_HOSTS=["trading.example.com"]):
        answer = Client(REMOTE_ADDR=address).get(path, headers={"host": host})

    assert answer.status_code == status


def test_deployment_check_is_clean_with_a_public_address() -> None:
    done = manage(
        "check", "--deploy", "--fail-level", "WARNING", DJANGO_PUBLIC_URL="https://trading.example.com"
    )

    assert done.returncode == 0, done.stderr
    assert "no issues" in done.stdout


@pytest.mark.parametrize(
    "value",
    [
        "http://trading.example.com",
        "trading.example.com",
        "https://trading.example.com/console",
        "https://user@trading.example.com",
        "https://*.example.com",
        "https://trading.example.com?x=1",
    ],
)
def test_public_address_is_an_origin_with_tls(value: str) -> None:
    with pytest.raises(
        BadEnvironmentError, match=r"DJANGO_PUBLIC_URL: was .* expected an https:// address without"
    ):
        load_environment({"DJANGO_PUBLIC_URL": value})


@pytest.mark.parametrize("value", ["*", "proxy", "10.0.0.1/8", "10.0.0.1,,10.0.0.2"])
def test_trusted_proxies_are_addresses(value: str) -> None:
    with pytest.raises(BadEnvironmentError, match=r"DJANGO_TRUSTED_PROXIES: was .* expected"):
        load_environment({"DJANGO_TRUSTED_PROXIES": value})


def test_nobody_is_trusted_unless_named() -> None:
    public = {"DJANGO_PUBLIC_URL": "https://Trading.example.com/"}

    assert load_environment({}).trusted_proxies == ()
    assert load_environment(public).django_public_url == "https://trading.example.com"
    assert load_environment(public).trusted_proxies == ("127.0.0.1", "::1")
    assert load_environment({"DJANGO_TRUSTED_PROXIES": "10.1.0.0/16"}).trusted_proxies == ("10.1.0.0/16",)


def test_compose_starts_the_web_process_as_up_does() -> None:
    text = (ROOT / "docker-compose.yml").read_text()

    assert "orchestrator_project.web.connections:BoundedProtocol" in text
    assert "--no-proxy-headers" in text
