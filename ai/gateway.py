"""The one place that calls models, through litellm, which it imports lazily (1.8 s, 160 MB).

The built-in analyst is answered here: where no language model is named, nothing imports litellm.
"""

import contextvars
import functools
import importlib.util
import json
import os
import threading
import time
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from ai import builtin
from ai.domain.budget import Price
from ai.domain.prompt import Message
from ai.domain.refusals import cause_of
from ai.domain.request import ModelRequest
from ai.domain.text import clean_line, redacted
from ai.errors import (
    ModelAnswerError,
    ModelError,
    ModelRejectedError,
    ModelTimeoutError,
    ModelUnavailableError,
)

# Calls of this process that may be under way at once, the abandoned ones included.
MAX_CALLS_IN_FLIGHT = 32

_MAX_DETAIL_CHARACTERS = 500
_MAX_WORD_CHARACTERS = 200
_ENVIRONMENT = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # else the import fetches a price list from the internet
    "LITELLM_MODE": "PRODUCTION",  # else it loads .env from the working directory
    "LITELLM_LOG": "ERROR",
}
_PRICE_LIST = "model_prices_and_context_window_backup.json"
_SECRET_NAMES = ("_KEY", "_TOKEN", "_SECRET", "_PASSWORD")
_MIN_SECRET_CHARACTERS = 8
_ON_THIS_MACHINE = ("ollama", "ollama_chat")  # where litellm asks without an address

_proxies: tuple[Callable[[MutableMapping[str, str]], None], Callable[[str], str]] | None = None
_slots = threading.BoundedSemaphore(MAX_CALLS_IN_FLIGHT)
_loading = threading.Lock()


@dataclass(frozen=True, slots=True)
class Completion:
    """A complete answer; ``cost_usd`` is None where litellm knows no price for the model.

    ``answered_model`` is what the provider says answered, which an alias does not tell, and ``system_fingerprint`` its
    word on what that ran on; "" where it says neither.
    """

    text: str
    prompt_tokens: int
    completion_tokens: int
    cost_usd: Decimal | None
    latency_ms: int
    answered_model: str = ""
    system_fingerprint: str = ""


@dataclass(frozen=True, slots=True)
class KnownFacts:
    """What litellm's list says of a model; None where it says nothing."""

    price: Price | None
    max_output_tokens: int | None


def use_proxies(apply: Callable[[MutableMapping[str, str]], None], problem: Callable[[str], str]) -> None:
    """Say, before the first call, by which proxies models are reached from this process.

    Args:
        apply: puts into the environment what litellm and httpx can read, before litellm is imported: a variable
            that httpx cannot read would end the import.
        problem: from an address to why it cannot be asked, "" where it can.
    """
    global _proxies
    _proxies = (apply, problem)


def complete(request: ModelRequest, *, timeout_seconds: float, api_key: str | None = None) -> Completion:
    """Ask once, without retries, and return the answer within ``timeout_seconds`` in total.

    The call runs in a daemon thread of its own, abandoned when time is up: it ends with the next byte or the read
    timeout, and holds one of ``MAX_CALLS_IN_FLIGHT`` slots until then, so a hanging provider piles up no threads.

    Args:
        request: what a model does not know of it, litellm leaves out.
        timeout_seconds: for everything, a dripping reply included; a first call also loads litellm, see ``load``.

    Raises:
        ModelTimeoutError: no complete answer in time.
        ModelUnavailableError: 429, 5xx, no connection, no free slot, or a proxy that cannot be used.
        ModelRejectedError: another 4xx.
        ModelAnswerError: an answer without a complete text.
    """
    model = request.model
    if model.startswith(f"{builtin.PROVIDER}/"):
        return _built_in(model, request.messages, timeout_seconds)
    if words := _no_way_to(model, request.api_base):
        raise ModelUnavailableError(model, words)
    started = time.monotonic()
    future = _begin(model, _arguments(request, timeout_seconds, api_key), started + timeout_seconds)
    wait([future], timeout=timeout_seconds)
    is_done, secrets = future.done(), _secrets(api_key)
    error = future.exception() if is_done else None
    failure = _classified(model, error, secrets) if error is not None else None
    # Connection and thread have the same deadline: whichever notices it first, it is said in the same words.
    is_time_up = time.monotonic() - started >= timeout_seconds
    if not is_done or (is_time_up and isinstance(failure, ModelTimeoutError)):
        raise ModelTimeoutError(model, _too_late(timeout_seconds))
    if failure is not None:
        # From None: a provider may quote the key, and a chained error would carry its words into the logs.
        raise failure from None
    return _read(model, future.result(), round((time.monotonic() - started) * 1000), secrets)


