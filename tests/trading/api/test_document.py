"""The OpenAPI document: checked in, as the code has it, without a warning, and served beside its page."""

from typing import Any

import pytest
from django.test import Client
from drf_spectacular.drainage import GENERATOR_STATS

from orchestrator_project.web.openapi import FILE, document
from tests.factories import make_user
from tests.trading.api.conftest import Api


def test_document_is_checked_in_as_the_code_has_it() -> None:
    """When it fails: `manage.py openapi --write`."""
    assert FILE.read_bytes() == document()


def test_document_is_made_without_a_warning(capsys: Any) -> None:
    GENERATOR_STATS.reset()
    document.cache_clear()

    document()

    assert not GENERATOR_STATS, capsys.readouterr().err


def test_document_and_its_page_are_for_who_is_logged_in(api: Api) -> None:
    browser = Client()
    browser.force_login(make_user(group="viewer"))

    assert api("viewer").get("/openapi.json").content == FILE.read_bytes()
    assert Client().get("/openapi.json").status_code == 401
    assert Client().get("/docs")["Location"].startswith("/admin/login/")
    page = browser.get("/docs")
    assert page.status_code == 200
    assert "/static/drf_spectacular_sidecar/swagger-ui-dist/swagger-ui-bundle.js" in page.content.decode()
    assert "//cdn" not in page.content.decode()


@pytest.mark.parametrize("name", ["swagger-ui-bundle.js", "swagger-ui.css"])
def test_page_needs_nothing_from_elsewhere(name: str) -> None:
    path = f"/static/drf_spectacular_sidecar/swagger-ui-dist/{name}"

    assert Client().get(path).status_code == 200
