"""docker-compose.yml, read as Docker would read it; no Docker engine is needed."""

import re
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from io import StringIO
from typing import Any

import pytest
import yaml
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from orchestrator_project.environment import KNOWN_NAMES, load_environment
from tests.paths import ROOT

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
APP = sorted(name for name, service in SERVICES.items() if "build" in service)
SECRETS = ("POSTGRES_PASSWORD", "REDIS_PASSWORD", "DJANGO_SECRET_KEY", "ALPACA_API_KEY", "ALPACA_SECRET_KEY")


def filled(value: str) -> str:
    """Fill in variables as compose does with nothing but the required secrets in .env."""

    def fill(match: re.Match[str]) -> str:
        name, operator, default = match.groups()
        if operator == ":?":
            assert name in SECRETS
            return f"{name.lower()}word"
        return str(default)

    return re.sub(r"\$\{(\w+)(:[?-])([^}]*)\}", fill, value)


def test_the_services_are_the_ones_of_the_design() -> None:
    assert set(SERVICES) == {
        "postgres", "redis", "prepare", "web", "worker", "io_worker", "beat", "sweeper", "listener", "relay",
        "consumer", "evaluator",
    }  # fmt: skip


def test_ports_are_published_on_loopback_only() -> None:
    published = [port for service in SERVICES.values() for port in service.get("ports", [])]

    assert published == ["127.0.0.1:8000:8000"]


@pytest.mark.parametrize("name", APP)
def test_what_the_services_are_given_passes_the_environment_check(name: str) -> None:
    environment = {key: filled(value) for key, value in SERVICES[name]["environment"].items()}

    checked = load_environment(environment)

    assert set(environment) <= set(KNOWN_NAMES)
    assert checked.orchestrator_mode == "manual"
    assert not checked.venue_enabled
    assert (
        checked.database_url == "postgresql://orchestrator:postgres_passwordword@postgres:5432/orchestrator"
    )


def test_no_secret_is_written_down() -> None:
    text = (ROOT / "docker-compose.yml").read_text()

    for line in text.splitlines():
        if re.match(r"\s+\w*(PASSWORD|SECRET|KEY|AUTH)\w*:", line):
            assert "${" in line


@pytest.mark.parametrize("name", [name for name in APP if "manage.py" in SERVICES[name]["command"]])
def test_every_management_command_exists(name: str) -> None:
    command = SERVICES[name]["command"][2]

    assert list(ROOT.glob(f"*/management/commands/{command}.py"))


@pytest.mark.parametrize("name", [name for name in APP if name != "prepare"])
def test_services_wait_for_migrations_and_come_back(name: str) -> None:
    service = SERVICES[name]

    assert service["depends_on"]["prepare"] == {"condition": "service_completed_successfully"}
    assert service["restart"] == "unless-stopped"


def test_the_engines_keep_what_they_are_given() -> None:
    redis = SERVICES["redis"]["command"][-1]

    assert "--appendonly yes" in redis
    assert "--maxmemory-policy noeviction" in redis
    for name in ("postgres", "redis"):
        (volume,) = SERVICES[name]["volumes"]
        assert volume.split(":")[0] in COMPOSE["volumes"]
        assert "healthcheck" in SERVICES[name]


def test_the_image_copies_only_what_exists() -> None:
    lines = SERVICES["web"]["build"]["dockerfile_inline"].splitlines()
    sources = [line.split()[1] for line in lines if line.startswith("COPY")]

    assert [source for source in sources if not (ROOT / source).exists()] == []


def test_the_web_healthcheck_asks_an_address_that_answers(client: Client) -> None:
    asked = str(SERVICES["web"]["healthcheck"]["test"])

    assert reverse("health-live") in asked
    assert client.get(reverse("health-live")).json() == {"status": "ok"}


@pytest.mark.parametrize(
    ("allowed", "asked"),
    [
        ("127.0.0.1,localhost", "127.0.0.1"),
        ("trading.example.com", "trading.example.com"),
        (" trading.example.com , other", "trading.example.com"),
        (".example.com", "example.com"),
        ("*", "127.0.0.1"),
    ],
)
def test_the_web_healthcheck_is_answered_under_every_allowed_name(
    allowed: str, asked: str, monkeypatch: pytest.MonkeyPatch, client: Client, settings: Any
) -> None:
    hosts: list[str | None] = []

    class Web(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            hosts.append(self.headers["Host"])
            self.send_response(200)
            self.end_headers()

    monkeypatch.setenv("DJANGO_ALLOWED_HOSTS", allowed)
    settings.ALLOWED_HOSTS = list(load_environment({"DJANGO_ALLOWED_HOSTS": allowed}).django_allowed_hosts)
    server = HTTPServer(("127.0.0.1", 0), Web)
    threading.Thread(target=server.handle_request).start()
    code = SERVICES["web"]["healthcheck"]["test"][-1].replace(":8000", f":{server.server_port}")

    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)

    assert hosts == [asked]
    assert client.get(reverse("health-live"), headers={"host": asked}).status_code == 200


@pytest.mark.parametrize("name", SERVICES)
def test_containers_may_do_as_little_as_they_can(name: str) -> None:
    service = SERVICES[name]

    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["mem_limit"]
    assert service["pids_limit"]
    assert "privileged" not in service
    assert {"NET_ADMIN", "SYS_ADMIN", "SYS_PTRACE"}.isdisjoint(service.get("cap_add", []))
    assert not any(mount.startswith("/") for mount in service.get("volumes", []))


@pytest.mark.parametrize("name", APP)
def test_our_containers_have_no_capability_and_a_place_for_their_state(name: str) -> None:
    service = SERVICES[name]
    places = [place.split(":")[0] for place in service["tmpfs"]]

    assert "cap_add" not in service
    assert places == ["/tmp", "/app/.orchestrator"]  # noqa: S108 - of the container
    assert "USER orchestrator" in service["build"]["dockerfile_inline"]


def test_images_are_of_an_exact_version() -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    names = re.findall(r"(?:image:|FROM) (\S+)", text)

    assert len(names) == 4
    for name in names:
        assert name == "trading-orchestrator:local" or re.search(r":\d+\.\d+(\.\d+)?-", name), name


@pytest.mark.django_db
def test_the_first_password_stays_in_no_log() -> None:
    log, terminal = StringIO(), StringIO()
    terminal.isatty = lambda: True  # type: ignore[method-assign]

    call_command("prepare", stdout=log)
    hidden = User.objects.get(username="admin").password
    User.objects.all().delete()
    call_command("prepare", stdout=terminal)

    assert "password nobody has seen" in log.getvalue()
    assert "changepassword admin" in log.getvalue()
    assert hidden
    shown = re.search(r"password (\S+) \(shown this once\)", terminal.getvalue())
    assert shown
    assert User.objects.get(username="admin").check_password(shown[1])
    assert "prepare" in COMPOSE["services"]
    assert "--show-password" not in SERVICES["prepare"]["command"]
