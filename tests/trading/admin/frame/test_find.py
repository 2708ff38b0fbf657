"""The search for everything, and that the lists' own searches find the same."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from tests import factories as make

Login = Callable[..., Client]
URL = "/admin/find/"


def hits(client: Client, asked: str) -> dict[str, list[str]]:
    """Return the names of what was found, by kind."""
    answer = client.get(URL, {"q": asked}, headers={"HX-Request": "true"})
    assert answer.status_code == 200
    return {name: [hit.words for hit in group] for name, group in answer.context["groups"]}


@pytest.mark.parametrize("typed", ["btc", "BTC/USD", "btcusd", " Bitcoin "])
def test_coin_is_found_by_shorthand_and_by_name(typed: str, login: Login) -> None:
    make.make_asset("BTC/USD", name="Bitcoin / US Dollar")
    make.make_asset("AAPL", name="Apple Inc.")

    assert hits(login("viewer"), typed)["Symbols"] == ["BTC/USD"]


def test_stock_is_found_by_lower_case_and_by_its_company(login: Login) -> None:
    make.make_asset("AAPL", name="Apple Inc.")
    make.make_asset("AAP", name="Advance Auto Parts")
    client = login("viewer")

    assert hits(client, "aapl")["Symbols"] == ["AAPL"]
    assert hits(client, "apple")["Symbols"] == ["AAPL"]
    assert hits(client, "aap")["Symbols"] == ["AAP"]


@pytest.mark.parametrize("shown", ["{}", "…{end}", "{end}", "...{end}"])
@pytest.mark.parametrize("factory", [make.make_order, make.make_decision, make.make_cycle, make.make_saga])
def test_row_is_found_by_its_id_as_pages_show_it(
    factory: Callable[..., Any], shown: str, login: Login
) -> None:
    row = factory()
    factory_of_others = make.make_decision()
    asked = shown.format(row.pk, end=str(row.pk)[-8:])

    answer = login("viewer").get(URL, {"q": asked})

    where = f"admin:trading_{row._meta.model_name}_change"
    assert answer.headers["Location"] == reverse(where, args=[row.pk])
    assert factory_of_others.pk != row.pk


def test_order_is_found_by_the_brokers_id_and_by_ours(login: Login) -> None:
    order = make.make_order(broker_order_id="broker-4711")
    make.make_order()
    client = login("viewer")
    page = reverse("admin:trading_order_change", args=[order.pk])

    for asked in ("broker-4711", order.client_order_id):
        assert client.get(URL, {"q": asked}).headers["Location"] == page, asked


def test_page_and_strategy_are_found_by_their_names(login: Login) -> None:
    strategy = make.make_strategy(name="Careful settings")
    found = hits(login("viewer"), "settings")

    assert found == {"Pages": ["Settings"], "Strategies": [strategy.name]}


def test_nothing_found_says_what_was_looked_at(login: Login) -> None:
    page = login("viewer").get(URL, {"q": "no such thing"}).content.decode()

    assert "Nothing is called “no such thing”." in page
    assert "Looked at: the menu, symbols" in page


@pytest.mark.parametrize("asked", ["", " ", "\x00", "%", "'; --", "é" * 500, "…", "00000000"])
def test_nonsense_is_no_error(asked: str, login: Login) -> None:
    assert login("viewer").get(URL, {"q": asked}).status_code == 200


def test_who_may_look_at_nothing_finds_nothing(login: Login) -> None:
    order = make.make_order()
    make.make_asset("AAPL")
    client = login("nobody")

    assert hits(client, str(order.pk)) == {}
    assert "Symbols" not in hits(client, "AAPL")


def test_a_search_is_few_queries(login: Login) -> None:
    client, order = login("viewer"), make.make_order()
    client.get(URL)

    for asked in ("aapl", str(order.pk)[-8:], str(order.pk), "no such thing"):
        with CaptureQueriesContext(connection) as captured:
            client.get(URL, {"q": asked})
        assert len(captured) <= 12, asked


@pytest.mark.parametrize("shown", ["…{}", "{}"])
def test_lists_find_the_end_of_an_id(shown: str, login: Login) -> None:
    fill, decision = make.make_fill(), make.make_decision()
    make.make_fill()
    make.make_decision()
    client = login("viewer")

    for url, row, key in (
        ("admin:trading_fill_changelist", fill, fill.order_id),
        ("admin:trading_aidecision_changelist", decision, decision.pk),
        ("admin:trading_aidecision_changelist", decision, decision.cycle_id),
    ):
        page = client.get(reverse(url), {"q": shown.format(str(key)[-8:])})
        assert [one.pk for one in page.context["cl"].result_list] == [row.pk]


def test_filtered_list_says_so_and_shows_all_again(login: Login) -> None:
    order = make.make_order()
    url = reverse("admin:trading_order_changelist")
    client = login("viewer")

    of_cycle = client.get(url, {"cycle_id": str(order.cycle_id)}).content.decode()

    assert f"Only <b>cycle</b> …{str(order.cycle_id)[-8:]}." in of_cycle
    assert 'id="filters-set"' not in client.get(url).content.decode()
    nothing = client.get(url, {"q": "zz-nothing"}).content.decode()
    assert "has “zz-nothing”" in nothing
    assert "Look everywhere" in nothing
