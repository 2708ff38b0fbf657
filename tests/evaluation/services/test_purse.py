"""The day's purse is one, however many processes spend from it at once."""

import asyncio
import json
import sys
import threading
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from aiohttp import web
from django.db import transaction
from pytest_django import Settings

from ai.domain.budget import Room
from ai.domain.prompt import read_facts
from ai.models import ModelCall, ModelPrice
from evaluation.models import PurseReservation, Run
from evaluation.services.purse import DayPurse, day_left
from evaluation.services.replay.estimating import estimate
from evaluation.services.replay.orders import Order
from evaluation.services.replay.selecting import Selection
from evaluation.services.replay.variation import Variation
from tests import forked
from tests.ai.chat_server import ChatServer, envelope
from tests.e2e.system import environment
from tests.evaluation.services.replay.scenes import ALL, LIVE, analysed, deciding, use_models
from tests.factories import make_agent, make_asset, make_limits, make_model_call, make_strategy
from tests.trading.outside import Outside
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db
ONE = Decimal(1)
ELSEWHERE = """
INSERT INTO purse_reservations (id, most_usd, backend_pid, backend_started_at)
SELECT gen_random_uuid(), %s, pid, backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid()
"""


def test_two_who_spend_at_once_count_each_other() -> None:
    one, other = DayPurse(day=ONE), DayPurse(day=ONE)

    assert one.reserve(Decimal("0.6")) is Room.GRANTED
    assert other.reserve(Decimal("0.6")) is Room.LATER
    assert other.reserve(Decimal("0.4")) is Room.GRANTED
    assert other.reserve(Decimal("1.1")) is Room.EXHAUSTED
    one.settle(Decimal("0.6"), Decimal(0))
    assert other.reserve(Decimal("0.6")) is Room.GRANTED


def test_calls_on_record_are_spent_and_those_that_trade_are_not() -> None:
    make_model_call(purpose=ModelCall.Purpose.SHADOW, charged_usd=Decimal("0.7"))
    make_model_call(charged_usd=Decimal(5))
    purse = DayPurse(day=ONE)

    assert purse.reserve(Decimal("0.4")) is Room.EXHAUSTED
    assert purse.words(Decimal("0.4")) == (
        "the AI budget of the day has 0.3000 USD left, a call may cost 0.4000 USD"
    )
    assert purse.reserve(Decimal("0.3")) is Room.GRANTED


def test_run_has_a_bound_of_its_own() -> None:
    purse = DayPurse(day=ONE, run=Decimal("0.5"))

    assert purse.reserve(Decimal("0.3")) is Room.GRANTED
    assert purse.reserve(Decimal("0.3")) is Room.LATER
    purse.settle(Decimal("0.3"), Decimal("0.25"))
    assert purse.reserve(Decimal("0.3")) is Room.EXHAUSTED
    assert "the AI budget of the replay has 0.2500 USD left" in purse.words(Decimal("0.3"))


def test_what_costs_nothing_sets_nothing_aside() -> None:
    assert DayPurse(day=Decimal(0)).reserve(Decimal(0)) is Room.GRANTED
    assert not PurseReservation.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_what_a_session_had_set_aside_ends_with_it(settings: Settings) -> None:
    settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(update={"ai_evaluation_budget_usd": ONE})
    elsewhere = psycopg2.connect(environment()["DATABASE_URL"])
    try:
        with elsewhere, elsewhere.cursor() as cursor:
            cursor.execute(ELSEWHERE, [Decimal("0.9")])
        assert day_left() == Decimal("0.1")
        with transaction.atomic():
            assert DayPurse(day=ONE).reserve(Decimal("0.5")) is Room.LATER
    finally:
        elsewhere.close()

    wait_until(lambda: day_left() == ONE, seconds=60, what="the session's end is seen")
    assert not PurseReservation.objects.exists()


@pytest.mark.system
@pytest.mark.django_db(transaction=True)
def test_two_processes_on_one_endpoint_ask_for_what_one_purse_pays(
    outside: Outside, chat_server: ChatServer, settings: Settings, tmp_path: Path
) -> None:
    """Both begin with the whole purse before them, which pays for one and a half of the dearest answers."""
    settings.ENVIRONMENT = settings.ENVIRONMENT
    make_agent(mode="autonomous")
    make_limits()
    make_strategy(name="Momentum")
    for symbol in ALL:
        make_asset(symbol)
    use_models(chat_server, LIVE)
    chat_server.handlers["live"] = deciding({})
    cycle = analysed(judged=False)
    models = ("one", "other")
    asked: Counter[str] = Counter()
    goes_on = threading.Event()

    async def bills_all(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        """Answer when told to, and without the tokens it took: the call is charged with all it may have cost."""
        asked[body["model"]] += 1
        await asyncio.to_thread(goes_on.wait, 300)
        rows = [
            {"symbol": fact["symbol"], "action": "hold", "confidence": 0.5, "reasoning": "So it is."}
            for fact in read_facts(body["messages"])["symbols"]
        ]
        answer = envelope(json.dumps({"decisions": rows}), model=body["model"])
        answer["usage"] = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
        return web.json_response(answer)

    for name in models:
        chat_server.handlers[name] = bills_all
        ModelPrice.objects.create(
            model=f"openai/{name}", input_usd_per_million=100, output_usd_per_million=200
        )
    order = Order(Selection(cycle=str(cycle.pk)), Variation(models=("openai/one",)))
    budget = estimate(order).most_usd * Decimal("1.5")
    variables = environment() | {
        "AI_API_BASE": chat_server.api_base,
        "AI_API_KEY": "key",
        "AI_EVALUATION_BUDGET_USD": str(budget),
    }
    processes = []
    try:
        for name in models:
            argv = [sys.executable, "manage.py", "replay", f"--cycle={cycle.pk}", f"--model=openai/{name}"]
            processes.append(forked.start(argv, env=variables, log=tmp_path / f"{name}.log"))
        wait_until(
            lambda: asked and Run.objects.filter(status=Run.Status.RUNNING).count() == 2,
            seconds=300,
            what="one asks, and both are under way",
        )
        assert sum(asked.values()) == 1, "the other waits for what the first leaves"
        goes_on.set()
        wait_until(
            lambda: not Run.objects.filter(status=Run.Status.RUNNING).exists(), seconds=300, what="both end"
        )
    finally:
        for process in processes:
            process.kill()
            process.join(120)

    assert sorted(Run.objects.values_list("status", flat=True)) == ["completed", "incomplete"]
    assert sum(asked.values()) == 1
    spent = sum(call.charged_usd for call in ModelCall.objects.exclude(purpose=ModelCall.Purpose.TRADE))
    assert budget / 2 < spent <= budget
    assert "USD left" in Run.objects.get(status="incomplete").reason
