"""Model calls against a real HTTP server that speaks the OpenAI shape, soundly or not."""

import re
import subprocess
import sys
import threading
import time
from decimal import Decimal
from typing import Any

import pytest
from aiohttp import web

from ai import gateway
from ai.domain.answer import response_format
from ai.domain.prompt import render_messages
from ai.domain.request import request_for
from ai.errors import (
    ModelAnswerError,
    ModelError,
    ModelRejectedError,
    ModelTimeoutError,
    ModelUnavailableError,
)
from ai.gateway import Completion
from tests.ai.chat_server import API_KEY, ChatServer, answering, replying
from tests.ai.factories import make_question
from tests.waiting import wait_until


def ask(
    server: ChatServer,
    name: str,
    *,
    timeout_seconds: float = 20.0,
    api_key: str = API_KEY,
    **overrides: Any,
) -> Completion:
    arguments = {"response_format": response_format(), "api_base": server.api_base, **overrides}
    request = request_for(f"openai/{name}", render_messages(make_question("AAPL")), **arguments)
    return gateway.complete(request, timeout_seconds=timeout_seconds, api_key=api_key)


def test_a_sound_answer_comes_with_tokens_and_time(chat_server: ChatServer) -> None:
    completion = ask(chat_server, "sound")

    assert '"symbol": "AAPL"' in completion.text
    assert (completion.prompt_tokens, completion.completion_tokens) == (100, 20)
    assert completion.cost_usd is None
    assert completion.latency_ms > 0
    [body] = chat_server.requests
    assert body["authorization"] == f"Bearer {API_KEY}"
    assert body["temperature"] == 0
    assert body["response_format"] == response_format()


def test_a_known_model_has_a_price(chat_server: ChatServer) -> None:
    completion = ask(chat_server, "gpt-4o-mini")

    assert completion.cost_usd == Decimal("0.000027")


@pytest.mark.parametrize("name", ["gpt-5-mini", "gpt-5", "o3-mini"])
def test_models_that_refuse_a_temperature_are_sent_none(chat_server: ChatServer, name: str) -> None:
    ask(chat_server, name)

    assert "temperature" not in chat_server.requests[0]


def test_without_a_schema_no_response_format_is_sent(chat_server: ChatServer) -> None:
    ask(chat_server, "sound", response_format=None)

    assert "response_format" not in chat_server.requests[0]


def test_a_hanging_reply_ends_on_time(chat_server: ChatServer) -> None:
    """docs/lessons.md#lesson-20."""
    started = time.monotonic()

    with pytest.raises(ModelTimeoutError, match=r"no complete answer within 0\.3 s"):
        ask(chat_server, "hang", timeout_seconds=0.3)

    assert time.monotonic() - started < 300


def test_a_dripping_reply_ends_on_time_and_its_thread_soon_after(chat_server: ChatServer) -> None:
    started = time.monotonic()

    with pytest.raises(ModelTimeoutError, match=r"no complete answer within 0\.3 s"):
        ask(chat_server, "drip", timeout_seconds=0.3)

    assert time.monotonic() - started < 300
    assert chat_server.disconnected.wait(120), "the abandoned call went on reading"


def test_a_busy_model_says_when_to_come_back(chat_server: ChatServer) -> None:
    with pytest.raises(ModelUnavailableError, match="slow down") as caught:
        ask(chat_server, "busy")

    assert caught.value.retry_after_seconds == 7.0
    assert len(chat_server.requests) == 1, "no hidden retries"


@pytest.mark.parametrize("value", ["Wed, 21 Oct 2026 07:28:00 GMT", "-1", "nan", "1e9"])
def test_a_retry_after_that_is_no_sensible_number_is_none(chat_server: ChatServer, value: str) -> None:
    chat_server.handlers["odd"] = replying({"error": {}}, status=429, headers={"Retry-After": value})

    with pytest.raises(ModelUnavailableError) as caught:
        ask(chat_server, "odd")

    assert caught.value.retry_after_seconds is None


@pytest.mark.parametrize(
    ("name", "kind", "words"),
    [
        ("broken", ModelUnavailableError, "oops"),
        ("overloaded", ModelUnavailableError, "overloaded"),
        ("reset", ModelUnavailableError, "disconnected"),
        ("truncated", ModelUnavailableError, "without sending complete message body"),
        ("huge", ModelUnavailableError, "exceeds 4194304 bytes"),
        ("gateway-timeout", ModelTimeoutError, "upstream"),
        ("unauthorised", ModelRejectedError, "Incorrect API key"),
        ("unknown", ModelRejectedError, "no such model"),
        ("bad-request", ModelRejectedError, "too long"),
        ("no-choices", ModelAnswerError, "no choices"),
        ("null-choices", ModelAnswerError, "not a list"),
        ("absent-choices", ModelAnswerError, "not a list"),
        ("null-message", ModelAnswerError, "Invalid response object"),
        ("null-content", ModelAnswerError, "empty"),
        ("empty", ModelAnswerError, "empty"),
        ("cut", ModelAnswerError, "finish_reason length"),
        ("filtered", ModelAnswerError, "finish_reason content_filter"),
        ("refusal", ModelAnswerError, "refused: I cannot"),
        ("html", ModelAnswerError, "invalid response"),
        ("not-json", ModelAnswerError, "Expecting property name"),
        ("list", ModelAnswerError, "invalid response"),
    ],
)
def test_every_failure_has_its_kind(
    chat_server: ChatServer, name: str, kind: type[ModelError], words: str
) -> None:
    with pytest.raises(kind, match=words) as caught:
        ask(chat_server, name)

    assert type(caught.value) is kind
    assert len(chat_server.requests) == 1
    assert "Traceback" not in caught.value.detail


