"""Acts that reach the market: an approval, a resumed cycle, a flattened account. Each group against approvals."""

from decimal import Decimal
from typing import Any

import pytest

from tests.factories import make_agent, make_approval, make_asset, make_cycle, make_limits, make_strategy
from tests.trading.api.conftest import Api
from tests.trading.api.test_skeleton import problem
from tests.trading.outside import STOCK, Outside
from tests.trading.scenes import wish
from tests.venue_process import VenueProcess
from trading.analysis.strategies import save_strategy
from trading.cycle import cycle_control
from trading.execution.portfolio import sync_portfolio
from trading.models import Approval, Cycle, Order, TradeProposal


@pytest.fixture
def market(prepared: None, venue: VenueProcess) -> Outside:
    """The outside world during a session, its clock held, and an agent that asks before it buys."""
    venue.clock(paused=True)
    if not venue.state_report()["is_open"]:
        venue.clock(to="open")
    make_agent(mode="semi_auto")
    return Outside(venue)


def published(queue: Any) -> bytes:
    return b"".join(message for name in ("default", "orders") for message in queue.lrange(name, 0, -1))


def waiting() -> Approval:
    return make_approval(decision=wish(STOCK, status="awaiting_approval"))


def test_approved_decision_is_ordered_and_the_gates_answer_is_told(
    api: Api, market: Outside, queue: Any, django_capture_on_commit_callbacks: Any
) -> None:
    approval = waiting()

    with django_capture_on_commit_callbacks(execute=True):
        answered = api("operator").post(f"/approvals/{approval.pk}/approve", {}, format="json")

    told = answered.json()
    assert (told["outcome"], told["decisionStatus"]) == ("ordered", "executing")
    assert told["riskCheck"]["allowed"] is True
    assert isinstance(told["priceNow"], str)
    assert Order.objects.get().status == "created"
    assert b"trading.risk_and_execute" in published(queue)


@pytest.mark.parametrize("word", ["approve", "reject"])
@pytest.mark.parametrize("group", ["viewer", ""])
def test_who_may_not_answer_changes_nothing(api: Api, group: str, word: str) -> None:
    approval = make_approval()

    problem(api(group).post(f"/approvals/{approval.pk}/{word}", {"reason": "r"}, format="json"), 403)

    approval.refresh_from_db()
    assert approval.status == "requested"


def test_resumed_fetching_is_fetched_again(
    api: Api, market: Outside, queue: Any, django_capture_on_commit_callbacks: Any
) -> None:
    make_cycle(status="running")
    client = api("operator")
    paused = client.post("/cycles/pause", {"reason": "odd"}, format="json").json()

    with django_capture_on_commit_callbacks(execute=True):
        resumed = client.post("/cycles/resume", format="json").json()

    assert (paused["status"], paused["isPausedByPerson"]) == ("paused", True)
    assert paused["reason"].endswith(": odd")
    assert (resumed["status"], resumed["isPausedByPerson"]) == ("running", False)
    assert b"trading.fan_out" in published(queue)


def test_resume_while_the_broker_is_away_says_so(api: Api, market: Outside) -> None:
    make_cycle(status="running")
    cycle_control.pause(actor="ada")
    market.venue.fault(kind="error", status=503, route=r"^(GET|POST) /v2/(account|clock|positions|orders)")

    answered = problem(api("operator").post("/cycles/resume", format="json"), 503)

    assert answered["type"].endswith("broker-unavailable")
    assert Cycle.objects.get().status == "paused"


def test_flatten_sells_what_is_held(api: Api, market: Outside) -> None:
    market.hold(STOCK, 2)
    body = {"action": "engage", "reason": "stop", "flatten": True}

    told = api("operator").post("/kill-switch", body, format="json").json()

    assert (told["flattenOrdered"], told["problems"]) == ([STOCK], [])
    assert market.positions() == {}


def test_start_while_the_switch_is_engaged_is_refused(api: Api, market: Outside) -> None:
    client = api("risk officer")
    client.post("/kill-switch", {"action": "engage", "reason": "stop"}, format="json")

    refused = problem(client.post("/cycles/start", format="json"), 409)

    assert refused["type"].endswith("kill-switch-engaged")
    assert Cycle.objects.get().reason == "kill_switch"
    released = client.post("/kill-switch", {"action": "release", "reason": "go"}, format="json")
    assert (released.status_code, released.json()["engaged"]) == (200, False)


def test_a_part_of_a_position_is_closed_and_what_cannot_be_is_said(api: Api, market: Outside) -> None:
    market.hold(STOCK, "4")
    sync_portfolio(None)
    operator = api("operator")

    sold = operator.post(f"/positions/{STOCK.lower()}/close", {"quantity": "1"}, format="json")
    too_much = operator.post(f"/positions/{STOCK}/close", {"quantity": "99"}, format="json")
    unknown = operator.post("/positions/NONE/close", {}, format="json")
    viewer = api("viewer").post(f"/positions/{STOCK}/close", {}, format="json")

    assert sold.status_code == 201, sold.content
    assert (sold.json()["symbol"], sold.json()["quantity"]) == (STOCK, "1")
    assert problem(too_much, 400)["errors"][0]["field"] == "quantity"
    assert problem(unknown, 404)["type"].endswith("not-held")
    assert viewer.status_code == 403