def _built_in(model: str, messages: Sequence[Message], timeout_seconds: float) -> Completion:
    """Answer in this thread: it takes milliseconds, costs nothing and counts no tokens."""
    if model != builtin.MODEL:
        raise ModelRejectedError(model, f"the only built-in model is {builtin.MODEL}")
    started = time.monotonic()
    try:
        text = builtin.answer(messages)
    except (ValueError, LookupError, TypeError) as unreadable:
        raise ModelAnswerError(model, clean_line(str(unreadable), limit=_MAX_DETAIL_CHARACTERS)) from None
    took = time.monotonic() - started
    if took >= timeout_seconds:
        raise ModelTimeoutError(model, _too_late(timeout_seconds))
    return Completion(text, 0, 0, Decimal(0), round(took * 1000))


def _too_late(timeout_seconds: float) -> str:
    return f"no complete answer within {timeout_seconds:.1f} s"


def _read(model: str, reply: Any, latency_ms: int, secrets: Sequence[str]) -> Completion:
    try:
        return _completion(model, reply, latency_ms)
    except (AttributeError, TypeError, ValueError, LookupError, ArithmeticError) as malformed:
        detail = clean_line(redacted(str(malformed), secrets), limit=_MAX_DETAIL_CHARACTERS)
        raise ModelAnswerError(model, f"the reply is malformed: {detail}") from None


def _no_way_to(model: str, api_base: str | None) -> str:
    provider = model.partition("/")[0]
    if _proxies is None or (provider in _ON_THIS_MACHINE and not api_base):
        return ""
    return _proxies[1](api_base or "https://")


def _begin(model: str, arguments: dict[str, Any], gives_up_at: float) -> "Future[Any]":
    """Start the call in a thread of its own.

    Raises:
        ModelUnavailableError: no free slot, or no thread to be had.
    """
    future: Future[Any] = Future()
    # In this context, so that what the thread logs and records belongs to the cycle that asked.
    work = functools.partial(contextvars.copy_context().run, _run, future, arguments, gives_up_at)
    thread = threading.Thread(target=work, name="model-call", daemon=True)
    if not _slots.acquire(blocking=False):
        raise ModelUnavailableError(model, f"{MAX_CALLS_IN_FLIGHT} earlier calls are still under way")
    try:
        thread.start()
    except RuntimeError as no_thread:
        _slots.release()
        raise ModelUnavailableError(model, str(no_thread)) from no_thread
    return future


def load() -> Any:
    """Import litellm, prepared as it must be, and return it; later calls cost nothing."""
    with _loading:
        return _load()


def provider_of(model: str) -> str:
    """Return a label of who answers for ``model``, e.g. ``openai``."""
    provider = model.partition("/")[0]
    if provider == builtin.PROVIDER:
        return builtin.LABEL if model == builtin.MODEL else provider
    try:
        return str(load().get_llm_provider(model)[1])
    except Exception:  # noqa: BLE001 - a label only: whatever litellm raises for an unknown name
        return provider


def known_facts(model: str) -> KnownFacts:
    """Return what litellm's own list says of ``model``.

    Only the list is read: litellm's functions for the same ask a local server about models they do not know.
    """
    listed = _listed()
    return listed.get(model) or listed.get(model.partition("/")[2]) or KnownFacts(None, None)


@functools.cache
def _listed() -> dict[str, KnownFacts]:
    """Read the list that litellm brings, without importing litellm: an analysis has no time for that."""
    spec = importlib.util.find_spec("litellm")
    if spec is None or not spec.submodule_search_locations:
        return {}
    text = (Path(spec.submodule_search_locations[0]) / _PRICE_LIST).read_text(encoding="utf-8")
    return {name: _known(entry) for name, entry in json.loads(text).items()}


def _known(entry: dict[str, Any]) -> KnownFacts:
    figures = [entry.get("input_cost_per_token"), entry.get("output_cost_per_token")]
    price = None
    if all(isinstance(figure, int | float) and figure >= 0 for figure in figures):
        price = Price(*(Decimal(repr(figure)) * 1_000_000 for figure in figures))
    longest = entry.get("max_output_tokens")
    return KnownFacts(price, longest if isinstance(longest, int) and longest > 0 else None)


@functools.cache
def _load() -> Any:
    for name, value in _ENVIRONMENT.items():
        os.environ[name] = value
    if _proxies is not None:
        _proxies[0](os.environ)
    import litellm

    from ai import bounded_http

    litellm.suppress_debug_info = True
    litellm.telemetry = False
    litellm.client_session = bounded_http.make_client()
    return litellm


def _arguments(request: ModelRequest, timeout_seconds: float, api_key: str | None) -> dict[str, Any]:
    arguments: dict[str, Any] = {
        "model": request.model,
        "messages": [dict(message) for message in request.messages],
        "timeout": timeout_seconds,
        "max_retries": 0,
        "drop_params": True,
        **request.params,
    }
    if request.response_format is not None:
        arguments["response_format"] = dict(request.response_format)
    if request.api_base:
        arguments["api_base"] = request.api_base
    if api_key:
        arguments["api_key"] = api_key
    return arguments


