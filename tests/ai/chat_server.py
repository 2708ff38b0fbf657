"""An OpenAI-compatible server on loopback that answers, or fails in a way the model's name asks for."""

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from ai.domain.prompt import read_facts

API_KEY = "sk-test-very-secret-key"

Handler = Callable[[web.Request, dict[str, Any]], Awaitable[web.StreamResponse]]


def decide_all(body: dict[str, Any], **overrides: Any) -> str:
    """Return an answer that decides every asked symbol alike."""
    decision = {"action": "buy", "confidence": 0.8, "reasoning": "It rose 3 %.", **overrides}
    facts = read_facts(body["messages"])["symbols"]
    return json.dumps({"decisions": [{"symbol": fact["symbol"], **decision} for fact in facts]})


def envelope(content: str | None, *, model: str = "served", **overrides: Any) -> dict[str, Any]:
    """Return a chat completion with one choice; ``overrides`` go into the choice."""
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": content}}
    usage = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_600_000_000,
        "model": model,
        "choices": [{**choice, **overrides}],
        "usage": usage,
    }


class ChatServer:
    """Serves in a thread of its own; ``requests`` are the bodies received, ``handlers`` go by model name.

    A model without a handler gets a sound answer. ``disconnected`` is set when the client of a dripping reply
    has left.
    """

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self.handlers: dict[str, Handler] = {**_FAULTS, "hang": self._hang, "drip": self._drip}
        self.disconnected = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._stopping = asyncio.Event()
        self._hanging_ends = asyncio.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="chat-server")
        self._port = 0

    @property
    def api_base(self) -> str:
        return f"http://127.0.0.1:{self._port}/v1"

    def asked_models(self) -> list[str]:
        return [str(body["model"]) for body in self.requests]

    def stop_hanging(self) -> None:
        """Let every hanging request end with 503."""
        self._loop.call_soon_threadsafe(self._hanging_ends.set)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(120), "the chat server did not start"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop_hanging()
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(120)

    def _serve(self) -> None:
        self._loop.run_until_complete(self._run())
        self._loop.close()

    async def _run(self) -> None:
        app = web.Application(client_max_size=16 * 1024 * 1024)
        app.router.add_post("/v1/chat/completions", self._respond)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self._port = runner.addresses[0][1]
        self._ready.set()
        await self._stopping.wait()
        await runner.cleanup()

    async def _respond(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.requests.append({**body, "authorization": request.headers.get("Authorization")})
        handler = self.handlers.get(body["model"])
        if handler is None:
            return web.json_response(envelope(decide_all(body), model=body["model"]))
        return await handler(request, body)

    async def _drip(self, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        """Send a space every 20 ms until the client leaves; each arrives in time, the whole never does."""
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        try:
            while not self._stopping.is_set():
                await response.write(b" ")
                await asyncio.sleep(0.02)
        except ConnectionError:
            self.disconnected.set()
        return response

    async def _hang(self, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        """Say nothing until ``stop_hanging``, or until the server stops."""
        await self._hanging_ends.wait()
        return web.Response(status=503)


async def _reset(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def _truncated(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
    whole = json.dumps(envelope(decide_all(body))).encode()
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    response.content_length = len(whole)
    await response.prepare(request)
    await response.write(whole[: len(whole) // 2])
    assert request.transport is not None
    request.transport.close()
    return response


async def _huge(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
    return web.Response(body=b" " * (8 * 1024 * 1024), content_type="application/json")


def replying(payload: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> Handler:
    """Return a handler that answers with ``payload`` as JSON, or as it is when it is text."""

    async def handler(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        if isinstance(payload, str):
            return web.Response(text=payload, status=status, headers=headers)
        return web.json_response(payload, status=status, headers=headers)

    return handler


def answering(content: str | None, **overrides: Any) -> Handler:
    """Return a handler whose envelope is sound and whose content is ``content``."""
    return replying(envelope(content, **overrides))


def _error(message: str) -> dict[str, Any]:
    return {"error": {"message": message, "type": "error", "code": None}}


_FAULTS: dict[str, Handler] = {
    "reset": _reset,
    "truncated": _truncated,
    "huge": _huge,
    "busy": replying(_error("slow down"), status=429, headers={"Retry-After": "7"}),
    "broken": replying(_error("oops"), status=500),
    "overloaded": replying(_error("overloaded"), status=503),
    "gateway-timeout": replying(_error("upstream"), status=504),
    "unauthorised": replying(_error(f"Incorrect API key provided: {API_KEY}"), status=401),
    "unknown": replying(_error("no such model"), status=404),
    "bad-request": replying(_error("too long"), status=400),
    "no-choices": replying({**envelope("x"), "choices": []}),
    "null-choices": replying({**envelope("x"), "choices": None}),
    "absent-choices": replying({"id": "x", "object": "chat.completion", "created": 1, "model": "m"}),
    "null-message": answering("x", message=None),
    "null-content": answering(None),
    "empty": answering("  "),
    "cut": answering('{"decisions": [', finish_reason="length"),
    "filtered": answering("x", finish_reason="content_filter"),
    "refusal": answering(None, message={"role": "assistant", "content": None, "refusal": "I cannot."}),
    "html": replying("<html>proxy</html>", headers={"Content-Type": "text/html"}),
    "not-json": replying("{oops", headers={"Content-Type": "application/json"}),
    "list": replying([1, 2, 3]),
    "odd-usage": replying({**envelope("x"), "usage": {"prompt_tokens": "many"}}),
}
