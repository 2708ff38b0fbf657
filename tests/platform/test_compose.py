"""docker-compose.yml, read as Docker would read it; no Docker engine is needed."""

import re
from typing import Any

import pytest
import yaml
from django.test import Client
from django.urls import reverse

from orchestrator_project.environment import KNOWN_NAMES, load_environment
from tests.platform.conftest import ROOT

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
        "postgres", "redis", "prepare", "web", "worker", "beat", "sweeper", "listener", "relay", "consumer"
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