def test_a_refused_connection_is_unavailable() -> None:
    asked = request_for("openai/any", [], response_format=None, api_base="http://127.0.0.1:9/v1")

    with pytest.raises(ModelUnavailableError, match="refused"):
        gateway.complete(asked, timeout_seconds=5, api_key="k")


def test_a_name_without_a_provider_is_rejected() -> None:
    with pytest.raises(ModelRejectedError, match="Provider NOT provided"):
        gateway.complete(request_for("nonsense", [], response_format=None), timeout_seconds=5, api_key="k")


def test_a_quoted_key_reaches_no_text(chat_server: ChatServer) -> None:
    with pytest.raises(ModelRejectedError) as caught:
        ask(chat_server, "unauthorised")

    assert API_KEY not in str(caught.value)
    assert "[redacted]" in caught.value.detail
    assert caught.value.__cause__ is None


def test_a_key_from_the_environment_reaches_no_text_either(
    chat_server: ChatServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_API_KEY", "plain-environment-key")
    chat_server.handlers["leaky"] = replying({"error": {"message": "plain-environment-key?"}}, status=403)

    with pytest.raises(ModelRejectedError) as caught:
        ask(chat_server, "leaky")

    assert "plain-environment-key" not in str(caught.value)


@pytest.mark.parametrize("key", ["1", "x", "NA", "0.8", "buy", "AAPL", "decisions"])
def test_no_key_changes_an_answer(chat_server: ChatServer, key: str) -> None:
    text = '{"decisions": [{"symbol": "AAPL", "action": "buy", "confidence": 0.81, "reasoning": "NAV x 1"}]}'
    chat_server.handlers["parrot"] = answering(text)

    assert ask(chat_server, "parrot", api_key=key).text == text


@pytest.mark.parametrize("key", ["1", "x", "NA", "slow"])
def test_no_dummy_key_changes_an_error(chat_server: ChatServer, key: str) -> None:
    words = "1 request of NA is too slow: 11 s, max 10.1 x"
    chat_server.handlers["slow"] = replying({"error": {"message": words}}, status=400)

    with pytest.raises(ModelRejectedError, match=re.escape(words)):
        ask(chat_server, "slow", api_key=key)


def test_an_incomplete_answer_still_tells_what_it_cost(chat_server: ChatServer) -> None:
    chat_server.handlers["gpt-4o-mini"] = answering('{"decisions": [', finish_reason="length")

    with pytest.raises(ModelAnswerError) as caught:
        ask(chat_server, "gpt-4o-mini")

    assert caught.value.text == '{"decisions": ['
    assert caught.value.cost_usd == Decimal("0.000027")


def test_calls_that_hang_cannot_pile_up(chat_server: ChatServer) -> None:
    """docs/lessons.md#lesson-16."""
    threads = [
        threading.Thread(target=_ask_in_vain, args=(chat_server,)) for _ in range(gateway.MAX_CALLS_IN_FLIGHT)
    ]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(chat_server.requests) == gateway.MAX_CALLS_IN_FLIGHT)

    with pytest.raises(ModelUnavailableError, match="32 earlier calls are still under way"):
        ask(chat_server, "sound")

    chat_server.stop_hanging()
    for thread in threads:
        thread.join(120)
    wait_until(lambda: _is_asked(chat_server))


def _ask_in_vain(server: ChatServer) -> None:
    with pytest.raises(ModelUnavailableError):
        ask(server, "hang", timeout_seconds=60)


def _is_asked(server: ChatServer) -> bool:
    try:
        return bool(ask(server, "sound").text)
    except ModelUnavailableError:
        return False


@pytest.mark.parametrize(
    ("model", "label"),
    [
        ("gpt-4o", "openai"),
        ("anthropic/claude-sonnet-4-5", "anthropic"),
        ("builtin/technical-v1", "built-in technical analyst (not a language model)"),
        ("strange/model", "strange"),
    ],
)
def test_providers_have_labels(model: str, label: str) -> None:
    assert gateway.provider_of(model) == label


def test_the_price_list_is_litellms_own() -> None:
    """It is read from the file that litellm brings; an upgrade that moves it is seen here."""
    listed = gateway.load().model_cost["gpt-4o-mini"]

    known = gateway.known_facts("openai/gpt-4o-mini")

    assert known.price is not None
    assert float(known.price.input_usd_per_million) == pytest.approx(listed["input_cost_per_token"] * 1e6)
    assert known.max_output_tokens == listed["max_output_tokens"]
    assert gateway.known_facts("openai/nobody-knows") == gateway.KnownFacts(None, None)


def test_looking_up_a_price_loads_nothing_heavy() -> None:
    code = (
        "import sys; from ai import gateway; gateway.known_facts('gpt-4o'); print('litellm' in sys.modules)"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "False"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_said_and_the_prompt_goes_nowhere_else(chat_server: ChatServer, status: int) -> None:
    """Whoever answers at the configured address may not have prompts sent to another one."""
    with ChatServer() as elsewhere:

        async def moved(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
            return web.Response(status=status, headers={"Location": f"{elsewhere.api_base}/chat/completions"})

        chat_server.handlers["moved"] = moved

        with pytest.raises(ModelUnavailableError, match=f"{status}, a redirect .* is not followed"):
            ask(chat_server, "moved")

        assert elsewhere.requests == []
        assert len(chat_server.requests) == 1
