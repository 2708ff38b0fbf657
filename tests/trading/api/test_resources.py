"""Each resource as each group: who may see, who may act; and what is shown."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from uuid6 import uuid7

from risk.domain.numbers import plain_decimal
from tests.factories import (
    make_agent,
    make_approval,
    make_candidate,
    make_cycle,
    make_decision,
    make_engagement,
    make_equity,
    make_event,
    make_fill,
    make_limits,
    make_model_call,
    make_order,
    make_position,
    make_saga,
    make_strategy,
    make_trade,
)
from tests.trading.api.conftest import Api
from tests.trading.api.test_skeleton import problem
from trading.models import Cycle, Saga, Strategy

GROUPS = ("viewer", "operator", "risk officer", "")
LISTS: dict[str, Callable[[], Any]] = {
    "/cycles/history": make_cycle,
    "/sagas/active": make_saga,
    "/approvals": make_approval,
    "/orders": make_order,
    "/fills": make_fill,
    "/trades": make_trade,
    "/positions": make_position,
    "/equity": make_equity,
    "/strategies": lambda: None,
    "/risk/limits": lambda: None,
    "/universe/candidates": make_candidate,
    "/model-calls": make_model_call,
    "/events": make_event,
    "/evaluation/calibration": lambda: None,
    "/evaluation/experiments": lambda: None,
}
UNMADE = ("/strategies", "/risk/limits", "/evaluation/experiments", "/evaluation/calibration")
ONES = ("/performance", "/status", "/mode", "/kill-switch", "/guards", "/cycles/current", "/evaluation/trust")
# Who may act; with bodies that change nothing, because there is nothing to change.
ACTS: dict[tuple[str, str], tuple[dict[str, Any], int, set[str]]] = {
    ("post", "/cycles/start"): ({"symbols": ["NOPE"]}, 400, {"operator", "risk officer"}),
    ("post", "/cycles/stop"): ({}, 409, {"operator", "risk officer"}),
    ("post", "/cycles/pause"): ({}, 409, {"operator", "risk officer"}),
    ("post", "/cycles/resume"): ({}, 409, {"operator", "risk officer"}),
    ("put", "/mode"): ({"mode": "nope"}, 400, {"operator", "risk officer"}),
    ("post", "/entries/pause"): ({"reason": ""}, 400, {"operator", "risk officer"}),
    ("post", "/entries/resume"): ({"why": "x"}, 400, {"operator", "risk officer"}),
    ("post", "/symbols/BTC/USD/lock"): ({"reason": ""}, 400, {"operator", "risk officer"}),
    ("post", "/symbols/BTC/USD/unlock"): ({"why": "x"}, 400, {"operator", "risk officer"}),
    ("post", "/evaluation/experiments"): ({"dataset": "none"}, 400, {"operator", "risk officer"}),
    ("post", "/kill-switch"): ({"action": "release", "reason": "go"}, 409, {"risk officer"}),
}


@pytest.mark.parametrize("group", GROUPS)
def test_every_group_reads_everything_and_who_has_none_nothing(api: Api, group: str) -> None:
    made = [make() for make in LISTS.values()]
    client = api(group)

    answers = {path: client.get(path).status_code for path in (*LISTS, *ONES)}

    assert made
    assert set(answers.values()) == {200 if group else 403}


@pytest.mark.parametrize("path", [*LISTS, *ONES])
def test_stranger_reads_nothing(prepared: None, path: str) -> None:
    problem(Client().get(path), 401)


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize("act", ACTS, ids=lambda act: act[1])
def test_group_may_do_what_its_role_says(api: Api, group: str, act: tuple[str, str]) -> None:
    method, path = act
    body, status, may = ACTS[act]

    answered = getattr(api(group), method)(path, body, format="json")

    problem(answered, status if group in may else 403)


@pytest.mark.parametrize("path", [path for path in LISTS if path not in UNMADE])
def test_list_shows_its_row(api: Api, path: str) -> None:
    row = LISTS[path]()

    shown = api("viewer").get(path).json()["results"]

    assert str(row.pk) in {str(each.get("id", each.get("symbol"))) for each in shown}


def test_status_of_an_agent_that_never_asked_the_broker_says_so(api: Api) -> None:
    """docs/lessons.md#lesson-24: nothing is shown as live that is not."""
    status = api("viewer").get("/status").json()

    assert (status["source"], status["fetchedAt"], status["isStale"]) == ("unavailable", None, True)
    assert status["account"]["equity"] is None
    assert status["account"]["source"] == "unavailable"


