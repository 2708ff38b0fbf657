"""What every resource has in common: problems, parameters, pages, decimals, ETags, limits."""

import itertools
import json
from typing import Any
from uuid import UUID

import pytest
from django.db import OperationalError
from django.test import Client
from rest_framework.test import APIClient

from tests.factories import make_candidate, make_decision, make_event, make_order
from tests.trading.api.conftest import Api
from trading.core.settings import set_runtime_setting
from trading.models import Event, Order


def problem(response: Any, status: int) -> dict[str, Any]:
    """Return the problem a response is, after checking that it is one."""
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/problem+json"
    body = json.loads(response.content)
    assert body["status"] == status
    assert body["type"].startswith("urn:orchestrator:problem:")
    assert body["title"]
    assert body["detail"]
    return dict(body)


def named(response: Any) -> set[str]:
    """Return the fields that a 400 names."""
    return {entry["field"] for entry in problem(response, 400)["errors"]}


@pytest.mark.parametrize("prefix", ["", "/api"])
def test_list_is_served_at_the_root_and_under_api(api: Api, prefix: str) -> None:
    order = make_order()

    found = api("viewer").get(f"{prefix}/orders").json()

    assert [row["id"] for row in found["results"]] == [str(order.pk)]
    assert (found["next"], found["previous"]) == (None, None)


def test_decimals_are_strings_and_names_are_camel_case(api: Api) -> None:
    """docs/lessons.md#lesson-39: no float on the wire."""
    make_order(quantity="0.000000010", reference_price="1234567.5")

    row = api("viewer").get("/orders").json()["results"][0]

    assert row["quantity"] == "0.00000001"
    assert row["referencePrice"] == "1234567.5"
    assert row["createdAt"].endswith("Z")
    assert "decisionId" in row


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("?limit=0", {"limit"}),
        ("?limit=201", {"limit"}),
        ("?limit=many", {"limit"}),
        ("?limit=1&limit=2", {"limit"}),
        ("?sybmol=AAPL", {"sybmol"}),
        ("?side=both&limit=x", {"side", "limit"}),
        ("?cycleId=7", {"cycleId"}),
        ("?cursor=nonsense", {"cursor"}),
        ("?symbol=%00", {"symbol"}),
    ],
)
def test_parameters_that_cannot_be_read_are_named(api: Api, query: str, names: set[str]) -> None:
    """docs/lessons.md#lesson-30: a misspelt parameter is no filter."""
    assert named(api("viewer").get(f"/orders{query}")) == names


def test_cursor_of_other_filters_is_refused(api: Api) -> None:
    for _ in range(2):
        make_order()
    client = api("viewer")
    cursor = client.get("/orders?limit=1").json()["next"]

    assert client.get(f"/orders?limit=1&cursor={cursor}").status_code == 200
    assert named(client.get(f"/orders?limit=1&side=buy&cursor={cursor}")) == {"cursor"}


def page_at(client: APIClient, path: str, cursor: str | None) -> dict[str, Any]:
    """Return the page of a list at a cursor; ``path`` has its limit."""
    return dict(client.get(f"{path}&cursor={cursor}" if cursor else path).json())


def walked(client: APIClient, path: str, direction: str, cursor: str | None = None) -> list[list[str]]:
    """Return the ids (or symbols) of each page from ``cursor`` on."""
    pages = []
    while True:
        page = page_at(client, path, cursor)
        pages.append([row["symbol" if "candidates" in path else "id"] for row in page["results"]])
        cursor = page[direction]
        if cursor is None:
            return pages


def test_walk_sees_each_row_once_while_rows_are_inserted(api: Api) -> None:
    before = {make_order().pk for _ in range(7)}
    client = api("viewer")
    first = client.get("/orders?limit=3").json()
    cursor = first["next"]
    seen = [UUID(row["id"]) for row in first["results"]]

    while cursor:
        make_order()
        page = page_at(client, "/orders?limit=3", cursor)
        seen += [UUID(row["id"]) for row in page["results"]]
        cursor = page["next"]

    assert len(seen) == len(set(seen))
    assert set(seen) == before


def test_walk_back_sees_the_same_pages_and_what_came_since(api: Api) -> None:
    for _ in range(6):
        make_order()
    client, path = api("viewer"), "/orders?limit=2"
    forward = walked(client, path, "next")
    last = page_at(client, path, None)
    for _ in forward[1:]:
        last = page_at(client, path, last["next"])
    newest = str(make_order().pk)

    back = walked(client, path, "previous", last["previous"])

    assert [len(page) for page in forward] == [2, 2, 2]
    assert list(itertools.chain(*reversed(back))) == [newest, *itertools.chain(*forward[:-1])]


