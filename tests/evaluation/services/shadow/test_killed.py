"""The evaluator at work for a shadow beside live cycles: hanging and killed it delays nobody, and repeats nothing."""

import asyncio
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from pytest_django import Settings

from ai.domain.prompt import read_facts
from ai.models import ModelAnswer, ModelCall
from evaluation.models import ShadowDecision, ShadowFill, ShadowPoint
from evaluation.services.shadow import running
from tests import forked
from tests.ai.chat_server import ChatServer
from tests.e2e.system import environment
from tests.evaluation.services.replay.scenes import LIVE, deciding, use_models
from tests.evaluation.services.shadow.scenes import ALL, next_cycle
from tests.factories import make_agent, make_asset, make_limits, make_strategy
from tests.trading.outside import COIN, OTHER_STOCK, STOCK, Outside
from tests.waiting import wait_until
from trading.core.settings import set_runtime_setting
from trading.models import AIDecision

pytestmark = [pytest.mark.system, pytest.mark.django_db(transaction=True)]
AT = {STOCK: 100, OTHER_STOCK: 50, COIN: 20_000}


def test_hanging_and_killed_it_delays_nobody_and_does_nothing_twice(
    outside: Outside, chat_server: ChatServer, settings: Settings, tmp_path: Path
) -> None:
    settings.ENVIRONMENT = settings.ENVIRONMENT
    make_agent(mode="autonomous")
    make_limits()
    live = make_strategy(name="Live", model_names=[LIVE])
    strategy = make_strategy(name="Shadow", is_shadow=True, model_names=["openai/shadow"])
    for symbol in ALL:
        make_asset(symbol)
    set_runtime_setting(name="symbols_per_call", value="1", actor="test")
    use_models(chat_server, LIVE, budget="5")
    chat_server.handlers["live"] = deciding({})
    asked: Counter[tuple[str, str]] = Counter()
    goes_on = asyncio.Event()
    sound = deciding(dict.fromkeys(ALL, ("buy", 0.9)))

    async def answers_some_and_hangs(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        facts = read_facts(body["messages"])
        asked[facts["as_of"], facts["symbols"][0]["symbol"]] += 1
        if len(asked) > 4:
            await goes_on.wait()
        return await sound(request, body)

    chat_server.handlers["shadow"] = answers_some_and_hangs
    next_cycle(AT)
    running.catch_up(strategy)
    first = ShadowPoint.objects.get()
    next_cycle(AT)
    variables = environment() | {
        "AI_API_BASE": chat_server.api_base,
        "AI_API_KEY": "key",
        "AI_EVALUATION_BUDGET_USD": "5",
    }
    argv = [sys.executable, "manage.py", "evaluator"]

    process = forked.start(argv, env=variables, log=tmp_path / "evaluator.log")
    try:
        wait_until(lambda: len(asked) == 2 * len(ALL), seconds=300, what="two of the second cycle hang")
        wait_until(lambda: ModelAnswer.objects.filter(model="openai/shadow").count() >= 4, seconds=300)
        before = len(chat_server.requests)
        while_it_hangs = next_cycle(AT)
        of_cycle = AIDecision.objects.filter(cycle=while_it_hangs)
        assert set(of_cycle.values_list("strategy_id", "status")) == {(live.pk, "held")}
        assert {body["model"] for body in chat_server.requests[before:]} == {"live"}
        assert len(chat_server.requests[before:]) == len(ALL)
        assert not goes_on.is_set(), "it hangs still"
        assert ShadowPoint.objects.get() == first
    finally:
        process.kill()
        process.join(120)
    assert not ShadowFill.objects.exists(), "of the killed cycle nothing is written"
    answered = list(asked)[:4]
    goes_on.set()
    chat_server.handlers["shadow"] = _counting(asked, sound)

    assert running.catch_up(strategy) == 2

    assert {asked[key] for key in answered} == {1}, "what was answered is not asked again"
    assert [point.outcome for point in ShadowPoint.objects.order_by("cycle_number")] == ["decided"] * 3
    assert ShadowFill.objects.filter(cycle_number=first.cycle_number + 1).count() == len(ALL)
    assert ShadowDecision.objects.filter(cycle_id=first.cycle_id).count() == len(ALL)
    calls = ModelCall.objects.filter(purpose="shadow", status="succeeded")
    assert calls.count() == 3 * len(ALL)
    assert not AIDecision.objects.filter(strategy=strategy).exists()


def _counting(asked: Counter[tuple[str, str]], sound: Any) -> Any:
    async def handler(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        facts = read_facts(body["messages"])
        asked[facts["as_of"], facts["symbols"][0]["symbol"]] += 1
        return await sound(request, body)

    return handler
