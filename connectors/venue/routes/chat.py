"""An OpenAI-compatible chat endpoint under ``/ai/v1``."""

import json
import time

from aiohttp import web

from connectors.venue.context import venue_of
from connectors.venue.routes.chat_model import asked_symbols, decide, last_user_text
from connectors.venue.world.model import stable_id

routes = web.RouteTableDef()

_MODEL = "venue-analyst"
_CHARACTERS_PER_TOKEN = 4


@routes.get("/ai/v1/models")
async def get_models(request: web.Request) -> web.Response:
    """The one model there is; any name is answered."""
    model = {"id": _MODEL, "object": "model", "created": 1_600_000_000, "owned_by": "venue"}
    return web.json_response({"object": "list", "data": [model]})


@routes.post("/ai/v1/chat/completions")
async def post_chat(request: web.Request) -> web.Response:
    """Answer with JSON decisions for the symbols of the last user message, or with a ``content`` fault."""
    try:
        body = json.loads(await request.read())
    except ValueError:
        return _error("the body is not JSON")
    messages = body.get("messages") if isinstance(body, dict) else None
    if not isinstance(messages, list) or not messages:
        return _error("messages is required")
    if body.get("stream"):
        return _error("stream is not supported by this venue")
    venue = venue_of(request)
    model = str(body.get("model") or _MODEL)
    fault = venue.faults.hit(("content",), method="POST", path=request.path)
    if fault is not None:
        content = fault.body if isinstance(fault.body, str) else json.dumps(fault.body)
    else:
        symbols = asked_symbols(last_user_text(messages))
        content = json.dumps(decide(venue.world.seed, symbols, int(venue.clock.now() // 60)))
    asked = len(json.dumps(messages)) // _CHARACTERS_PER_TOKEN + 1
    answered = len(content) // _CHARACTERS_PER_TOKEN + 1
    reply = {
        "id": f"chatcmpl-{stable_id(model, content)}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": model,
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": "stop"}
        ],
        "usage": {"prompt_tokens": asked, "completion_tokens": answered, "total_tokens": asked + answered},
    }
    return web.json_response(reply)


def _error(message: str) -> web.Response:
    return web.json_response(
        {"error": {"message": message, "type": "invalid_request_error", "code": None}}, status=400
    )