def test_a_stop_is_moved_and_what_cannot_be_is_said(api: Api, market: Outside) -> None:
    market.hold(STOCK, "4")
    sync_portfolio(None)
    operator, low = api("operator"), {"price": "1"}

    moved = operator.post(f"/positions/{STOCK.lower()}/stop", low, format="json")
    too_high = operator.post(f"/positions/{STOCK}/stop", {"price": "999999"}, format="json")
    unknown = operator.post("/positions/NONE/stop", low, format="json")
    viewer = api("viewer").post(f"/positions/{STOCK}/stop", low, format="json")
    make_limits(max_position_risk_percent=Decimal("0.001"))
    denied = operator.post(f"/positions/{STOCK}/stop", {"price": "0.5"}, format="json")

    assert moved.status_code == 200, moved.content
    assert (moved.json()["stopPrice"], moved.json()["symbol"]) == ("1", STOCK)
    assert problem(too_high, 400)["errors"][0]["field"] == "price"
    assert problem(unknown, 404)["type"].endswith("not-held")
    assert viewer.status_code == 403
    assert problem(denied, 409)["reason"] == "position_risk_exceeded"


def test_trade_is_proposed_and_what_cannot_be_is_said(api: Api, market: Outside, queue: Any) -> None:
    make_asset(STOCK)
    make_strategy(name="Mine")
    body = {
        "symbol": STOCK, "action": "buy", "confidence": "0.9", "reasoning": "Cheap.", "strategy": "Mine",
    }  # fmt: skip
    operator = api("operator")

    proposed = operator.post("/proposals", body, format="json")
    unknown = operator.post("/proposals", body | {"symbol": "NOPE"}, format="json")
    too_sure = operator.post("/proposals", body | {"confidence": "1.5"}, format="json")
    viewer = api("viewer").post("/proposals", body, format="json")

    assert proposed.status_code == 201, proposed.content
    told = proposed.json()
    assert (told["symbol"], told["status"], told["confidence"]) == (STOCK, "waiting", "0.9")
    assert told["source"].startswith("person ")
    assert problem(unknown, 400)["errors"][0]["field"] == "symbol"
    assert problem(too_sure, 400)["errors"][0]["field"] == "confidence"
    assert viewer.status_code == 403
    assert TradeProposal.objects.count() == 1
    assert Cycle.objects.get(trigger="proposal").symbols == [STOCK]


def test_approval_is_withdrawn_before_its_order_has_left(api: Api, market: Outside, queue: Any) -> None:
    approval, operator = waiting(), api("operator")
    url = f"/approvals/{approval.pk}/withdraw"
    early = operator.post(url, {"reason": "why not"}, format="json")
    operator.post(f"/approvals/{approval.pk}/approve", {}, format="json")

    viewer = api("viewer").post(url, {"reason": "mine"}, format="json")
    withdrawn = operator.post(url, {"reason": "the wrong one"}, format="json")
    again = operator.post(url, {"reason": "the wrong one"}, format="json")

    assert problem(early, 409)["detail"].startswith("Nothing was withdrawn: it was not approved")
    assert viewer.status_code == 403
    assert withdrawn.status_code == 200, withdrawn.content
    assert (withdrawn.json()["status"], Order.objects.get().status) == ("expired", "canceled")
    assert problem(again, 409)["detail"] == "Nothing was withdrawn: it is expired already."
    assert market.posts() == []


def test_operator_reconciles_and_is_told_what_differed(api: Api, market: Outside) -> None:
    market.hold(STOCK, "4")

    told = api("operator").post("/reconcile", format="json")
    viewer = api("viewer").post("/reconcile", format="json")

    assert told.status_code == 200, told.content
    assert any(STOCK in line for line in told.json()["positions"]), told.json()
    assert viewer.status_code == 403


def test_strategy_is_rolled_back_by_an_officer_alone(api: Api, prepared: None) -> None:
    strategy = save_strategy(make_strategy(size_percent=Decimal("2.5")), author="ada")
    strategy.size_percent = Decimal(4)
    save_strategy(strategy, author="ada")
    url, officer = f"/strategies/{strategy.pk}/roll-back", api("risk officer")

    operator = api("operator").post(url, {"version": 1, "reason": "it lost"}, format="json")
    unknown = officer.post(url, {"version": 9, "reason": "it lost"}, format="json")
    rolled = officer.post(url, {"version": 1, "reason": "it lost"}, format="json")
    nobody = officer.post(f"/strategies/{Cycle().pk}/roll-back", {"version": 1, "reason": "r"}, format="json")

    assert operator.status_code == 403
    assert problem(unknown, 400)["errors"][0]["field"] == "version"
    assert (rolled.json()["version"], rolled.json()["sizePercent"]) == (3, "2.5")
    assert nobody.status_code == 404
