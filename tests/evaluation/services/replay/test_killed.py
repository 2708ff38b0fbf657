"""A replay that is killed with kill -9: the next one asks for nothing that was answered."""

import asyncio
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from pytest_django import Settings

from ai.domain.prompt import read_facts
from ai.models import ModelAnswer
from evaluation.models import Run
from evaluation.services.replay.orders import Order, order_replay
from evaluation.services.replay.running import carry_out
from evaluation.services.replay.selecting import Selection
from evaluation.services.replay.variation import Variation
from tests import forked
from tests.ai.chat_server import ChatServer
from tests.e2e.system import environment
from tests.evaluation.services.replay.scenes import ALL, LIVE, analysed, deciding, use_models
from tests.factories import make_agent, make_asset, make_limits, make_strategy
from tests.trading.outside import Outside
from tests.waiting import wait_until
from trading.core.settings import set_runtime_setting

pytestmark = [pytest.mark.system, pytest.mark.django_db(transaction=True)]
OTHER = "openai/other"


def test_what_was_answered_before_the_kill_is_not_asked_again(
    outside: Outside, chat_server: ChatServer, settings: Settings, tmp_path: Path
) -> None:
    settings.ENVIRONMENT = settings.ENVIRONMENT
    make_agent(mode="autonomous")
    make_limits()
    make_strategy(name="Momentum")
    for symbol in ALL:
        make_asset(symbol)
    for name in ("symbols_per_call", "model_concurrency"):
        set_runtime_setting(name=name, value="1", actor="test")
    use_models(chat_server, LIVE)
    cycle = analysed(judged=False)
    asked: Counter[str] = Counter()
    goes_on = asyncio.Event()
    sound = deciding({})

    async def answers_one_and_waits(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        [fact] = read_facts(body["messages"])["symbols"]
        asked[fact["symbol"]] += 1
        if sum(asked.values()) > 1:
            await goes_on.wait()
        return await sound(request, body)

    chat_server.handlers["other"] = answers_one_and_waits
    argv = [sys.executable, "manage.py", "replay", f"--cycle={cycle.pk}", f"--model={OTHER}"]
    variables = environment() | {"AI_API_BASE": chat_server.api_base, "AI_API_KEY": "key"}

    process = forked.start(argv, env=variables, log=tmp_path / "replay.log")
    try:
        wait_until(
            lambda: ModelAnswer.objects.filter(model=OTHER).exists(), seconds=300, what="one is answered"
        )
        wait_until(lambda: sum(asked.values()) == 2, seconds=300, what="the second is under way")
    finally:
        process.kill()
        process.join(120)
    answered = next(iter(asked))
    chat_server.handlers["other"] = sound_counted(asked)

    again = carry_out(
        order_replay(Order(Selection(cycle=str(cycle.pk)), Variation(models=(OTHER,))), author="test")
    )

    assert Run.objects.exclude(pk=again.pk).get().status == Run.Status.RUNNING, "it was killed"
    assert (again.status, again.figures["requestsKnown"], again.figures["requestsAsked"]) == (
        "completed",
        1,
        2,
    )
    assert asked[answered] == 1


def sound_counted(asked: Counter[str]) -> Any:
    sound = deciding({})

    async def handler(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        [fact] = read_facts(body["messages"])["symbols"]
        asked[fact["symbol"]] += 1
        return await sound(request, body)

    return handler
