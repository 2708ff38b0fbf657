"""analyse() end to end, over HTTP and into PostgreSQL."""

import json
import subprocess
import sys
import time
import uuid
from decimal import Decimal
from typing import Any

import pytest
from aiohttp import web

from ai.analysis import AnalysisResult, AnalysisSettings
from ai.domain.prompt import PROMPT_VERSION, read_facts
from ai.domain.repeats import Repeats
from ai.domain.types import AnalysisQuestion, HoldReason
from ai.models import ModelCall
from tests.ai.chat_server import API_KEY, ChatServer, Handler, answering, decide_all, envelope
from tests.ai.factories import analyse, make_question

SYMBOLS = tuple(f"S{number}" for number in range(6))

pytestmark = pytest.mark.django_db


def run(
    server: ChatServer,
    *models: str,
    question: AnalysisQuestion | None = None,
    cycle_id: uuid.UUID | None = None,
    **settings: Any,
) -> AnalysisResult:
    values: dict[str, Any] = {"batch_size": 2, "api_base": server.api_base, "api_key": API_KEY, **settings}
    return analyse(
        question=question or make_question(*SYMBOLS),
        models=[model if "/" in model else f"openai/{model}" for model in models],
        settings=AnalysisSettings(**values),
        cycle_id=cycle_id,
    )