def _secrets(api_key: str | None) -> list[str]:
    """Return the key that was given, and those litellm may have taken from the environment by itself."""
    found = [
        value
        for name, value in os.environ.items()
        if name.endswith(_SECRET_NAMES) and len(value) >= _MIN_SECRET_CHARACTERS
    ]
    return [*found, api_key] if api_key else found


def _run(future: Future[Any], arguments: dict[str, Any], deadline: float) -> None:
    """Make the call in this thread; whatever comes of it goes into ``future``."""
    try:
        litellm = load()
        from ai import bounded_http

        bounded_http.set_deadline(deadline)
        future.set_result(litellm.completion(**arguments))
    except BaseException as error:  # noqa: BLE001 - the waiting thread judges it
        future.set_exception(error)
    finally:
        _slots.release()


def _completion(model: str, response: Any, latency_ms: int) -> Completion:
    usage = getattr(response, "usage", None)
    prompt_tokens = int(getattr(usage, "prompt_tokens", None) or 0)
    completion_tokens = int(getattr(usage, "completion_tokens", None) or 0)
    choice = response.choices[0] if getattr(response, "choices", None) else None
    message: Any = getattr(choice, "message", None)
    # As it came: a key that is also a word, or a figure, must change no answer.
    text = getattr(message, "content", None) or ""
    problem = None
    if choice is None:
        problem = "the reply has no choices"
    elif refusal := (getattr(message, "provider_specific_fields", None) or {}).get("refusal"):
        problem = "the model refused: " + clean_line(str(refusal), limit=_MAX_DETAIL_CHARACTERS)
    elif choice.finish_reason in ("length", "content_filter"):
        problem = f"the answer is incomplete: finish_reason {choice.finish_reason}"
    elif not text.strip():
        problem = "the answer is empty"
    cost_usd = _cost(model, response)
    if problem is not None:
        raise ModelAnswerError(
            model,
            problem,
            text=text,
            prompt_tokens=prompt_tokens,
            completion_tokens=completion_tokens,
            cost_usd=cost_usd,
        )
    return Completion(
        text,
        prompt_tokens,
        completion_tokens,
        cost_usd,
        latency_ms,
        _word(getattr(response, "model", None)),
        _word(getattr(response, "system_fingerprint", None)),
    )


def _word(said: object) -> str:
    """Return a provider's word on itself as one short line; "" for what is no text."""
    return clean_line(said, limit=_MAX_WORD_CHARACTERS) if isinstance(said, str) else ""


def _cost(model: str, response: Any) -> Decimal | None:
    """Return litellm's price of the call, None where it knows none."""
    try:
        cost = load().completion_cost(completion_response=response, model=model)
    except Exception:  # noqa: BLE001 - a price that is not known: litellm raises a bare one
        return None
    return Decimal(repr(cost)) if cost else None


def _classified(model: str, error: BaseException, secrets: Sequence[str]) -> ModelError:
    """Translate what litellm raised; what cannot be told counts as unavailable, so another model is asked."""
    detail = _error_line(error, secrets)
    status = getattr(error, "status_code", None)
    if status in (408, 504):  # the statuses of litellm.Timeout, also of those it met locally
        return ModelTimeoutError(model, detail)
    refusal = cause_of(status, detail) if isinstance(status, int) and status < 500 else None
    may_be_simpler = status in (400, 422, 500)
    if isinstance(status, int) and 400 <= status < 500 and status != 429:
        return ModelRejectedError(model, detail, refusal=refusal, may_be_simpler=may_be_simpler)
    if isinstance(status, int) and not any(type(cause).__module__ == "httpx" for cause in _causes(error)):
        # litellm calls it 500, but neither HTTP nor the connection failed: the reply came and made no sense.
        return ModelAnswerError(model, detail)
    return ModelUnavailableError(
        model, detail, _retry_after(error), refusal=refusal, may_be_simpler=may_be_simpler
    )


def _error_line(error: BaseException, secrets: Sequence[str]) -> str:
    """Return one redacted line: litellm's words without its tracebacks, and the root cause it leaves out."""
    words = str(error).partition("Traceback (most recent call last)")[0]
    root = list(_causes(error))[-1]
    is_told = str(root) in words or type(root).__name__ == "HTTPStatusError"
    cause = "" if is_told else f" ({type(root).__name__}: {root})"
    return clean_line(redacted(f"{words}{cause}", secrets), limit=_MAX_DETAIL_CHARACTERS)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield ``error`` and what led to it, the root last."""
    seen: set[int] = set()
    below: BaseException | None = error
    while below is not None and id(below) not in seen:
        seen.add(id(below))
        yield below
        below = below.__cause__ or below.__context__


def _retry_after(error: BaseException) -> float | None:
    """Return the Retry-After in seconds, None where there is none or it is a date."""
    response = getattr(error, "response", None)
    headers = getattr(error, "litellm_response_headers", None) or getattr(response, "headers", None) or {}
    try:
        seconds = float(headers.get("retry-after", ""))
    except ValueError:
        return None
    return seconds if 0 <= seconds < 86_400 else None
