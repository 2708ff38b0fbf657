"""A cycle whose models are served by a chat server, analysed and judged as live cycles are."""

import json
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

from aiohttp import web
from django.conf import settings

from ai.domain.prompt import read_facts
from tests.ai.chat_server import ChatServer, Handler, envelope
from tests.ai.factories import make_indicators
from tests.factories import make_cycle, make_snapshot
from tests.trading.outside import COIN, OTHER_STOCK, STOCK
from trading.analysis.cycle_analysis import analyse_cycle
from trading.execution.decision_execution import execute_batch
from trading.execution.portfolio import sync_portfolio
from trading.market.market_time import market_now
from trading.models import Cycle

ALL = [STOCK, OTHER_STOCK, COIN]
LIVE = "openai/live"


def deciding(actions: Mapping[str, tuple[str, float]]) -> Handler:
    """Return a handler that decides each symbol as named, and holds what is not."""

    async def handler(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        rows = []
        for fact in read_facts(body["messages"])["symbols"]:
            action, confidence = actions.get(fact["symbol"], ("hold", 0.5))
            said = {"action": action, "confidence": confidence, "reasoning": "It is said so."}
            rows.append({"symbol": fact["symbol"], **said})
        return web.json_response(envelope(json.dumps({"decisions": rows}), model=body["model"]))

    return handler


def use_models(server: ChatServer, *names: str, budget: str = "0") -> None:
    """Have the strategies ask these models at the server, and evaluations spend so much a day."""
    settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(
        update={
            "ai_models": names,
            "ai_api_base": server.api_base,
            "ai_api_key": "key",
            "ai_evaluation_budget_usd": Decimal(budget),
        }
    )


def analysed(symbols: list[str] | None = None, *, judged: bool = True) -> Cycle:
    """Return a cycle with prices of these symbols, analysed, and what wants to trade judged by the gate."""
    asked = symbols or ALL
    cycle = make_cycle(status="running", symbols=asked)
    sync_portfolio(cycle.pk)
    moment = market_now()
    assert moment is not None
    for place, symbol in enumerate(asked):
        make_snapshot(
            cycle=cycle,
            symbol=symbol,
            quoted_at=moment - timedelta(seconds=1),
            price=Decimal(100 + place),
            previous_close=Decimal(99 + place),
            indicators=make_indicators().to_dict(),
        )
    wanting = analyse_cycle(cycle.pk)
    if judged and wanting:
        execute_batch(wanting)
    cycle.refresh_from_db()
    return cycle
