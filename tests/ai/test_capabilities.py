"""What models cannot do is learnt from their refusals, and remembered."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web
from django.utils import timezone

from ai.domain.prompt import read_facts
from ai.domain.refusals import Cause, cause_of, refuses_form
from ai.models import ModelCall, ModelCapability
from ai.results import AnalysisResult
from ai.services import AnalysisSettings
from tests.ai.chat_server import API_KEY, ChatServer, Handler, decide_all, envelope, replying
from tests.ai.factories import analyse, make_question

pytestmark = pytest.mark.django_db
SYMBOLS = tuple(f"S{number}" for number in range(8))
PYTHON_SERVER = (
    "1 validation error: {'type': 'literal_error', 'loc': ('body', 'response_format', 'type'),"
    " 'msg': \"Input should be 'text' or 'json_object'\", 'input': 'json_schema'}"
)


def run(server: ChatServer, *models: str, symbols: tuple[str, ...] = SYMBOLS) -> AnalysisResult:
    return analyse(
        question=make_question(*symbols),
        models=[f"openai/{model}" for model in models],
        settings=AnalysisSettings(batch_size=8, api_base=server.api_base, api_key=API_KEY),
        cycle_id=None,
    )


def form(body: dict[str, Any]) -> str:
    asked = body.get("response_format") or {"type": "none"}
    return f"{asked['type']}_schema" if "schema" in asked else str(asked["type"])


def refusing(*forms: str, status: int = 400, words: str) -> Handler:
    async def handler(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        if form(body) in forms:
            return web.json_response({"error": {"message": words}}, status=status)
        return web.json_response(envelope(decide_all(body)))

    return handler


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (400, "This response_format type is unavailable now"),
        (422, "body.response_format.type: unexpected value"),
        (500, PYTHON_SERVER),
        (400, "structured outputs are not supported"),
        (400, "failed to parse grammar"),
    ],
)
@pytest.mark.parametrize("refused", [1, 2, 3])
def test_a_refused_form_is_asked_in_a_simpler_one_and_remembered(
    chat_server: ChatServer, refused: int, status: int, words: str
) -> None:
    forms = ["json_schema", "json_object_schema", "json_object", "none"]
    chat_server.handlers["plain"] = refusing(*forms[:refused], status=status, words=words)
    simplest = forms[: refused + 1]

    first = run(chat_server, "plain")
    second = run(chat_server, "plain")

    assert set(first.proposals) == set(second.proposals) == set(SYMBOLS)
    assert [form(body) for body in chat_server.requests] == [*simplest, simplest[-1]]
    assert len([line for line in first.warnings if "refused how it was asked" in line]) == 1
    assert not [line for line in second.warnings if "refused how it was asked" in line]


def test_what_was_learnt_is_forgotten_after_a_week(chat_server: ChatServer) -> None:
    chat_server.handlers["plain"] = refusing("json_schema", words="no response_format here")
    run(chat_server, "plain")
    ModelCapability.objects.update(learnt_at=timezone.now() - timedelta(days=7))

    run(chat_server, "plain")

    assert [form(body) for body in chat_server.requests] == ["json_schema", "json_object_schema"] * 2


def test_the_schema_beside_json_mode_is_the_same_schema(chat_server: ChatServer) -> None:
    """llama.cpp's servers read it there, and answer in its shape."""
    chat_server.handlers["plain"] = refusing("json_schema", status=500, words=PYTHON_SERVER)

    run(chat_server, "plain")

    strict, guided = (body["response_format"] for body in chat_server.requests)
    assert guided == {"type": "json_object", "schema": strict["json_schema"]["schema"]}
    assert ModelCapability.objects.get().answer_form == "json_object_schema"


