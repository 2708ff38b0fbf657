"""A decision is asked again by REST: ordered, estimated, carried out beside, looked at, stopped and taken up."""

import threading
from typing import Any

import pytest
from rest_framework.response import Response

from ai.models import ModelPrice
from evaluation.models import Run
from evaluation.services.jobs import JOBS
from evaluation.services.replay.orders import lock_of
from tests.ai.chat_server import ChatServer
from tests.evaluation.services.replay.scenes import ALL, LIVE, analysed, deciding, use_models
from tests.factories import make_asset, make_decision, make_outcome, make_strategy
from tests.risk.threads import THREAD_SECONDS
from tests.trading.api.conftest import Api, api
from tests.trading.api.test_skeleton import problem
from tests.trading.lock_holders import held
from tests.trading.outside import COIN, OTHER_STOCK, STOCK, Outside
from trading.core.process_lock import only_one
from trading.models import AIDecision, Cycle, Strategy

__all__ = ["api"]
OTHER = "openai/other"


@pytest.fixture
def cycle(prepared: None, account: Outside, chat_server: ChatServer, settings: Any) -> Cycle:
    settings.ENVIRONMENT = settings.ENVIRONMENT
    Strategy.objects.update(is_active=False)
    make_strategy(name="Momentum")
    for symbol in ALL:
        make_asset(symbol)
    chat_server.handlers["live"] = deciding({STOCK: ("buy", 0.9)})
    chat_server.handlers["other"] = deciding({COIN: ("buy", 0.8)})
    use_models(chat_server, LIVE, budget="5")
    ModelPrice.objects.create(model=OTHER, input_usd_per_million=1, output_usd_per_million=2)
    return analysed()


def ordered(answered: Response) -> dict[str, Any]:
    assert answered.status_code == 202, answered.content
    body: dict[str, Any] = answered.json()
    assert answered.headers["Location"] == f"/evaluation/replays/{body['id']}"
    return body


def work() -> list[str]:
    """Do what is due, as the evaluator does; return the keys."""
    done = []
    for job in JOBS[:2]:
        for key in job.due():
            job.run(key)
            done.append(key)
    return done


def test_decision_is_asked_again_of_another_model(api: Api, cycle: Cycle) -> None:
    decision = AIDecision.objects.get(symbol=STOCK)
    client = api("operator")

    body = ordered(client.post(f"/decisions/{decision.pk}/replay", {"models": [OTHER]}, format="json"))
    assert (body["status"], body["estimate"]["requestsToAsk"]) == ("queued", 1)
    assert float(body["estimate"]["mostUsd"]) > 0
    assert work() == [body["id"]]

    run = api("viewer").get(f"/evaluation/replays/{body['id']}").json()
    assert (run["status"], run["figures"]["flips"]) == ("completed", {"buy→hold": 1})
    assert run["progress"]["asked"] == 1
    [item] = run["items"]["results"]
    assert (item["symbol"], item["change"]) == (STOCK, "another action")
    assert (item["before"]["action"], item["after"]["action"]) == ("buy", "hold")
    assert run["profits"] == [], "nothing is known yet"
    make_outcome(decision_id=decision.pk, symbol_return="0.05")
    [earned] = client.get(f"/evaluation/replays/{body['id']}").json()["profits"]
    assert (earned["sessions"], earned["meanChangeUsd"]["n"]) == (5, 1)
    assert float(earned["changeUsd"]) < 0, "the purchase that is left out would have gained"
    assert AIDecision.objects.count() == 3
    assert work() == [], "what is done is not due"


def test_same_key_orders_once(api: Api, cycle: Cycle) -> None:
    url, client = f"/decisions/{AIDecision.objects.all()[0].pk}/replay", api("operator")

    answers = [client.post(url, {}, format="json", headers={"Idempotency-Key": "one"}) for _ in range(2)]

    assert answers[0].json() == answers[1].json()
    assert Run.objects.count() == 1


def test_sessions_under_other_limits_are_an_experiment(api: Api, cycle: Cycle) -> None:
    day = str(cycle.decisions.all()[0].as_of.date())  # type: ignore[union-attr]
    body = {"from": day, "to": day, "limits": {"max_position_percent": "0.0001"}, "name": "small"}

    told = ordered(api("risk officer").post("/evaluation/experiments", body, format="json"))
    assert told["estimate"] is None
    work()

    [shown] = api("viewer").get("/evaluation/experiments").json()["results"]
    assert (shown["name"], shown["replayId"], shown["status"]) == ("small", told["id"], "completed")
    assert shown["figures"]["verdictFlips"] == {"allowed→position_too_large": 1}
    run = api("viewer").get(f"/evaluation/replays/{told['id']}").json()
    assert run["estimate"] == {"requestsKnown": 0, "requestsToAsk": 0, "mostUsd": "0", "unpricedModels": []}


