"""Clients of the API for users of each group, on a database as the first start leaves it."""

from collections.abc import Callable, Iterator

import pytest
from rest_framework.test import APIClient

from tests.factories import make_user
from tests.trading.api.server import Server, running_server
from trading.access.api_tokens import issue_token

GROUPS = ("viewer", "operator", "risk officer")
Api = Callable[[str], APIClient]


@pytest.fixture
def api(prepared: None) -> Api:
    """Return a function that gives a client with the token of a new user: of a group, or of none ("")."""

    def _api(group: str) -> APIClient:
        user = make_user(group=group if group in GROUPS else "", is_superuser=group == "superuser")
        client = APIClient(raise_request_exception=False)
        client.credentials(HTTP_AUTHORIZATION=f"Token {issue_token(user=user).text}")
        return client

    return _api


@pytest.fixture(scope="session")
def server(django_db_setup: None) -> Iterator[Server]:
    """One web process for all tests that ask it; what it is to see has to be committed."""
    with running_server() as running:
        yield running