def test_status_says_whether_the_switch_is_engaged_and_which_limits_are_in_force(api: Api) -> None:
    client = api("viewer")
    before = client.get("/status").json()
    make_limits(max_positions=7)
    make_engagement()

    after = client.get("/status").json()

    assert (before["killSwitchActive"], after["killSwitchActive"]) == (False, True)
    assert after["riskLimits"]["maxPositions"] == 7
    assert after["riskLimits"]["version"] > before["riskLimits"]["version"]


def test_a_cycle_is_counted_while_it_runs(api: Api) -> None:
    cycle = make_cycle(status="running")
    client = api("viewer")
    before = client.get("/cycles/current").json()
    make_trade(cycle_id=cycle.pk, decision=make_decision(cycle=cycle, symbol="MSFT"))

    now = client.get("/cycles/current").json()

    assert (before["decisionsCount"], before["tradesCount"]) == (0, 0)
    assert (now["decisionsCount"], now["tradesCount"]) == (1, 1)
    assert (now["cycleId"], now["completedAt"]) == (str(cycle.pk), None)


def test_a_cycle_that_ended_says_when_and_what_it_had(api: Api) -> None:
    cycle = make_cycle(metrics={"decisions_count": 9, "trades_count": 2})

    (shown,) = api("viewer").get("/cycles/history").json()["results"]

    assert (shown["decisionsCount"], shown["tradesCount"]) == (9, 2)
    assert shown["completedAt"] == shown["endedAt"] is not None
    assert shown["cycleId"] == shown["id"] == str(cycle.pk)


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({}, {"on"}),
        ({"isActive": "true"}, {"on"}),
        ({"isActive": "false"}, {"off"}),
        ({"all": "true"}, {"on", "off"}),
    ],
)
def test_strategies_are_the_active_ones_unless_others_are_asked_for(
    api: Api, query: dict[str, str], names: set[str]
) -> None:
    Strategy.objects.update(is_active=False)
    seeded = {strategy.name for strategy in Strategy.objects.all()}
    make_strategy(name="on", is_active=True)
    make_strategy(name="off", is_active=False)

    shown = {row["name"] for row in api("viewer").get("/strategies", query).json()["results"]}

    assert shown - seeded == names


def test_positions_say_how_live_they_are(api: Api) -> None:
    """docs/lessons.md#lesson-24."""
    from tests.trading.scenes import ago

    client = api("viewer")
    make_agent(positions_as_of=ago(seconds=1))
    live = client.get("/positions").json()
    make_agent(positions_as_of=ago(seconds=600))
    stale = client.get("/positions").json()

    assert (live["source"], live["isStale"]) == ("broker_live", False)
    assert (stale["source"], stale["isStale"]) == ("cache_stale", True)
    assert stale["fetchedAt"] < live["fetchedAt"]


def test_kill_switch_shows_who_engaged_it_and_why(api: Api) -> None:
    make_engagement(reason="odd fills")

    shown = api("viewer").get("/kill-switch").json()

    assert (shown["engaged"], shown["engagedBy"], shown["reason"]) == (True, "test", "odd fills")


def test_operator_engages_but_does_not_release(api: Api, venue: Any) -> None:
    client = api("operator")

    engaged = client.post("/kill-switch", {"action": "engage", "reason": "stop"}, format="json")
    released = client.post("/kill-switch", {"action": "release", "reason": "go"}, format="json")

    assert engaged.json()["engaged"] is True
    assert engaged.json()["problems"] == []
    problem(released, 403)
    assert client.get("/kill-switch").json()["engaged"] is True


def test_mode_is_set_and_told(api: Api) -> None:
    client = api("operator")

    client.put("/mode", {"mode": "semi_auto"}, format="json")

    assert client.get("/mode").json() == {"mode": "semi_auto"}