def test_a_refused_temperature_is_left_out(chat_server: ChatServer) -> None:
    async def strict(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        if "temperature" in body:
            words = "Unsupported value: 'temperature' does not support 0 with this model"
            return web.json_response({"error": {"message": words}}, status=400)
        return web.json_response(envelope(decide_all(body)))

    chat_server.handlers["strict"] = strict

    run(chat_server, "strict")
    result = run(chat_server, "strict")

    assert set(result.proposals) == set(SYMBOLS)
    assert ["temperature" in body for body in chat_server.requests] == [True, False, False]


@pytest.mark.parametrize(
    ("status", "error", "cause"),
    [
        (400, {"message": "content management policy", "code": "content_filter"}, "content_filter"),
        (402, {"message": "Insufficient Balance"}, "no_credit"),
        (429, {"message": "You exceeded your current quota", "code": "insufficient_quota"}, "no_credit"),
        (404, {"message": "The model `x` does not exist", "code": "model_not_found"}, "model_unknown"),
        (404, {"message": "nothing here"}, "model_unknown"),
    ],
)
def test_the_fallback_answers_where_one_prompt_is_refused(
    chat_server: ChatServer, status: int, error: dict[str, str], cause: str
) -> None:
    chat_server.handlers["first"] = replying({"error": error}, status=status)

    result = run(chat_server, "first", "second")

    assert set(result.proposals) == set(SYMBOLS)
    assert [switch.cause for switch in result.switches] == [cause]


def holding(most: int) -> Handler:
    """Answer questions about at most so many symbols."""

    async def handler(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        if len(read_facts(body["messages"])["symbols"]) > most:
            words = "This model's maximum context length is 4096 tokens. However, you requested 11873 tokens."
            error = {"message": words, "code": "context_length_exceeded"}
            return web.json_response({"error": error}, status=400)
        return web.json_response(envelope(decide_all(body)))

    return handler


def test_a_batch_that_is_too_long_is_halved_and_the_size_remembered(chat_server: ChatServer) -> None:
    chat_server.handlers["small"] = holding(2)

    first = run(chat_server, "small")
    asked = ModelCall.objects.count()
    second = run(chat_server, "small")

    assert set(first.proposals) == set(second.proposals) == set(SYMBOLS)
    assert first.switches == ()
    sizes = [len(call.symbols) for call in ModelCall.objects.order_by("created_at")[asked:]]
    assert sizes == [2, 2, 2, 2]


def test_a_model_that_nothing_fits_into_is_passed_over(chat_server: ChatServer) -> None:
    chat_server.handlers["tiny"] = holding(0)

    result = run(chat_server, "tiny", "second")

    assert set(result.proposals) == set(SYMBOLS)
    assert {switch.cause for switch in result.switches} == {"context_length"}
    asked = chat_server.asked_models().count("tiny")
    run(chat_server, "tiny", "second")
    assert chat_server.asked_models().count("tiny") == asked
    assert ModelCapability.objects.get(model="openai/tiny").most_symbols == 0


@pytest.mark.parametrize(
    ("words", "cause"),
    [
        ("prompt is too long: 210000 tokens > 200000 maximum", Cause.CONTEXT_LENGTH),
        ("the request exceeds the available context size", Cause.CONTEXT_LENGTH),
        ("Your credit balance is too low to access the API", Cause.NO_CREDIT),
        ('model "qwen" not found, try pulling it first', Cause.MODEL_UNKNOWN),
        ("Incorrect API key provided", None),
        ("prices went up", None),
    ],
)
def test_causes_are_told_by_the_providers_words(words: str, cause: Cause | None) -> None:
    assert cause_of(400, words) is cause


def test_the_python_server_of_llama_cpp_refuses_the_form() -> None:
    assert refuses_form(PYTHON_SERVER)


def test_a_call_asks_for_what_the_measured_speed_allows_and_always_for_one(chat_server: ChatServer) -> None:
    ModelCapability.objects.create(
        model="openai/slow",
        address=chat_server.api_base,
        milliseconds_per_symbol=12_000,
        learnt_at=timezone.now(),
    )

    result = run(chat_server, "slow")

    assert set(result.proposals) == set(SYMBOLS)
    assert max(len(call.symbols) for call in ModelCall.objects.all()) <= 2


def test_calls_at_once_are_halved_once_an_analysis_where_they_come_too_late(chat_server: ChatServer) -> None:
    impatient = AnalysisSettings(
        batch_size=2, deadline_seconds=4, api_base=chat_server.api_base, api_key=API_KEY
    )

    def at_once() -> int | None:
        """Ask four batches; return what was learnt."""
        ModelCall.objects.all().delete()  # else the breaker would pass the model over
        ModelCapability.objects.update(milliseconds_per_symbol=None)
        chat_server.requests.clear()
        analyse(question=make_question(*SYMBOLS), models=["openai/hang"], settings=impatient, cycle_id=None)
        return ModelCapability.objects.get().calls_at_once

    assert (at_once(), len(chat_server.requests)) == (2, 4)
    assert (at_once(), len(chat_server.requests)) == (1, 2)
    assert (at_once(), len(chat_server.requests)) == (1, 1)


def test_what_waits_for_its_turn_is_held_with_the_reason_and_what_came_in_time_counts(
    chat_server: ChatServer,
) -> None:
    async def slow(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        if len(chat_server.requests) > 1:
            await asyncio.sleep(60)
        return web.json_response(envelope(decide_all(body)))

    chat_server.handlers["slow"] = slow
    ModelCapability.objects.create(model="openai/slow", address=chat_server.api_base, calls_at_once=1)

    result = analyse(
        question=make_question(*SYMBOLS),
        models=["openai/slow"],
        settings=AnalysisSettings(
            batch_size=2, deadline_seconds=8, api_base=chat_server.api_base, api_key=API_KEY
        ),
        cycle_id=None,
    )

    assert set(result.proposals) == set(SYMBOLS[:2])
    assert {hold.reason for hold in result.holds.values()} == {"analysis_timeout"}
    assert "no complete answer within" in result.holds[SYMBOLS[2]].detail
    assert result.holds[SYMBOLS[7]].detail == "the time was over before openai/slow was asked"


def test_a_model_with_time_to_spare_gets_one_call_more_each_analysis(chat_server: ChatServer) -> None:
    ModelCapability.objects.create(model="openai/quick", address=chat_server.api_base, calls_at_once=2)
    learnt = []
    for _ in range(3):
        analyse(
            question=make_question(*SYMBOLS),
            models=["openai/quick"],
            settings=AnalysisSettings(batch_size=1, api_base=chat_server.api_base, api_key=API_KEY),
            cycle_id=None,
        )
        learnt.append(ModelCapability.objects.get().calls_at_once)

    assert learnt == [3, None, None]
