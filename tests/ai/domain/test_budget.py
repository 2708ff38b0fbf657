"""Money: no call is made that could pass a budget, and prices come from where they are known."""

import json
import uuid
from decimal import Decimal
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from ai import gateway
from ai.analysis import AnalysisSettings
from ai.domain.budget import Budget, Price, Room, most_prompt_tokens
from ai.domain.types import HoldReason
from ai.models import ModelCall, ModelPrice
from ai.results import AnalysisResult
from ai.routing import is_local
from tests.ai.chat_server import API_KEY, ChatServer, decide_all, envelope, replying
from tests.ai.factories import analyse, make_question

SYMBOLS = tuple(f"S{number}" for number in range(6))
MINI = "openai/gpt-4o-mini"
USD = st.decimals(min_value=0, max_value=10, places=4)


def run(
    server: ChatServer, *models: str, cycle_id: uuid.UUID | None = None, **settings: Any
) -> AnalysisResult:
    values: dict[str, Any] = {"batch_size": 2, "api_base": server.api_base, "api_key": API_KEY, **settings}
    return analyse(
        question=make_question(*SYMBOLS),
        models=models,
        settings=AnalysisSettings(**values),
        cycle_id=cycle_id,
    )


def dear(model: str = "openai/dear") -> None:
    """Give a model a price at which a call of two symbols may cost about a dollar, and costs 0.12 USD."""
    ModelPrice.objects.create(model=model, input_usd_per_million=0, output_usd_per_million=1000)


@given(day=USD, cycle=USD, calls=st.lists(st.tuples(USD, USD), max_size=12))
def test_calls_that_keep_to_their_estimates_never_pass_a_budget(
    day: Decimal, cycle: Decimal, calls: list[tuple[Decimal, Decimal]]
) -> None:
    budget = Budget(day=day, cycle=cycle)
    granted = [(most, min(most, cost)) for most, cost in calls if budget.reserve(most) is Room.GRANTED]

    for most, cost in granted:
        budget.settle(most, cost)

    assert sum((most for most, _ in granted), Decimal(0)) <= min(day, cycle)


def test_a_call_that_may_fit_later_waits_for_those_under_way() -> None:
    budget = Budget(day=Decimal(1), cycle=Decimal(5))

    assert budget.reserve(Decimal("0.7")) is Room.GRANTED
    assert budget.reserve(Decimal("0.7")) is Room.LATER
    budget.settle(Decimal("0.7"), Decimal("0.1"))
    assert budget.reserve(Decimal("0.7")) is Room.GRANTED
    budget.settle(Decimal("0.7"), Decimal("0.6"))
    assert budget.reserve(Decimal("0.7")) is Room.EXHAUSTED
    assert budget.words(Decimal("0.7")) == (
        "the AI budget of the day has 0.3000 USD left, a call may cost 0.7000 USD"
    )


@pytest.mark.parametrize("text", ["plain words and 123.45 figures", "股票" * 50, "🚀" * 50, "é" * 100])
def test_the_estimate_is_above_what_a_tokenizer_counts(text: str) -> None:
    messages = [{"role": "user", "content": text}]

    counted = gateway.load().token_counter(model="gpt-4o", messages=messages)

    assert most_prompt_tokens(messages) > counted


def test_a_price_is_of_both_directions() -> None:
    assert Price(Decimal("0.15"), Decimal("0.6")).of(100, 20) == Decimal("0.000027")


@pytest.mark.parametrize(
    ("address", "local"),
    [
        ("http://127.0.0.1:11434/v1", True),
        ("http://localhost:8000", True),
        ("http://[::1]:1/v1", True),
        ("http://10.0.0.1/v1", False),
        ("https://api.example.com/v1", False),
        ("https://127.0.0.1.example.com/v1", False),
        (None, False),
    ],
)
def test_what_counts_as_this_machine(address: str | None, local: bool) -> None:
    assert is_local(address) is local


@pytest.mark.django_db
def test_a_spent_daily_budget_asks_no_model(chat_server: ChatServer) -> None:
    result = run(chat_server, MINI, daily_budget_usd=Decimal(0))

    assert chat_server.requests == []
    assert result.failed
    assert not result.is_model_failure
    assert "AI budget of the day" in result.failure
    assert {hold.reason.value for hold in result.holds.values()} == {"ai_budget_exhausted"}
    assert ModelCall.objects.count() == 0


@pytest.mark.django_db
def test_the_largest_cost_has_to_fit_before_the_call(chat_server: ChatServer) -> None:
    """A budget with a little left is no leave to pass it."""
    dear()

    result = run(chat_server, "openai/dear", cycle_budget_usd=Decimal("0.9"))

    assert chat_server.requests == []
    assert {hold.reason for hold in result.holds.values()} == {HoldReason.BUDGET_EXHAUSTED}