def test_items_come_in_pages_what_changed_most_first(api: Api, cycle: Cycle) -> None:
    client = api("operator")
    told = ordered(
        client.post("/evaluation/experiments", {"cycleId": str(cycle.pk), "models": [OTHER]}, format="json")
    )
    work()

    url, seen = f"/evaluation/replays/{told['id']}?limit=1", []
    cursor = ""
    while cursor is not None:
        page = client.get(f"{url}&cursor={cursor}" if cursor else url).json()["items"]
        seen += [(item["symbol"], item["change"]) for item in page["results"]]
        cursor = page["next"]

    assert {symbol for symbol, _ in seen[:2]} == {STOCK, COIN}
    assert [change for _, change in seen] == ["another action", "another action", "the same"]
    assert seen[2][0] == OTHER_STOCK


def test_one_that_waits_is_stopped_at_once_and_taken_up_later(api: Api, cycle: Cycle) -> None:
    client = api("operator")
    told = ordered(client.post("/evaluation/experiments", {"cycleId": str(cycle.pk)}, format="json"))
    url = f"/evaluation/replays/{told['id']}"

    stopped = client.post(f"{url}/stop", {}, format="json").json()
    assert (stopped["status"], stopped["reason"], work()) == ("incomplete", "stopped", [])

    again = client.post(f"{url}/take-up", {}, format="json")
    assert (again.status_code, again.json()["status"]) == (202, "queued")
    work()
    assert client.get(url).json()["status"] == "completed"
    problem(client.post(f"{url}/take-up", {}, format="json"), 409)


@pytest.mark.django_db(transaction=True)
def test_one_that_is_carried_out_is_not_taken_up(api: Api, cycle: Cycle) -> None:
    client = api("operator")
    told = ordered(client.post("/evaluation/experiments", {"cycleId": str(cycle.pk)}, format="json"))
    Run.objects.update(status=Run.Status.RUNNING)

    def carrying_out(has_it: threading.Event, may_go: threading.Event) -> None:
        with only_one(lock_of(Run.objects.get())):
            has_it.set()
            may_go.wait(THREAD_SECONDS)

    with held(carrying_out):
        refused = client.post(f"/evaluation/replays/{told['id']}/take-up", {}, format="json")

    assert "the replay is running" in problem(refused, 409)["detail"]


@pytest.mark.parametrize(
    ("body", "field", "words"),
    [
        ({"models": ["gpt"]}, "models", "was 'gpt', expected"),
        ({"limits": {"max_postions": "3"}}, "limits", "did you mean max_positions?"),
        ({"limits": {"max_positions": "2.5"}}, "max_positions", "expected a whole number"),
        ({"stops": {"stop_percent": "0"}}, "stop_percent", "expected a number above 0"),
        ({"threshold": "2"}, "threshold", "expected a number from 0 to 1"),
        (
            {"strategyVersion": "Nobody"},
            "strategyVersion",
            "expected NAME or NAME@VERSION, of Balanced momentum",
        ),
        ({"promptVersion": "v0"}, "promptVersion", "not a valid choice"),
        ({"samples": 0}, "samples", "greater than or equal to 1"),
        ({"temperature": 3}, "temperature", "less than or equal to 2"),
        ({"maxUsd": "-1"}, "maxUsd", "greater than or equal to 0"),
        ({"cachedOnly": True, "fresh": True}, "fresh", "excludes cachedOnly"),
        ({"model": "x"}, "model", "There is no such field; expected one of: models"),
    ],
)
def test_what_cannot_be_taken_is_named(api: Api, body: dict[str, Any], field: str, words: str) -> None:
    decision = make_decision()

    told = problem(api("operator").post(f"/decisions/{decision.pk}/replay", body, format="json"), 400)

    [error] = told["errors"]
    assert error["field"] == field
    assert words in error["expected"]
    assert not Run.objects.exists()


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "expected one of: a decision"),
        ({"dataset": "none"}, "expected one that was made"),
        ({"from": "2026-10-02", "to": "2026-10-01"}, "expected a day from 2026-10-02 on"),
        ({"from": "2001-10-01", "to": "2001-10-02"}, "nothing to ask again in 2001-10-01 to 2001-10-02"),
    ],
)
def test_selection_that_finds_nothing_says_so(api: Api, body: dict[str, Any], words: str) -> None:
    told = problem(api("operator").post("/evaluation/experiments", body, format="json"), 400)

    assert words in told["detail"]


def test_who_may_not_ask_may_look(api: Api) -> None:
    decision = make_decision()

    problem(api("viewer").post(f"/decisions/{decision.pk}/replay", {}, format="json"), 403)
    problem(api("viewer").post("/evaluation/experiments", {}, format="json"), 403)
    assert api("viewer").get("/evaluation/experiments").json()["results"] == []
    problem(api("").get("/evaluation/experiments"), 403)
    problem(
        api("operator").post("/decisions/0199d2b0-0000-7000-8000-000000000000/replay", {}, format="json"), 404
    )
    problem(api("operator").get("/evaluation/replays/0199d2b0-0000-7000-8000-000000000000"), 404)
    problem(api("operator").get("/evaluation/nothing"), 404)
