"""Enriched decisions over the API: every way a decision can go, filters, walks, and what a page costs."""

import itertools
import json
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import jsonschema
import pytest
from django.db import connection
from django.utils import timezone
from rest_framework.test import APIClient

from orchestrator_project.web.openapi import document
from tests import factories
from tests.trading.api.conftest import Api
from tests.trading.api.test_skeleton import named, problem
from trading.models import AIDecision
from trading.queries.decision_rows import OLDER
from trading.queries.timeline import timeline_of

PATH = "/api/ai-decisions/enriched"
LINKS = ("linkedOrder", "linkedTrade", "linkedPosition")
UNSENT: dict[str, Any] = {"acknowledged_at": None}


def stamped(decision: AIDecision) -> AIDecision:
    return decision


def ordered(status: str, *, saga: str = "running", sent: bool = True, **order: Any) -> AIDecision:
    """Write a decision that passed the gate, with its order and saga."""
    now = timezone.now()
    check = factories.make_risk_check()
    values = {"status": status, "quantity": Decimal(10), "acknowledged_at": now if sent else None} | order
    decision = factories.make_decision(status="executing", risk_check=check, reasoning="It rises.")
    row = factories.make_order(decision=decision, **values)
    if row.filled_quantity:
        factories.make_fill(order=row)
    factories.make_saga(order=row, status=saga, ended_at=now if saga == "completed" else None)
    return stamped(decision)


def filled(quantity: int = 10, status: str = "filled", **more: Any) -> AIDecision:
    values = {"filled_quantity": Decimal(quantity), "average_price": Decimal(100), "ended_at": timezone.now()}
    return ordered(status, **(values | more))


def booked(quantity: int = 10, status: str = "filled") -> AIDecision:
    decision = filled(quantity, status, saga="completed")
    factories.make_trade(order=decision.orders.get(), quantity=Decimal(quantity))
    return decision


def held_open() -> AIDecision:
    decision = booked()
    factories.make_position(quantity=Decimal(10))
    return stamped(decision)


def closed() -> AIDecision:
    decision = booked()
    sale = factories.make_order(symbol="AAPL", side="sell", purpose="flatten", status="filled")
    factories.make_trade(order=sale, realised_pnl=Decimal("12.5"))
    factories.make_event(aggregate_type="position", aggregate_id="AAPL", type="position.closed")
    return stamped(decision)


def awaiting() -> AIDecision:
    decision = factories.make_decision(status="awaiting_approval")
    factories.make_approval(decision=decision)
    return stamped(decision)


def denied() -> AIDecision:
    check = factories.make_risk_check(reason="stale_price")
    return stamped(factories.make_decision(status="denied", reason="stale_price", risk_check=check))


def sold() -> AIDecision:
    decision = factories.make_decision(
        action="sell", status="executed", risk_check=factories.make_risk_check()
    )
    order = factories.make_order(
        decision=decision,
        side="sell",
        purpose="exit",
        status="filled",
        filled_quantity=1,
        acknowledged_at=timezone.now(),
    )
    factories.make_saga(order=order, status="completed", ended_at=timezone.now())
    factories.make_trade(order=order, realised_pnl=Decimal(-3))
    return stamped(decision)


# The decision; the first letters of its stages' statuses; which of order, trade and position are linked.
WAYS: dict[str, tuple[Callable[[], AIDecision], str, str]] = {
    "hold": (
        lambda: stamped(factories.make_decision(action="hold", status="held", reason="hold")),
        "csssss",
        "---",
    ),
    "not judged yet": (lambda: stamped(factories.make_decision()), "cppppp", "---"),
    "waits for a person": (awaiting, "cppppp", "---"),
    "denied": (denied, "cfssss", "---"),
    "not sent yet": (lambda: ordered("created", sent=False), "ccpppp", "o--"),
    "rejected by the broker": (lambda: ordered("rejected", sent=False, broker_message="no"), "ccfsss", "o--"),
    "accepted": (lambda: ordered("accepted"), "cccppp", "o--"),
    "canceled unfilled": (lambda: ordered("canceled", ended_at=timezone.now()), "cccfss", "o--"),
    "partly filled": (lambda: filled(4, "partially_filled", ended_at=None), "ccccpp", "o--"),
    "position could not be booked": (lambda: filled(saga="failed"), "ccccfs", "o--"),
    "partly filled and canceled": (lambda: booked(4, "canceled"), "cccccp", "ot-"),
    "position open": (held_open, "cccccp", "otp"),
    "position closed": (closed, "cccccc", "ot-"),
    "exit": (sold, "cccccc", "ot-"),
}


def only(response: Any) -> dict[str, Any]:
    """Return the one result of a page."""
    assert response.status_code == 200, response.content
    (result,) = response.json()["results"]
    return dict(result)


@pytest.mark.parametrize("way", WAYS)
def test_every_way_of_a_decision_is_shown_with_six_stages_and_its_links(api: Api, way: str) -> None:
    make, word, links = WAYS[way]
    decision = make()

    shown = only(api("viewer").get(PATH, {"cycle": decision.cycle_id}))

    assert shown["decision"]["id"] == str(decision.pk)
    assert "".join(stage["status"][0] for stage in shown["timeline"]) == word
    assert "".join(name[6].lower() if shown[name] else "-" for name in LINKS) == links