def test_entries_are_paused_shown_and_resumed_and_the_same_again_changes_nothing(api: Api) -> None:
    client = api("operator")

    paused = client.post("/entries/pause", {"reason": "earnings"}, format="json").json()
    again = client.post("/entries/pause", {"reason": "another"}, format="json").json()

    assert (paused["isPaused"], paused["reason"]) == (True, "earnings")
    assert again == paused == client.get("/status").json()["entriesPause"]
    assert client.get("/guards").json()["entriesPause"] == paused
    resumed = client.post("/entries/resume", {}, format="json").json()
    assert resumed == {"isPaused": False, "since": None, "author": "", "reason": ""}


def test_symbol_is_locked_shown_with_its_end_and_unlocked(api: Api) -> None:
    client, until = api("operator"), "2099-01-01T00:00:00Z"

    locked = client.post(
        "/symbols/BTC/USD/lock", {"reason": "too wild", "until": until}, format="json"
    ).json()

    assert (locked["symbol"], locked["isLocked"], locked["until"]) == ("BTC/USD", True, until)
    (line,) = client.get("/guards").json()["active"]
    assert (line["guard"], line["symbol"], line["blocks"]) == ("symbol_locked", "BTC/USD", "entries")
    unlocked = client.post("/symbols/BTC/USD/unlock", {}, format="json").json()
    assert unlocked["isLocked"] is False
    assert client.get("/guards").json()["active"] == []


def test_symbol_that_is_none_is_not_locked(api: Api) -> None:
    refused = api("operator").post("/symbols/nothing!/lock", {"reason": "x"}, format="json")

    told = problem(refused, 400)
    assert told["errors"][0]["field"] == "symbol"


def test_current_cycle_is_null_when_there_is_none(api: Api) -> None:
    client = api("viewer")
    nothing = client.get("/cycles/current")
    cycle = make_cycle(status="running")

    assert (nothing.status_code, nothing.json()) == (200, None)
    assert client.get("/cycles/current").json()["id"] == str(cycle.pk)


def test_decision_comes_with_six_stages_and_its_order(api: Api) -> None:
    order = make_order(status="filled", filled_quantity=1)
    pk = order.decision.pk

    story = api("viewer").get(f"/decisions/{pk}").json()

    assert [stage["stage"] for stage in story["timeline"]] == [
        "decision",
        "risk_gate",
        "order",
        "fill",
        "position",
        "exit",
    ]
    assert story["decision"]["id"] == str(pk)
    assert [each["id"] for each in story["orders"]] == [str(order.pk)]


@pytest.mark.parametrize("path", ["/decisions/{}", "/sagas/{}"])
def test_what_is_not_there_is_a_404(api: Api, path: str) -> None:
    problem(api("viewer").get(path.format(make_cycle().pk)), 404)


def test_saga_comes_with_its_steps(api: Api) -> None:
    saga = make_saga()

    shown = api("viewer").get(f"/sagas/{saga.pk}").json()

    assert [step["name"] for step in shown["steps"]] == [
        "validate-risk",
        "submit-order",
        "confirm-fill",
        "update-position",
    ]
    assert (shown["type"], shown["currentStep"], shown["totalSteps"]) == ("order", 1, 4)
    assert shown["correlationId"] == shown["cycleId"] == str(saga.cycle_id)
    assert shown["completedAt"] is None
    assert shown["initialData"] == {
        "decisionId": str(saga.decision_id),
        "orderId": str(saga.order_id),
        "clientOrderId": saga.order.client_order_id,
        "symbol": saga.order.symbol,
        "side": saga.order.side,
        "quantity": plain_decimal(saga.order.quantity),
    }


def test_saga_that_has_ended_is_at_its_last_step(api: Api) -> None:
    saga = make_saga()
    ended = timezone.now()
    saga.steps.exclude(name="update-position").update(ended_at=ended)
    at_work = api("viewer").get(f"/sagas/{saga.pk}").json()
    saga.steps.update(ended_at=ended)
    Saga.objects.filter(pk=saga.pk).update(status="completed", ended_at=ended)

    shown = api("viewer").get(f"/sagas/{saga.pk}").json()

    assert at_work["currentStep"] == shown["currentStep"] == shown["totalSteps"] == 4
    assert shown["completedAt"] == shown["endedAt"] is not None