def test_page_costs_no_count_and_no_offset(api: Api, django_assert_num_queries: Any) -> None:
    for _ in range(3):
        make_order(decision=make_decision())
    client = api("viewer")
    client.get("/orders")  # the limit of requests is remembered from here on
    cursor = client.get("/orders?limit=1").json()["next"]

    with django_assert_num_queries(3) as captured:  # token, permission, the page
        client.get(f"/orders?limit=1&cursor={cursor}")

    assert not any("COUNT(" in query["sql"] or "OFFSET" in query["sql"] for query in captured)


def test_stranger_is_told_to_say_who_they_are(prepared: None) -> None:
    response = Client().get("/orders")

    problem(response, 401)
    assert response["WWW-Authenticate"] == "Token"


def test_wrong_token_and_user_without_a_group_see_nothing(api: Api) -> None:
    wrong = APIClient()
    wrong.credentials(HTTP_AUTHORIZATION="Token nonsense")

    problem(wrong.get("/orders"), 401)
    problem(api("").get("/orders"), 403)


@pytest.mark.parametrize("path", ["/api/nothing", "/api", "/orders/", "/orders/7", "/api/orders/7"])
def test_unknown_address_is_a_problem(prepared: None, path: str) -> None:
    problem(Client().get(path), 404)


def test_unknown_page_elsewhere_stays_a_page(prepared: None) -> None:
    assert "problem" not in Client().get("/nothing")["Content-Type"]


def test_method_that_is_not_there_is_a_problem(api: Api) -> None:
    response = api("viewer").delete("/orders")

    problem(response, 405)
    assert response["Allow"] == "GET, HEAD"


def test_answer_the_client_has_is_not_sent_again(api: Api) -> None:
    make_order()
    client = api("viewer")
    tag = client.get("/orders")["ETag"]

    again = client.get("/orders", HTTP_IF_NONE_MATCH=tag)
    Order.objects.update(status="accepted")
    changed = client.get("/orders", HTTP_IF_NONE_MATCH=tag)

    assert (again.status_code, again.content) == (304, b"")
    assert changed.status_code == 200


def test_too_many_requests_are_told_when_to_come_back(api: Api) -> None:
    """docs/lessons.md#lesson-4: counted in Redis, whatever process is asked."""
    set_runtime_setting(name="limit_api", value="10", actor="test")
    from trading.access import api_limits

    api_limits._limit.cache_clear()
    client = api("viewer")

    responses = [client.get("/orders") for _ in range(21)]  # a window may end on the way

    refused = [each for each in responses if each.status_code == 429]
    problem(refused[0], 429)
    assert 1 <= int(refused[0]["Retry-After"]) <= 60
    api_limits._limit.cache_clear()


def test_what_nobody_expected_is_a_problem_that_tells_nothing(api: Api, monkeypatch: Any) -> None:
    def fail(_: Any) -> None:
        raise RuntimeError("a secret")

    monkeypatch.setattr("trading.queries.reading.listings.orders", fail)

    assert "secret" not in json.dumps(problem(api("viewer").get("/orders"), 500))


def test_database_that_is_away_is_said_with_when_to_come_back(api: Api, monkeypatch: Any) -> None:
    def away(_: Any) -> None:
        raise OperationalError("connection to a secret address failed")

    monkeypatch.setattr("trading.queries.reading.listings.orders", away)

    answered = api("viewer").get("/orders")

    assert "secret" not in json.dumps(problem(answered, 503))
    assert answered["Retry-After"] == "2"


def test_rows_of_the_same_moment_are_each_seen_once_there_and_back(api: Api) -> None:
    events = [make_event() for _ in range(5)]
    Event.objects.update(occurred_at=events[0].occurred_at)
    client, path = api("viewer"), "/events?limit=2"
    last = page_at(client, path, page_at(client, path, page_at(client, path, None)["next"])["next"])

    there = walked(client, path, "next")
    back = walked(client, path, "previous", last["previous"])

    newest_first = sorted((str(event.pk) for event in events), reverse=True)
    assert [len(page) for page in there] == [2, 2, 1]
    assert list(itertools.chain(*there)) == newest_first
    assert list(itertools.chain(*reversed(back))) == newest_first[:4]


def test_list_by_name_is_walked_in_its_order(api: Api) -> None:
    symbols = ["MSFT", "AAPL", "NVDA", "BTC/USD", "BRK.B"]
    for symbol in symbols:
        make_candidate(symbol=symbol)

    pages = walked(api("viewer"), "/universe/candidates?limit=2", "next")

    assert [len(page) for page in pages] == [2, 2, 1]
    assert sorted(itertools.chain(*pages)) == sorted(symbols)
