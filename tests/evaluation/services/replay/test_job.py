"""A replay whose child is killed is taken up by the evaluator, which asks for nothing twice."""

import asyncio
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import psutil
import pytest
from aiohttp import web
from pytest_django import Settings

from ai.domain.prompt import read_facts
from ai.models import ModelAnswer
from ai.replaying import AnswerPolicy
from evaluation.models import Run
from evaluation.services.jobs import JOBS
from evaluation.services.replay.background import order_from
from evaluation.services.replay.job import MANY, SINGLE
from evaluation.services.replay.orders import Order, order_replay
from evaluation.services.replay.selecting import Selection
from evaluation.services.replay.variation import Variation
from tests import forked
from tests.ai.chat_server import ChatServer
from tests.e2e.system import environment
from tests.evaluation.services import quick_evaluator
from tests.evaluation.services.replay.scenes import ALL, LIVE, analysed, deciding, use_models
from tests.factories import make_agent, make_asset, make_limits, make_strategy
from tests.trading.outside import Outside
from tests.waiting import wait_until
from trading.core.settings import set_runtime_setting

SPAN = Selection(first="2026-01-01", last="2026-01-31")


@pytest.mark.django_db
def test_small_ones_do_not_wait_for_large_ones() -> None:
    one = order_replay(Order(Selection(cycle="0" * 32), Variation()), author="ann", in_background=True)
    many = order_replay(Order(SPAN, Variation()), author="ann", in_background=True)
    order_replay(Order(SPAN, Variation()), author="cli")

    assert (SINGLE.due(), MANY.due()) == ([str(one.pk)], [str(many.pk)])
    assert {SINGLE, MANY} <= set(JOBS)


@pytest.mark.system
@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing is forked")
@pytest.mark.parametrize("policy", [AnswerPolicy.REPLAY, AnswerPolicy.FRESH])
def test_child_that_is_killed_is_followed_by_one_that_asks_only_what_is_open(
    policy: AnswerPolicy, outside: Outside, chat_server: ChatServer, settings: Settings, tmp_path: Path
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
    goes_on, sound = threading.Event(), deciding({})

    async def answers_one_and_waits(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        [fact] = read_facts(body["messages"])["symbols"]
        asked[fact["symbol"]] += 1
        if sum(asked.values()) > 1:
            await asyncio.to_thread(goes_on.wait, 300)
        return await sound(request, body)

    model = LIVE if policy is AnswerPolicy.FRESH else "openai/other"
    chat_server.handlers[model.partition("/")[2]] = answers_one_and_waits
    order = Order(Selection(cycle=str(cycle.pk)), Variation(models=(model,), policy=policy))
    run = order_from(order, author="ann")
    stored = ModelAnswer.objects.count()
    variables = environment() | {"AI_API_BASE": chat_server.api_base, "AI_API_KEY": "key"}
    process = forked.start(
        [sys.executable, "-m", quick_evaluator.__name__], env=variables, log=tmp_path / "evaluator.log"
    )
    try:
        wait_until(lambda: ModelAnswer.objects.count() > stored, seconds=300, what="one is answered")
        wait_until(lambda: sum(asked.values()) == 2, seconds=300, what="the second is under way")
        answered = next(iter(asked))
        [child] = psutil.Process(process.pid).children()
        child.kill()
        goes_on.set()
        wait_until(
            lambda: Run.objects.get(pk=run.pk).status == Run.Status.COMPLETED,
            seconds=300,
            what="it is taken up and done",
        )
    finally:
        process.kill()
        process.join(120)

    run.refresh_from_db()
    assert (run.figures["answered"], run.figures["requestsAsked"]) == (3, 3)
    assert asked[answered] == 1
    assert set(asked) == set(ALL)
    assert run.items.count() == 3
