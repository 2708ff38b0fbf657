"""The pages of shadow strategies: beside the account, for whoever may look, touched by nobody."""

import json
from collections.abc import Callable

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from evaluation.models import ShadowBook, ShadowDecision, ShadowFill
from tests.evaluation.services.shadow.scenes import traded_shadow
from tests.factories import make_strategy
from tests.trading.admin.conftest import login

__all__ = ["login"]
LIST = "admin:evaluation_shadowbook_changelist"


def page_of(client: Client, book: ShadowBook) -> str:
    return client.get(reverse("admin:evaluation_shadowbook_change", args=[book.pk])).content.decode()


def test_list_shows_each_beside_the_account(login: Callable[..., Client]) -> None:
    traded_shadow()
    make_strategy(name="Not yet", is_shadow=True)

    page = login("viewer").get(reverse(LIST)).content.decode()

    assert "Bold one" in page
    assert "+1.00 %" in page
    assert "-0.15 %" in page
    assert "No cycle seen yet: Not yet." in page


def test_page_has_both_lines_and_their_table(login: Callable[..., Client]) -> None:
    traded_shadow()

    response = login("viewer").get(
        reverse("admin:evaluation_shadowbook_change", args=[ShadowBook.objects.get().pk])
    )

    page = response.content.decode()
    chart = json.loads(response.context["shadow"]["chart"]["data"])
    assert [line["label"] for line in chart["datasets"]] == ["Bold one", "the account"]
    assert [line["data"] for line in chart["datasets"]] == [[0.0, 0.5, 1.0], [-0.05, -0.1, -0.15]]
    assert 'data-type="line"' in page
    for word in (
        "10,100.00",
        "99,850.00",
        "too slow",
        "AAPL",
        "It rose.",
        "5 missed",
        "0.2500 USD",
        "Price seen",
    ):
        assert word in page, word
    assert "_save" not in page


def test_one_that_has_seen_no_cycle_opens(login: Callable[..., Client]) -> None:
    from decimal import Decimal

    from evaluation.services.shadow.books import open_book

    book = open_book(make_strategy(is_shadow=True), Decimal(500))

    assert "It has seen no cycle yet." in page_of(login("viewer"), book)


@pytest.mark.parametrize("model", [ShadowBook, ShadowDecision, ShadowFill])
def test_nobody_changes_them(model: type, login: Callable[..., Client]) -> None:
    traded_shadow()
    name = model._meta.model_name  # type: ignore[attr-defined]
    row = model.objects.get()  # type: ignore[attr-defined]
    client = login("superuser")

    assert client.get(reverse(f"admin:evaluation_{name}_changelist")).status_code == 200
    assert client.get(reverse(f"admin:evaluation_{name}_change", args=[row.pk])).status_code == 200
    assert client.get(reverse(f"admin:evaluation_{name}_add")).status_code == 403
    assert client.post(reverse(f"admin:evaluation_{name}_delete", args=[row.pk])).status_code == 403


def test_page_asks_few_questions(login: Callable[..., Client]) -> None:
    traded_shadow()
    client, book = login("viewer"), ShadowBook.objects.get()
    page_of(client, book)

    with CaptureQueriesContext(connection) as asked:
        page_of(client, book)

    assert len(asked) <= 20, [query["sql"][:80] for query in asked.captured_queries]