def failing_for(symbol: str, fault: Handler) -> Handler:
    """Return a handler that fails as ``fault`` for the batch of ``symbol`` and is sound otherwise."""

    async def handler(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        if symbol in {facts["symbol"] for facts in read_facts(body["messages"])["symbols"]}:
            return await fault(request, body)
        return web.json_response(envelope(decide_all(body)))

    return handler


def test_every_batch_is_asked_and_recorded(chat_server: ChatServer) -> None:
    cycle_id = uuid.uuid4()

    result = run(chat_server, "sound", cycle_id=cycle_id)

    assert set(result.proposals) == set(SYMBOLS)
    assert result.holds == {}
    assert not result.failed
    calls = ModelCall.objects.filter(cycle_id=cycle_id)
    assert sorted(symbol for call in calls for symbol in call.symbols) == sorted(SYMBOLS)
    assert all(len(call.symbols) == 2 for call in calls)
    assert all(call.id == result.call_ids[symbol] for call in calls for symbol in call.symbols)


def test_a_record_holds_the_question_and_the_answer(chat_server: ChatServer) -> None:
    run(chat_server, "gpt-4o-mini", question=make_question("AAPL"))

    call = ModelCall.objects.get()
    assert (call.model, call.provider, call.prompt_version) == (
        "openai/gpt-4o-mini",
        "openai",
        PROMPT_VERSION,
    )
    assert call.prompt == chat_server.requests[0]["messages"]
    assert len(call.prompt_hash) == 64
    assert json.loads(call.answer)["decisions"][0]["symbol"] == "AAPL"
    assert (call.prompt_tokens, call.completion_tokens) == (100, 20)
    assert call.cost_usd == Decimal("0.000027")
    assert call.status == ModelCall.Status.SUCCEEDED
    assert call.error_type == call.error_message == ""
    assert call.started_at <= call.created_at
    assert str(call).startswith("openai/gpt-4o-mini succeeded ")


@pytest.mark.parametrize(
    ("fault", "status", "error_type", "reason"),
    [
        ("broken", "failed", "ModelUnavailableError", HoldReason.ANALYSIS_FAILED),
        ("busy", "failed", "ModelUnavailableError", HoldReason.ANALYSIS_FAILED),
        ("reset", "failed", "ModelUnavailableError", HoldReason.ANALYSIS_FAILED),
        ("truncated", "failed", "ModelUnavailableError", HoldReason.ANALYSIS_FAILED),
        ("unauthorised", "failed", "ModelRejectedError", HoldReason.ANALYSIS_FAILED),
        ("no-choices", "invalid", "ModelAnswerError", HoldReason.ANALYSIS_FAILED),
        ("gateway-timeout", "timeout", "ModelTimeoutError", HoldReason.ANALYSIS_TIMEOUT),
    ],
)
def test_a_failed_batch_touches_its_own_symbols_only(
    chat_server: ChatServer, fault: str, status: str, error_type: str, reason: HoldReason
) -> None:
    """docs/lessons.md#lesson-13: what was not analysed says so."""
    chat_server.handlers["patchy"] = failing_for("S2", chat_server.handlers[fault])

    result = run(chat_server, "patchy")

    assert set(result.proposals) == {"S0", "S1", "S4", "S5"}
    assert {symbol: hold.reason for symbol, hold in result.holds.items()} == {"S2": reason, "S3": reason}
    assert not result.failed
    call = ModelCall.objects.exclude(status="succeeded").get()
    assert (call.status, call.error_type) == (status, error_type)
    assert result.call_ids["S2"] == call.id
    assert API_KEY not in call.error_message + result.holds["S2"].detail


def test_when_every_batch_failed_the_result_says_so(chat_server: ChatServer) -> None:
    result = run(chat_server, "broken")

    assert result.failed
    assert "oops" in result.failure
    assert set(result.holds) == set(SYMBOLS)
    assert result.proposals == {}
    assert ModelCall.objects.filter(status="failed").count() == 3


def recovering(fault: Handler, *, after: int) -> Handler:
    """Return a handler that fails as ``fault`` so often, and is sound then."""
    asked = 0

    async def handler(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        nonlocal asked
        asked += 1
        return await fault(request, body) if asked <= after else web.json_response(envelope(decide_all(body)))

    return handler


QUICK = Repeats(attempts=3, base=0.01)


@pytest.mark.parametrize("fault", ["broken", "overloaded", "reset"])
def test_a_model_that_cannot_be_reached_is_asked_again(chat_server: ChatServer, fault: str) -> None:
    chat_server.handlers["shaky"] = recovering(chat_server.handlers[fault], after=2)

    result = run(chat_server, "shaky", question=make_question("AAPL"), repeats=QUICK)

    assert set(result.proposals) == {"AAPL"}
    assert len(chat_server.requests) == 3
    assert ModelCall.objects.get().status == "succeeded"


@pytest.mark.parametrize(
    ("fault", "asked"), [("overloaded", 3), ("unauthorised", 1), ("no-choices", 1), ("busy", 1)]
)
def test_a_model_is_asked_no_more_often_than_may_help(
    chat_server: ChatServer, fault: str, asked: int
) -> None:
    """One that asks for more time than there is left is not asked again either."""
    run(chat_server, fault, question=make_question("AAPL"), repeats=QUICK, deadline_seconds=6.0)

    assert len(chat_server.requests) == asked
    assert ModelCall.objects.count() == 1


def test_repeats_end_with_the_time_of_their_model(chat_server: ChatServer) -> None:
    patient = Repeats(attempts=5, base=12.0)

    result = run(
        chat_server,
        "broken",
        "second",
        question=make_question("AAPL"),
        repeats=patient,
        deadline_seconds=20.0,
    )

    assert set(result.proposals) == {"AAPL"}
    assert [request["model"] for request in chat_server.requests] == ["broken", "second"]


@pytest.mark.parametrize("fault", ["broken", "busy", "reset", "no-choices", "html", "empty", "prose"])
def test_the_next_model_is_asked_where_the_first_fails(chat_server: ChatServer, fault: str) -> None:
    chat_server.handlers["prose"] = answering("I like Apple.")

    result = run(chat_server, fault, "second", question=make_question("AAPL"))

    assert set(result.proposals) == {"AAPL"}
    assert not result.failed
    assert chat_server.asked_models() == [fault, "second"]
    [switch] = result.switches
    assert (switch.from_model, switch.to_model, switch.batches) == (f"openai/{fault}", "openai/second", 1)
    assert list(ModelCall.objects.order_by("id").values_list("model", flat=True)) == [
        f"openai/{fault}",
        "openai/second",
    ]


def test_a_rejected_request_goes_to_no_other_model(chat_server: ChatServer) -> None:
    result = run(chat_server, "unauthorised", "second", question=make_question("AAPL"))

    assert chat_server.asked_models() == ["unauthorised"]
    assert result.failed


def test_a_hanging_model_leaves_time_for_the_next(chat_server: ChatServer) -> None:
    result = run(chat_server, "hang", "second", question=make_question("AAPL"), deadline_seconds=12)

    assert set(result.proposals) == {"AAPL"}
    assert ModelCall.objects.get(model="openai/hang").status == ModelCall.Status.TIMEOUT


def test_what_is_there_at_the_deadline_is_used(chat_server: ChatServer) -> None:
    """docs/lessons.md#lesson-20."""
    chat_server.handlers["patchy"] = failing_for("S2", chat_server.handlers["drip"])
    started = time.monotonic()

    result = run(chat_server, "patchy", deadline_seconds=8)

    assert time.monotonic() - started < 300
    assert set(result.proposals) == {"S0", "S1", "S4", "S5"}
    assert result.holds["S2"].reason is result.holds["S3"].reason is HoldReason.ANALYSIS_TIMEOUT
    assert ModelCall.objects.filter(status="timeout").count() == 1


def test_batches_that_the_deadline_left_unasked_hold(chat_server: ChatServer) -> None:
    result = run(chat_server, "hang", deadline_seconds=1.5, concurrency=1)

    assert set(result.holds) == set(SYMBOLS)
    assert {hold.reason for hold in result.holds.values()} == {HoldReason.ANALYSIS_TIMEOUT}
    assert result.failed
    assert len(chat_server.requests) == 1
    assert set(result.call_ids) == {"S0", "S1"}


def test_single_decisions_hold_for_their_own_reasons(chat_server: ChatServer) -> None:
    good = {"action": "sell", "confidence": 0.9, "reasoning": "It fell."}
    decisions = [
        {"symbol": "A", **good},
        {"symbol": "B", **good, "confidence": 2},
        {"symbol": "D", **good},
        {"symbol": "D", **good},
        {"symbol": "X", **good},
    ]
    chat_server.handlers["sloppy"] = answering(json.dumps({"decisions": decisions}))

    result = run(chat_server, "sloppy", question=make_question("A", "B", "C", "D"), batch_size=4)

    assert set(result.proposals) == {"A"}
    assert {symbol: hold.reason.value for symbol, hold in result.holds.items()} == {
        "B": "invalid_answer",
        "C": "missing_answer",
        "D": "duplicate_answer",
    }
    assert "openai/sloppy: 1 decisions belong to no symbol; the first: not asked: 'X'" in result.warnings
    assert ModelCall.objects.get().status == ModelCall.Status.SUCCEEDED


def test_an_answer_without_one_usable_decision_is_invalid(chat_server: ChatServer) -> None:
    chat_server.handlers["useless"] = answering('{"decisions": []}')

    result = run(chat_server, "useless", question=make_question("AAPL"))

    assert result.failed
    assert result.holds["AAPL"].reason is HoldReason.MISSING_ANSWER
    call = ModelCall.objects.get()
    assert call.status == ModelCall.Status.INVALID
    assert call.answer == '{"decisions": []}'


def test_what_postgresql_cannot_hold_is_replaced_and_long_answers_are_cut(chat_server: ChatServer) -> None:
    chat_server.handlers["odd"] = answering("\x00\ud800" + "é" * 50_000)

    run(chat_server, "odd", question=make_question("AAPL", instructions="nul \x00 here"))

    call = ModelCall.objects.get()
    assert call.answer.startswith("\ufffd\ufffdéé")
    assert call.answer.endswith("[truncated: the answer had 100006 bytes]")
    assert len(call.answer.encode()) <= 64 * 1024
    assert "nul \ufffd here" in call.prompt[0]["content"]


def test_absurd_token_counts_do_not_lose_the_record(chat_server: ChatServer) -> None:
    usage = {"prompt_tokens": 10**15, "completion_tokens": -5, "total_tokens": 0}

    async def boastful(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        return web.json_response({**envelope(decide_all(body)), "usage": usage})

    chat_server.handlers["gpt-4o-mini"] = boastful

    run(chat_server, "gpt-4o-mini", question=make_question("AAPL"))

    call = ModelCall.objects.get()
    assert (call.prompt_tokens, call.completion_tokens) == (2**31 - 1, 0)
    assert call.cost_usd == Decimal("999999.999999")


def test_no_more_calls_at_once_than_allowed(chat_server: ChatServer) -> None:
    under_way = 0
    most = 0

    async def counting(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        await response.write(b" ")
        await response.write(json.dumps(envelope(decide_all(body))).encode())
        under_way -= 1
        return response

    chat_server.handlers["counting"] = counting

    result = run(chat_server, "counting", batch_size=1, concurrency=2)

    assert len(result.proposals) == 6
    assert most <= 2


def test_nothing_asked_is_nothing_failed(chat_server: ChatServer) -> None:
    result = run(chat_server, "sound", question=make_question())

    assert not result.failed
    assert chat_server.requests == []


def test_a_symbol_asked_twice_is_refused(chat_server: ChatServer) -> None:
    with pytest.raises(ValueError, match="asked twice"):
        run(chat_server, "sound", question=make_question("AAPL", "AAPL"))


@pytest.mark.parametrize(
    "wrong",
    [
        {"batch_size": 0},
        {"concurrency": 0},
        {"deadline_seconds": 0},
        {"deadline_seconds": float("nan")},
        {"daily_budget_usd": Decimal(-1)},
    ],
    ids=str,
)
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must"):
        AnalysisSettings(**wrong)


def test_the_key_is_not_in_the_settings_text() -> None:
    assert API_KEY not in repr(AnalysisSettings(api_key=API_KEY))


def test_importing_the_services_loads_nothing_heavy() -> None:
    code = (
        "import sys, django; from django.conf import settings; settings.configure(INSTALLED_APPS=['ai']); "
        "django.setup(); import ai.models, ai.services; "
        "print(sorted({'litellm', 'talib', 'numpy', 'httpx', 'openai'} & set(sys.modules)))"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip().splitlines()[-1] == "[]"