def test_rejection_needs_a_reason_and_counts_once(api: Api) -> None:
    approval = make_approval(decision=make_decision(status="awaiting_approval"))
    client = api("operator")
    path = f"/approvals/{approval.pk}/reject"

    without = client.post(path, {}, format="json")
    first = client.post(path, {"reason": "no"}, format="json")
    second = client.post(path, {"reason": "no"}, format="json")

    assert {entry["field"] for entry in problem(without, 400)["errors"]} == {"reason"}
    assert (first.status_code, first.json()["outcome"]) == (200, "rejected")
    assert problem(second, 409)["type"].endswith("approval-answered")


def test_rejection_may_say_for_how_many_hours(api: Api) -> None:
    approval = make_approval(decision=make_decision(status="awaiting_approval"))
    client, path = api("operator"), f"/approvals/{approval.pk}/reject"

    too_long = client.post(path, {"reason": "no", "holdHours": 721}, format="json")
    said = client.post(path, {"reason": "no", "holdHours": 48}, format="json")
    (shown,) = client.get("/approvals").json()["results"]

    assert {entry["field"] for entry in problem(too_long, 400)["errors"]} == {"holdHours"}
    assert said.status_code == 200
    until, since = (datetime.fromisoformat(shown[name]) for name in ("heldUntil", "answeredAt"))
    assert until - since == timedelta(hours=48)


@pytest.mark.parametrize(
    ("body", "names"),
    [
        ({"symbols": "AAPL"}, {"symbols"}),
        ({"symbols": []}, {"symbols"}),
        ({"symbols": [7]}, {"symbols.0"}),
        ({"symbols": ["NOPE", "nope"]}, {"symbols"}),
        ({"cycleType": "hourly", "extra": 1}, {"cycleType", "extra"}),
        ({"cycle_type": "analysis"}, {"cycle_type"}),
    ],
)
def test_body_that_cannot_be_read_names_its_fields(api: Api, body: dict[str, Any], names: set[str]) -> None:
    """docs/lessons.md#lesson-5, #lesson-30."""
    answered = api("operator").post("/cycles/start", body, format="json")

    assert {entry["field"] for entry in problem(answered, 400)["errors"]} == names
    assert not Cycle.objects.exists()


@pytest.mark.parametrize("body", ['{"reason": NaN}', "[]", "{", '{"reason": "\\ud800"}', "null", "7"])
def test_body_that_is_no_json_object_is_refused(api: Api, body: str) -> None:
    """docs/lessons.md#lesson-5: NaN never reaches state."""
    problem(api("operator").post("/cycles/stop", body, content_type="application/json"), 400)


def test_other_media_types_are_refused(api: Api) -> None:
    problem(api("operator").post("/cycles/stop", "reason=x", content_type="text/plain"), 415)


def test_body_too_large_is_refused(api: Api) -> None:
    body = '{"reason": "' + "x" * 1_000_001 + '"}'

    problem(api("operator").post("/cycles/stop", body, content_type="application/json"), 413)


def test_session_writes_need_their_csrf_token(api: Api) -> None:
    """docs/lessons.md#lesson-6."""
    from tests.factories import make_user

    browser = Client(enforce_csrf_checks=True)
    browser.force_login(make_user(group="operator"))
    token = "a" * 32

    without = browser.put("/mode", {"mode": "semi_auto"}, content_type="application/json")
    browser.cookies["csrftoken"] = token
    with_token = browser.put(
        "/mode", {"mode": "semi_auto"}, content_type="application/json", headers={"X-CSRFToken": token}
    )

    problem(without, 403)
    assert with_token.status_code == 200


def test_answers_of_a_decision_that_was_asked_several_times_are_told(api: Api) -> None:
    call = str(uuid7())
    answers = [
        {"sample": n, "action": "buy", "confidence": "0.8", "call": call if n else None} for n in range(2)
    ]
    client = api("viewer")
    asked = make_decision(samples={"asked": 3, "agreement": 0.6667, "answers": answers})
    once = make_decision()

    told = client.get(f"/decisions/{asked.pk}").json()["decision"]["samples"]

    assert told == {"asked": 3, "agreement": 0.6667, "answers": answers}
    assert client.get(f"/decisions/{once.pk}").json()["decision"]["samples"] is None
