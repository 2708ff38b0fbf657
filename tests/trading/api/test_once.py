"""Requests that are done once: keys, and two people starting at the same moment. Real threads, real rows."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from tests.factories import make_agent, make_asset, make_cycle, make_user
from tests.risk.threads import at_once
from tests.seeding import seed_again
from tests.trading.api.test_skeleton import problem
from trading.access import idempotency_keys
from trading.access.api_tokens import issue_token
from trading.access.idempotency_keys import Claim
from trading.models import Cycle, RequestKey
from trading.work.maintenance import prune

KEY = "HTTP_IDEMPOTENCY_KEY"


@pytest.fixture
def operator(transactional_db: None) -> Callable[[], APIClient]:
    """Return a function that gives a client of the same operator, for a thread each."""
    seed_again()
    make_asset("AAPL")
    token = issue_token(user=make_user(group="operator"))

    def _client() -> APIClient:
        client = APIClient(raise_request_exception=False)
        client.credentials(HTTP_AUTHORIZATION=f"Token {token.text}")
        return client

    return _client


def start(client: APIClient, key: str | None = None, **body: Any) -> Any:
    headers = {KEY: key} if key else {}
    return client.post("/cycles/start", {"symbols": ["AAPL"]} | body, format="json", **headers)


def test_of_simultaneous_starts_one_cycle_runs_and_the_others_are_told(operator: Any) -> None:
    answers = at_once(6, lambda _: start(operator()))

    assert sorted(answer.status_code for answer in answers) == [202] + [409] * 5
    cycle = Cycle.objects.get()
    for refused in (answer for answer in answers if answer.status_code == 409):
        assert problem(refused, 409)["type"].endswith("cycle-running")
    assert cycle.trigger == "api"


def test_same_key_at_the_same_moment_starts_one_cycle(operator: Any) -> None:
    key = str(uuid4())

    answers = at_once(6, lambda _: start(operator(), key))

    cycle = Cycle.objects.get()
    done = [answer for answer in answers if answer.status_code == 202]
    waiting = [answer for answer in answers if answer.status_code == 409]
    assert len(done) + len(waiting) == 6
    assert done
    assert {answer.json()["id"] for answer in done} == {str(cycle.pk)}
    assert all(problem(answer, 409)["type"].endswith("request-under-way") for answer in waiting)


def test_same_key_is_answered_the_same_after_the_cycle_has_ended(operator: Any) -> None:
    client = operator()
    first = start(client, "once")
    cycle = Cycle.objects.get()
    Cycle.objects.update(status="completed", ended_at=timezone.now())

    again = start(client, "once")
    other = start(client, "another")

    assert again.status_code == 202
    assert again.json() == first.json()
    assert again["Idempotency-Replayed"] == "true"
    assert other.json()["id"] != str(cycle.pk)
    assert Cycle.objects.count() == 2


def test_error_is_answered_the_same(operator: Any) -> None:
    client = operator()
    make_cycle(status="running")
    first = problem(start(client, "refused"), 409)
    Cycle.objects.update(status="completed", ended_at=timezone.now())

    assert problem(start(client, "refused"), 409) == first
    assert Cycle.objects.count() == 1


def test_same_key_with_another_body_is_refused(operator: Any) -> None:
    client = operator()
    start(client, "mine")

    refused = start(client, "mine", cycleType="execution")

    assert {entry["field"] for entry in problem(refused, 422)["errors"]} == {"Idempotency-Key"}


def test_order_of_names_makes_no_other_request(operator: Any) -> None:
    client = operator()
    path, kind = "/cycles/start", "application/json"
    first = client.post(
        path, '{"symbols": ["AAPL"], "cycleType": "analysis"}', content_type=kind, **{KEY: "k"}
    )

    again = client.post(
        path, '{ "cycleType":"analysis", "symbols":["AAPL"]}', content_type=kind, **{KEY: "k"}
    )

    assert again.json() == first.json()


def test_key_of_another_user_is_another_key(operator: Any) -> None:
    other = APIClient()
    other.credentials(HTTP_AUTHORIZATION=f"Token {issue_token(user=make_user(group='operator')).text}")
    start(operator(), "shared")

    assert start(other, "shared").status_code == 409


@pytest.mark.parametrize("key", ["", "a b", "x" * 256, "schlüssel"])
def test_key_that_cannot_be_one_is_named(operator: Any, key: str) -> None:
    refused = operator().post("/cycles/stop", {}, format="json", **{KEY: key})

    assert {entry["field"] for entry in problem(refused, 400)["errors"]} == {"Idempotency-Key"}


def test_request_that_failed_on_our_side_may_be_tried_again(operator: Any, monkeypatch: Any) -> None:
    client = operator()

    def fail(**_: Any) -> None:
        raise RuntimeError("broken")

    with monkeypatch.context() as broken:
        broken.setattr("trading.cycle.cycles.start_cycle", fail)
        problem(start(client, "retry"), 500)

    assert start(client, "retry").status_code == 202


def test_request_whose_process_died_is_taken_over_by_one(operator: Any) -> None:
    user = make_user()
    first = idempotency_keys.claim(user=user, key="k", fingerprint="f" * 64)
    RequestKey.objects.update(lease_until=timezone.now() - timedelta(seconds=1))

    claims = at_once(6, lambda _: idempotency_keys.claim(user=user, key="k", fingerprint="f" * 64).claim)
    idempotency_keys.record_answer(first.row, status=200, answer={})

    assert claims.count(Claim.TAKEN) == 1
    assert RequestKey.objects.get().status is None  # the one that died has no say any more


def test_old_keys_are_pruned(db: None) -> None:
    make_agent()
    idempotency_keys.claim(user=make_user(), key="old", fingerprint="f" * 64)
    RequestKey.objects.update(created_at=timezone.now() - timedelta(hours=25))
    idempotency_keys.claim(user=make_user(), key="new", fingerprint="f" * 64)

    prune()

    assert [row.key for row in RequestKey.objects.all()] == ["new"]