@pytest.mark.parametrize("way", WAYS)
def test_stage_filter_finds_it_by_each_of_its_stages_and_by_no_other_status(api: Api, way: str) -> None:
    decision = WAYS[way][0]()
    client = api("viewer")
    stage_statuses = {
        stage["stage"]: stage["status"]
        for stage in only(client.get(PATH, {"cycle": decision.cycle_id}))["timeline"]
    }

    found = {
        (stage, status)
        for stage in stage_statuses
        for status in ("completed", "pending", "skipped", "failed")
        if client.get(PATH, {"cycle": decision.cycle_id, "stage": stage, "stageStatus": status}).json()[
            "results"
        ]
    }

    assert found == set(stage_statuses.items())


def test_timeline_is_the_consoles(api: Api) -> None:
    decision = closed()

    shown = only(api("viewer").get(PATH, {"cycle": decision.cycle_id}))["timeline"]

    told = timeline_of(decision.pk)
    assert told is not None
    assert [(stage["stage"], stage["status"]) for stage in shown] == [(s.stage, s.status) for s in told]
    assert shown[5]["facts"] == {"realisedPnl": "12.5", "by": "flatten", "reducedQuantity": "1"}
    assert shown[3]["facts"]["filledPercent"] == "100"
    assert shown[5]["details"] == "realised pnl 12.5, by flatten, reduced quantity 1"
    assert shown[4]["details"] == ""


def test_position_says_whether_it_is_live(api: Api) -> None:
    decision = held_open()
    client = api("viewer")
    fresh = only(client.get(PATH, {"cycle": decision.cycle_id}))["linkedPosition"]
    factories.Position.objects.update(synced_at=timezone.now() - timedelta(hours=1))

    old = only(client.get(PATH, {"cycle": decision.cycle_id}))["linkedPosition"]

    assert (fresh["source"], fresh["isStale"], fresh["quantity"]) == ("broker_live", False, "10")
    assert (old["source"], old["isStale"]) == ("cache_stale", True)


def resolved(schema: Any, document: dict[str, Any]) -> Any:
    """Return a schema with its references filled in, and objects that take no other member."""
    if isinstance(schema, list):
        return [resolved(each, document) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return resolved(document["components"]["schemas"][schema["$ref"].rpartition("/")[2]], document)
    plain = {key: resolved(value, document) for key, value in schema.items()}
    return plain | ({"additionalProperties": False} if "properties" in plain else {})


def test_what_is_shown_is_what_the_document_says(api: Api) -> None:
    """Rows are built by hand for speed: nothing else holds them to the document."""
    written = json.loads(document())
    operation = written["paths"]["/ai-decisions/enriched"]["get"]
    content = operation["responses"]["200"]["content"]["application/json"]
    schema = resolved(content["schema"], written)
    for make, _, _ in WAYS.values():
        make()

    page = api("viewer").get(PATH, {"limit": 200}).json()

    assert len(page["results"]) >= len(WAYS)
    jsonschema.validate(page, schema)
    for example in content["examples"].values():
        jsonschema.validate(example["value"], schema)


def ids(response: Any) -> list[str]:
    assert response.status_code == 200, response.content
    return [row["decision"]["id"] for row in response.json()["results"]]


def test_filters_combine(api: Api) -> None:
    mine = factories.make_decision(symbol="BTC/USD", action="sell", status="skipped", reason="no_position")
    stamped(mine)
    for other in ({"symbol": "AAPL"}, {"action": "buy"}, {"reason": "hold"}):
        values = {"symbol": "BTC/USD", "action": "sell", "status": "skipped", "reason": "no_position"} | other
        stamped(factories.make_decision(**values))
    wanted = {
        "symbol": "BTC/USD",
        "action": "sell",
        "reason": "no_position",
        "strategy": mine.strategy_id,
        "cycle": mine.cycle_id,
        "stage": "exit",
        "stageStatus": "skipped",
    }
    client = api("viewer")

    assert ids(client.get(PATH, wanted)) == [str(mine.pk)]
    assert len(ids(client.get(PATH, {"symbol": "BTC/USD"}))) == 3
    assert len(ids(client.get(PATH, {"action": "sell"}))) == 3
    assert len(ids(client.get(PATH, {"reason": "no_position"}))) == 3
    assert ids(client.get(PATH, {"strategy": mine.strategy_id})) == [str(mine.pk)]
    assert ids(client.get(PATH, wanted | {"symbol": "ETH/USD"})) == []


def test_time_begins_inclusive_and_ends_exclusive(api: Api) -> None:
    rows = [factories.make_decision() for _ in range(3)]
    moments = [row.created_at.isoformat() for row in rows]
    client = api("viewer")

    assert ids(client.get(PATH, {"from": moments[1]})) == [str(rows[2].pk), str(rows[1].pk)]
    assert ids(client.get(PATH, {"to": moments[1]})) == [str(rows[0].pk)]
    assert ids(client.get(PATH, {"from": moments[1], "to": moments[2]})) == [str(rows[1].pk)]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({"symbol": "aapl"}, {"symbol"}),
        ({"action": "short"}, {"action"}),
        ({"strategy": "momentum"}, {"strategy"}),
        ({"cycle": "7", "limit": "0"}, {"cycle", "limit"}),
        ({"stage": "risk_gate"}, {"stageStatus"}),
        ({"stageStatus": "failed"}, {"stage"}),
        ({"stage": "gate", "stageStatus": "failed"}, {"stage"}),
        ({"stage": "order", "stageStatus": "red"}, {"stageStatus"}),
        ({"reason": "x" * 41}, {"reason"}),
        ({"from": "yesterday"}, {"from"}),
        ({"from": "2026-11-26T14:00:00Z", "to": "2026-11-26T14:00:00Z"}, {"to"}),
        ({"offset": "50"}, {"offset"}),
        ({"cursor": "WzAsIjIwMjYiXQ"}, {"cursor"}),
    ],
)
def test_what_cannot_be_read_is_named(api: Api, query: dict[str, str], names: set[str]) -> None:
    assert named(api("viewer").get(PATH, query)) == names