@pytest.mark.django_db
def test_calls_at_once_cannot_pass_the_budget_together(chat_server: ChatServer) -> None:
    """Six batches want 0.75 USD each at most; 0.8 let one go at a time, and stop when one more might pass."""
    dear()
    under_way, most = 0, 0

    async def expensive(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        await response.write(b" ")
        usage = {"prompt_tokens": 10, "completion_tokens": 20, "total_tokens": 30}
        await response.write(json.dumps({**envelope(decide_all(body)), "usage": usage}).encode())
        under_way -= 1
        return response

    chat_server.handlers["dear"] = expensive
    cycle_id = uuid.uuid4()

    result = run(
        chat_server,
        "openai/dear",
        batch_size=1,
        cycle_id=cycle_id,
        cycle_budget_usd=Decimal("0.80"),
        daily_budget_usd=Decimal(100),
    )

    assert most == 1
    assert ModelCall.objects.cost_of_cycle(cycle_id) == Decimal("0.06")
    assert len(result.proposals) == 3
    assert {hold.reason for hold in result.holds.values()} == {HoldReason.BUDGET_EXHAUSTED}


@pytest.mark.django_db
def test_a_later_analysis_of_the_cycle_counts_the_earlier(chat_server: ChatServer) -> None:
    dear()
    cycle_id = uuid.uuid4()
    ModelCall.objects.create(
        cycle_id=cycle_id,
        model="openai/dear",
        provider="openai",
        prompt_version="v",
        prompt_hash="0" * 64,
        prompt=[],
        symbols=[],
        status="succeeded",
        latency_ms=1,
        started_at="2020-01-01T00:00:00Z",
        charged_usd=Decimal("0.5"),
    )

    result = run(chat_server, "openai/dear", cycle_id=cycle_id, cycle_budget_usd=Decimal("1.4"))

    assert chat_server.requests == []
    assert "the cycle has 0.9000 USD left" in result.failure


@pytest.mark.django_db
def test_the_answer_is_limited_to_what_was_reckoned_with(chat_server: ChatServer) -> None:
    run(chat_server, MINI, answer_tokens_per_symbol=100)

    assert {body["max_tokens"] for body in chat_server.requests} == {500 + 2 * 100}


@pytest.mark.django_db
def test_a_timeout_is_charged_with_all_that_was_set_aside(chat_server: ChatServer) -> None:
    """The provider may have worked, and bills it."""
    dear("openai/hang")

    run(chat_server, "openai/hang", batch_size=6, deadline_seconds=1, cycle_budget_usd=Decimal(5))

    call = ModelCall.objects.get()
    assert (call.status, call.cost_usd, call.charged_usd) == ("timeout", None, Decimal(2))


@pytest.mark.django_db
def test_a_refused_request_is_charged_with_nothing(chat_server: ChatServer) -> None:
    dear("openai/busy")

    run(chat_server, "openai/busy", batch_size=6, cycle_budget_usd=Decimal(5))

    assert ModelCall.objects.get().charged_usd == 0


@pytest.mark.django_db
def test_a_set_price_goes_before_the_listed_one(chat_server: ChatServer) -> None:
    dear(MINI)

    run(chat_server, MINI, batch_size=6, cycle_budget_usd=Decimal(5))

    assert ModelCall.objects.get().cost_usd == Decimal("0.02")


@pytest.mark.django_db
def test_a_model_without_a_price_is_free_on_this_machine_alone(chat_server: ChatServer) -> None:
    here = run(chat_server, "openai/served")
    elsewhere = run(chat_server, "openai/served", api_base="https://models.invalid/v1")

    assert set(here.proposals) == set(SYMBOLS)
    assert here.warnings == (
        "no price is known for openai/served: served by this machine, it counts nothing",
    )
    assert {hold.reason for hold in elsewhere.holds.values()} == {HoldReason.PRICE_UNKNOWN}
    assert elsewhere.holds["S0"].detail == (
        "no price is known for openai/served: set it in the console under Model prices"
    )
    assert not elsewhere.is_model_failure


@pytest.mark.django_db
@pytest.mark.parametrize("next_model", ["builtin/technical-v1", "openai/gpt-4o-mini"])
def test_a_model_that_still_fits_takes_over(chat_server: ChatServer, next_model: str) -> None:
    dear()

    result = run(chat_server, "openai/dear", next_model)

    assert set(result.proposals) == set(SYMBOLS)
    [switch] = result.switches
    assert (switch.to_model, switch.cause, switch.batches) == (next_model, "ai_budget_exhausted", 3)


@pytest.mark.django_db
def test_tokens_that_a_reply_does_not_tell_are_charged_in_full(chat_server: ChatServer) -> None:
    dear("openai/silent")
    body = envelope('{"decisions": []}')
    del body["usage"]
    chat_server.handlers["silent"] = replying(body)

    run(chat_server, "openai/silent", batch_size=6, cycle_budget_usd=Decimal(5))

    assert ModelCall.objects.get().charged_usd > 0
