"""The comparison with the broker that a person asks for in the console."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from connectors.errors import UnavailableError
from tests.e2e.system import held
from tests.trading.outside import STOCK, Outside
from tests.trading.scenes import ago
from trading.admin import portfolio
from trading.execution.reconciliation import reconcile
from trading.models import Event, Order

pytestmark = pytest.mark.system  # a lock of a session beside

RECONCILE = reverse("admin:trading_position_reconcile")
POSITIONS = reverse("admin:trading_position_changelist")

Login = Callable[..., Client]


def said(client: Client) -> list[str]:
    return [str(message) for message in client.get(POSITIONS).context["messages"]]


def test_it_does_as_the_command_and_says_what_differed(account: Outside, login: Login) -> None:
    reconcile()
    client = login("operator")
    stranger = f"stranger-{ago():%H%M%S%f}"
    account.place(STOCK, "2", client_order_id=stranger)

    looked = client.get(RECONCILE)
    assert not Order.objects.filter(client_order_id=stranger).exists()
    client.post(RECONCILE)

    assert "Nothing is ordered, sold or cancelled." in looked.content.decode()
    first, *rest = said(client)
    assert first.startswith("Compared with the broker: ")
    assert f"adopted: {stranger}" in rest
    assert Order.objects.filter(client_order_id=stranger).exists()
    asked = Event.objects.get(type="reconciliation.asked_for")
    assert asked.payload["actor"] == User.objects.get(pk=client.session["_auth_user_id"]).username
    client.post(RECONCILE)
    assert said(client)[1:] == ["Nothing differed."]


def test_one_that_is_under_way_is_said_and_no_second_begins(account: Outside, login: Login) -> None:
    client = login("operator")
    with held("SELECT pg_advisory_lock_shared(17750, hashtext('reconciliation'))"):
        client.post(RECONCILE)
        assert said(client) == [
            "Nothing was done: a reconciliation is under way already. Look again shortly."
        ]
        reconcile()  # the system's own waits for nobody

    assert not Event.objects.filter(type="reconciliation.asked_for").exists()


def test_broker_that_does_not_answer_is_said(login: Login, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(actor: str) -> None:
        raise UnavailableError("alpaca", "orders", "connection refused")

    monkeypatch.setattr(portfolio, "reconcile_for", away)
    client = login("operator")

    client.post(RECONCILE)

    [message] = said(client)
    assert message.startswith("Not done to the end: ")
    assert "connection refused" in message


def test_who_may_only_look_is_offered_nothing(login: Login) -> None:
    client = login("viewer")

    assert RECONCILE not in client.get(POSITIONS).content.decode()
    assert client.post(RECONCILE).status_code == 403