def decision_ids(client: APIClient, path: str, direction: str, cursor: str | None) -> list[list[str]]:
    """Return the ids of each page from ``cursor`` on, a decision being made after each page."""
    pages = []
    while cursor:
        response = client.get(f"{path}&cursor={cursor}")
        pages.append(ids(response))
        stamped(factories.make_decision())
        cursor = response.json()[direction]
    return pages


@pytest.mark.parametrize("filters", ["", "&stage=order&stageStatus=pending", "&symbol=AAPL&action=buy"])
def test_walks_see_each_row_once_while_decisions_are_made(api: Api, filters: str) -> None:
    """Forward to the end, and from there back: nothing twice, nothing left out."""
    made = [str(stamped(factories.make_decision()).pk) for _ in range(7)]
    client = api("viewer")
    path = f"{PATH}?limit=2{filters}"
    first = client.get(path)

    onward = [ids(first), *decision_ids(client, path, "next", first.json()["next"])]
    last = client.get(path)
    for _ in onward[1:]:
        last = client.get(f"{path}&cursor={last.json()['next']}")
    newest = [
        str(pk) for pk in AIDecision.objects.order_by("-created_at", "-id").values_list("pk", flat=True)
    ]
    before = newest[: newest.index(ids(last)[0])]
    back = []
    cursor = last.json()["previous"]
    while cursor:
        page = client.get(f"{path}&cursor={cursor}")
        back = ids(page) + back
        cursor = page.json()["previous"]

    assert list(itertools.chain(*onward)) == made[::-1]
    assert back == before


def test_page_costs_as_many_statements_for_fifty_as_for_one(api: Api, django_assert_num_queries: Any) -> None:
    """docs/lessons.md#lesson-11. And none of them counts or skips."""
    for way in WAYS:
        WAYS[way][0]()
    for _ in range(50):
        stamped(factories.make_decision())
    client = api("viewer")
    cursor = client.get(PATH, {"limit": 1}).json()["next"]

    for limit, filters, count in (
        (1, {}, 3),
        (50, {}, 3),
        (1, {"action": "buy"}, 4),
        (50, {"action": "buy"}, 4),
    ):
        query = {"limit": limit, **(filters or {"cursor": cursor})}
        with django_assert_num_queries(count) as captured:  # token, permission, (keys,) what is linked
            assert client.get(PATH, query).status_code == 200
        assert not any("COUNT(" in query["sql"].upper() or "OFFSET" in query["sql"] for query in captured)


def test_statement_of_a_page_is_planned_once(api: Api) -> None:
    """Planning takes longer than the page; left to itself the server planned this statement each time."""
    for _ in range(8):
        assert api("viewer").get(PATH, {"limit": 5}).status_code == 200

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT generic_plans > 0, custom_plans FROM pg_prepared_statements WHERE name = %s", [OLDER.name]
        )
        assert cursor.fetchone() == (True, 0)


def test_poll_that_brings_nothing_new_is_answered_without_a_body(api: Api) -> None:
    decision = ordered("accepted")
    client = api("viewer")
    tag = client.get(PATH)["ETag"]

    again = client.get(PATH, HTTP_IF_NONE_MATCH=tag)
    decision.orders.update(broker_message="resting")
    changed = client.get(PATH, HTTP_IF_NONE_MATCH=tag)

    assert (again.status_code, again.content) == (304, b"")
    assert changed.status_code == 200


def test_only_who_may_see_decisions_sees_them(api: Api) -> None:
    problem(APIClient().get(PATH), 401)
    problem(api("").get(PATH), 403)
    for group in ("viewer", "operator", "risk officer", "superuser"):
        assert api(group).get(PATH).status_code == 200


def test_it_is_served_at_the_root_too(api: Api) -> None:
    decision = stamped(factories.make_decision())

    assert ids(api("viewer").get("/ai-decisions/enriched")) == [str(decision.pk)]
